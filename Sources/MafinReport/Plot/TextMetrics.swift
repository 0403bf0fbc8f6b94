/// Estimates the width of texts without a font, to leave room for labels and keep them apart.
enum TextMetrics {
    /// Width of the text at a font size, in the same unit. For the usual sans-serif fonts it is correct to about a tenth.
    static func width(_ text: some StringProtocol, fontSize: Double) -> Double {
        var thousandths = 0
        for character in text {
            if let ascii = character.asciiValue, ascii >= 32, ascii < 127 {
                thousandths += advances[Int(ascii) - 32]
            } else {
                // A wide character is as wide as the font is high. Any other non-ASCII character counts as a digit.
                thousandths += character.displayWidth == 2 ? 1000 : character.displayWidth * 556
            }
        }
        return Double(thousandths) / 1000 * fontSize
    }

    /// The width of the widest text; 0 if there are none.
    static func widest(_ texts: [String], fontSize: Double) -> Double {
        texts.map { width($0, fontSize: fontSize) }.max() ?? 0
    }

    /// The text if it fits, else as much of its start as fits, with an ellipsis.
    static func fitted(_ text: String, into room: Double, fontSize: Double) -> String {
        guard width(text, fontSize: fontSize) > room else { return text }
        var kept = text[...]
        while !kept.isEmpty, width(kept + "…", fontSize: fontSize) > room { kept = kept.dropLast() }
        return kept.isEmpty ? "" : kept + "…"
    }

    /// Advance widths of the ASCII characters from the space on, in thousandths of the font size, as in Helvetica, Arial and Liberation Sans.
    private static let advances = [
        278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556,
        556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667,
        556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556,
        556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722,
        500, 500, 500, 334, 260, 334, 584,
    ]
}

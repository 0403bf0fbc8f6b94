extension Character {
    /// The number of terminal columns that this character takes: 0, 1 or 2.
    ///
    /// East Asian wide and full-width characters (UAX #11) and emoji take two. Combining marks, zero-width characters and control
    /// characters on their own take none.
    public var displayWidth: Int {
        var width = 0
        for scalar in unicodeScalars {
            // U+FE0F asks for the emoji form of the character before it, as in "❤️".
            if scalar.value == 0xFE0F, width == 1 { return 2 }
            if scalar.isWide { return 2 }
            if !scalar.takesNoColumn { width = 1 }
        }
        return width
    }
}

extension String {
    /// This text without characters that control a terminal. Everything that is printed and was not written by us goes through it: texts of a
    /// collection, identifiers, messages of a server.
    ///
    /// Each control character (escape sequences begin with one) and each character that reverses the direction of the following text becomes
    /// U+FFFD. Newlines and tabs stay. A carriage return before a newline is removed.
    public var safeForTerminal: String {
        if utf8.allSatisfy({ (0x20..<0x7F).contains($0) || $0 == 0x0A || $0 == 0x09 }) { return self }
        var safe = String.UnicodeScalarView()
        for scalar in replacing("\r\n", with: "\n").unicodeScalars {
            safe.append(scalar.steersTerminal ? "\u{FFFD}" : scalar)
        }
        return String(safe)
    }

    /// The number of terminal columns that this text takes; linear in its length.
    public var displayWidth: Int {
        if utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return utf8.count }
        return reduce(0) { $0 + $1.displayWidth }
    }

    /// This text cut to at most `width` columns. If it is cut, it ends in an ellipsis.
    public func truncated(toWidth width: Int) -> String {
        if displayWidth <= width { return self }
        guard width > 0 else { return "" }
        var kept = ""
        var used = 0
        for character in self {
            let next = character.displayWidth
            if used + next > width - 1 { break }
            kept.append(character)
            used += next
        }
        return kept + "…"
    }
}

extension Unicode.Scalar {
    fileprivate var steersTerminal: Bool {
        switch value {
        case 0x09, 0x0A: false
        case 0x202A...0x202E, 0x2066...0x2069: true
        default: properties.generalCategory == .control
        }
    }

    fileprivate var takesNoColumn: Bool {
        switch properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format, .control, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }

    /// Whether the scalar is East Asian wide or full-width, by blocks, or shown as an emoji by default.
    fileprivate var isWide: Bool {
        if value < 0x1100 { return false }
        switch value {
        case 0x1100...0x115F,  // Hangul Jamo, leading consonants
            0x2329...0x232A,  // angle brackets
            0x2E80...0x303E,  // CJK radicals, ideographic description, CJK punctuation
            0x3041...0x4DBF,  // kana, Bopomofo, Hangul compatibility, enclosed CJK, extension A
            0x4E00...0xA4CF,  // CJK unified ideographs, Yi
            0xA960...0xA97F,  // Hangul Jamo extended A
            0xAC00...0xD7A3,  // Hangul syllables
            0xF900...0xFAFF,  // CJK compatibility ideographs
            0xFE10...0xFE19, 0xFE30...0xFE6F,  // vertical and small forms
            0xFF01...0xFF60, 0xFFE0...0xFFE6,  // full-width forms
            0x16FE0...0x18DFF, 0x1AFF0...0x1B2FF,  // Tangut, Khitan, kana supplements
            0x20000...0x3FFFD:  // supplementary ideographic planes
            return true
        default:
            return properties.isEmojiPresentation
        }
    }
}

/// Writes JSON strings, for JSON that is composed without an encoder.
package enum JSONText {
    /// Number of bytes of a text between its quotation marks.
    package static func escapedLength(of text: String) -> Int {
        text.utf8.reduce(0) { $0 + (mustEscape($1) ? ($1 < 0x20 && $1 != UInt8(ascii: "\n") ? 6 : 2) : 1) }
    }

    /// A text in quotation marks. Characters outside ASCII are not escaped.
    package static func quoted(_ text: String) -> String {
        var json: [UInt8] = []
        append(quoted: text, to: &json)
        return String(decoding: json, as: UTF8.self)
    }

    /// Appends a text in quotation marks.
    package static func append(quoted text: String, to json: inout [UInt8]) {
        json.append(UInt8(ascii: "\""))
        append(text, to: &json)
        json.append(UInt8(ascii: "\""))
    }

    /// Appends an escaped text without quotation marks.
    package static func append(_ text: String, to json: inout [UInt8]) {
        for byte in text.utf8 {
            guard mustEscape(byte) else {
                json.append(byte)
                continue
            }
            switch byte {
            case UInt8(ascii: "\n"): json += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                json += Array("\\u00\(digits.count < 2 ? "0" : "")\(digits)".utf8)
            default: json += [UInt8(ascii: "\\"), byte]
            }
        }
    }

    private static func mustEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }
}

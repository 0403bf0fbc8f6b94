/// Takes the object `model.vocab` out of a `tokenizer.json`, so that Foundation reads only the few settings around it.
///
/// Foundation would make a dictionary of strings of it, in which canonically equivalent tokens are one; it would also take
/// most of the time that reading a tokenizer needs.
struct JSONVocabularyScanner {
    struct Failure: Error {
        let byte: Int
        let reason: String
    }

    private let file: [UInt8]
    private var position = 0
    private var entries: VocabularyEntries?
    private var vocabularyRange: Range<Int>?

    /// - Returns: the file with `{}` in place of the vocabulary, and the vocabulary; nil for it where `model.vocab` is absent
    ///   or is not an object (other kinds of model)
    static func separate(_ file: [UInt8]) throws(Failure) -> (settings: [UInt8], vocabulary: VocabularyEntries?) {
        var scanner = JSONVocabularyScanner(file: file)
        try scanner.scanFile()
        guard let range = scanner.vocabularyRange else { return (file, nil) }
        return (
            file[..<range.lowerBound] + [UInt8(ascii: "{"), UInt8(ascii: "}")] + file[range.upperBound...],
            scanner.entries
        )
    }

    private init(file: [UInt8]) { self.file = file }

    private mutating func scanFile() throws(Failure) {
        try scanObject { (scanner, key) throws(Failure) in
            guard key.elementsEqual("model".utf8), scanner.peek() == UInt8(ascii: "{") else {
                return try scanner.skipValue()
            }
            try scanner.scanObject { (scanner, key) throws(Failure) in
                guard key.elementsEqual("vocab".utf8), scanner.peek() == UInt8(ascii: "{") else {
                    return try scanner.skipValue()
                }
                try scanner.scanVocabulary()
            }
        }
    }

    private mutating func scanVocabulary() throws(Failure) {
        let start = position
        var found = VocabularyEntries()
        try scanObject { (scanner, token) throws(Failure) in
            found.append(token, id: try scanner.scanIdentifier())
        }
        entries = found
        vocabularyRange = start..<position
    }

    private mutating func scanIdentifier() throws(Failure) -> Int32 {
        let start = position
        var value = 0
        while position < file.count, case let digit = file[position],
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit)
        {
            value = value * 10 + Int(digit - UInt8(ascii: "0"))
            guard value <= Int(Int32.max) else { throw Failure(byte: start, reason: "a token id exceeds 2147483647") }
            position += 1
        }
        guard position > start else { throw Failure(byte: start, reason: "expected a token id, a whole number from 0") }
        return Int32(value)
    }

    // MARK: JSON

    private mutating func peek() -> UInt8? {
        while position < file.count, [0x20, 0x09, 0x0A, 0x0D].contains(file[position]) { position += 1 }
        return position < file.count ? file[position] : nil
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(Failure) {
        guard peek() == UInt8(ascii: character) else {
            throw Failure(byte: position, reason: "expected '\(character)'")
        }
        position += 1
    }

    private mutating func scanObject(
        member: (inout JSONVocabularyScanner, _ key: [UInt8]) throws(Failure) -> Void
    ) throws(Failure) {
        try expect("{")
        if peek() == UInt8(ascii: "}") {
            position += 1
            return
        }
        var key: [UInt8] = []
        while true {
            key.removeAll(keepingCapacity: true)
            try scanString(into: &key)
            try expect(":")
            _ = peek()
            try member(&self, key)
            if peek() == UInt8(ascii: ",") {
                position += 1
            } else {
                return try expect("}")
            }
        }
    }

    /// Skips one value without a check of its grammar: Foundation reads the same bytes later.
    private mutating func skipValue() throws(Failure) {
        var depth = 0
        repeat {
            guard let character = peek() else { throw Failure(byte: position, reason: "the file ends inside a value") }
            switch character {
            case UInt8(ascii: "\""):
                var ignored: [UInt8] = []
                try scanString(into: &ignored)
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                position += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                guard depth > 0 else { throw Failure(byte: position, reason: "expected a value") }
                depth -= 1
                position += 1
            case UInt8(ascii: ","), UInt8(ascii: ":"):
                guard depth > 0 else { throw Failure(byte: position, reason: "expected a value") }
                position += 1
            default:
                while position < file.count, !" \t\r\n,:{}[]\"".utf8.contains(file[position]) { position += 1 }
            }
        } while depth > 0
    }

    private mutating func scanString(into output: inout [UInt8]) throws(Failure) {
        try expect("\"")
        while position < file.count {
            let character = file[position]
            position += 1
            switch character {
            case UInt8(ascii: "\""): return
            case UInt8(ascii: "\\"): try scanEscape(into: &output)
            default: output.append(character)
            }
        }
        throw Failure(byte: position, reason: "the file ends inside a string")
    }

    private mutating func scanEscape(into output: inout [UInt8]) throws(Failure) {
        guard position < file.count else { throw Failure(byte: position, reason: "the file ends inside a string") }
        let character = file[position]
        position += 1
        switch character {
        case UInt8(ascii: "b"): output.append(0x08)
        case UInt8(ascii: "f"): output.append(0x0C)
        case UInt8(ascii: "n"): output.append(0x0A)
        case UInt8(ascii: "r"): output.append(0x0D)
        case UInt8(ascii: "t"): output.append(0x09)
        case UInt8(ascii: "u"): output += utf8Bytes(try scanUTF16())
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): output.append(character)
        default: throw Failure(byte: position - 1, reason: "unknown escape in a string")
        }
    }

    /// The digits after `\u`, and those of the second half of a surrogate pair.
    private mutating func scanUTF16() throws(Failure) -> UInt32 {
        let first = try scanHexadecimal()
        guard (0xD800..<0xDC00).contains(first) else { return first }
        guard file[position...].starts(with: #"\u"#.utf8) else { return first }
        position += 2
        let second = try scanHexadecimal()
        guard (0xDC00..<0xE000).contains(second) else {
            throw Failure(byte: position, reason: "half of a surrogate pair in a string")
        }
        return 0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)
    }

    private mutating func scanHexadecimal() throws(Failure) -> UInt32 {
        let digits = file[position...].prefix(4)
        guard digits.count == 4, let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16) else {
            throw Failure(byte: position, reason: "expected four hexadecimal digits")
        }
        position += 4
        return value
    }
}

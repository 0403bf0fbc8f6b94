extension JSONScanner {
    /// The position of a string in the text: the bytes between its quotation marks.
    package struct StringBounds {
        /// Offsets of its bytes.
        package let range: Range<Int>
        /// Whether it contains a backslash.
        package let hasEscapes: Bool
        fileprivate let isASCII: Bool
    }

    /// The next value, which must be a string, with escapes resolved.
    package mutating func string() throws -> String {
        guard peek() == UInt8(ascii: "\"") else { throw failure("expected a string") }
        return try text(of: try stringBounds())
    }

    /// The bytes of the next value, which must be a string, with escapes resolved.
    package mutating func utf8() throws -> [UInt8] {
        guard peek() == UInt8(ascii: "\"") else { throw failure("expected a string") }
        return try utf8(of: try stringBounds())
    }

    /// The bytes between the quotation marks of the next value, which must be a string. Escapes are not resolved, and
    /// UTF-8 is not checked.
    package mutating func rawString() throws -> UnsafeBufferPointer<UInt8> {
        guard peek() == UInt8(ascii: "\"") else { throw failure("expected a string") }
        return UnsafeBufferPointer(rebasing: bytes[try stringBounds().range])
    }

    /// Consumes a string whose opening quotation mark is next. Its escapes and UTF-8 are checked by ``text(of:)`` or ``check(_:)``.
    mutating func stringBounds() throws -> StringBounds {
        var position = offset + 1
        let start = position
        var hasEscapes = false
        var union: UInt8 = 0
        while position < bytes.count {
            let byte = bytes[position]
            union |= byte
            switch byte {
            case UInt8(ascii: "\""):
                offset = position + 1
                return StringBounds(range: start..<position, hasEscapes: hasEscapes, isASCII: union < 0x80)
            case UInt8(ascii: "\\"):
                hasEscapes = true
                position += 2
            case 0..<0x20:
                offset = position
                throw failure("a control character in a string must be escaped")
            default:
                position += 1
            }
        }
        offset = bytes.count
        throw JSONSyntaxError(offset: start - 1, reason: "a string without an end")
    }

    /// Checks a string that is skipped.
    func check(_ bounds: StringBounds) throws {
        if bounds.hasEscapes || !bounds.isASCII { _ = try text(of: bounds) }
    }

    /// Whether a string without escapes equals `text`, byte for byte.
    package func equals(_ bounds: StringBounds, _ text: String) -> Bool {
        !bounds.hasEscapes && bounds.range.count == text.utf8.count && bytes[bounds.range].elementsEqual(text.utf8)
    }

    /// The text of a string, with escapes resolved.
    package func text(of bounds: StringBounds) throws -> String {
        let raw = UnsafeBufferPointer(rebasing: bytes[bounds.range])
        guard let text = String(validating: raw, as: UTF8.self) else { throw notUTF8(bounds.range) }
        return bounds.hasEscapes ? String(decoding: try unescaped(bounds.range), as: UTF8.self) : text
    }

    /// The bytes of a string, with escapes resolved. For keys that `String` would regard as equal because they are
    /// canonically equivalent.
    package func utf8(of bounds: StringBounds) throws -> [UInt8] {
        try check(bounds)
        return bounds.hasEscapes ? try unescaped(bounds.range) : Array(bytes[bounds.range])
    }

    private func notUTF8(_ range: Range<Int>) -> JSONSyntaxError {
        // Finds the end of the longest prefix that is valid UTF-8.
        var end = range.lowerBound
        var decoder = UTF8()
        var iterator = bytes[range].makeIterator()
        while case .scalarValue(let scalar) = decoder.decode(&iterator) { end += UTF8.width(scalar) }
        return JSONSyntaxError(offset: end, reason: "a string that is not UTF-8")
    }

    private func unescaped(_ range: Range<Int>) throws -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(range.count)
        var index = range.lowerBound
        while index < range.upperBound {
            let run = bytes[index..<range.upperBound]
            let backslash = run.firstIndex(of: UInt8(ascii: "\\")) ?? range.upperBound
            result.append(contentsOf: run[..<backslash])
            index = backslash
            if index == range.upperBound { break }
            // The string ends with an unescaped quotation mark, so a byte follows every backslash.
            index += 2
            switch bytes[index - 1] {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): result.append(bytes[index - 1])
            case UInt8(ascii: "b"): result.append(0x08)
            case UInt8(ascii: "f"): result.append(0x0C)
            case UInt8(ascii: "n"): result.append(0x0A)
            case UInt8(ascii: "r"): result.append(0x0D)
            case UInt8(ascii: "t"): result.append(0x09)
            case UInt8(ascii: "u"): result.append(contentsOf: try escapedScalar(&index, end: range.upperBound))
            default: throw JSONSyntaxError(offset: index - 2, reason: "an unknown escape")
            }
        }
        return result
    }

    /// The UTF-8 bytes of a `\u` escape, or of two escapes that form a surrogate pair. `index` is the position after
    /// the `u`.
    private func escapedScalar(_ index: inout Int, end: Int) throws -> Unicode.UTF8.EncodedScalar {
        let start = index - 2
        let first = try hexadecimal(&index, end: end)
        var code = UInt32(first)
        if UTF16.isLeadSurrogate(first), index + 2 <= end, bytes[index] == UInt8(ascii: "\\"),
            bytes[index + 1] == UInt8(ascii: "u")
        {
            index += 2
            let second = try hexadecimal(&index, end: end)
            if UTF16.isTrailSurrogate(second) {
                code = 0x10000 + (UInt32(first & 0x3FF) << 10 | UInt32(second & 0x3FF))
            }
        }
        // Half a surrogate pair is not a character.
        guard let scalar = Unicode.Scalar(code), let encoded = UTF8.encode(scalar) else {
            throw JSONSyntaxError(offset: start, reason: "half a surrogate pair")
        }
        return encoded
    }

    private func hexadecimal(_ index: inout Int, end: Int) throws -> UInt16 {
        guard index + 4 <= end else { throw JSONSyntaxError(offset: index, reason: "\\u needs four digits") }
        var code: UInt16 = 0
        for byte in bytes[index..<index + 4] {
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x41...0x46: digit = byte - 0x41 + 10
            case 0x61...0x66: digit = byte - 0x61 + 10
            default: throw JSONSyntaxError(offset: index, reason: "\\u needs four digits")
            }
            code = code << 4 | UInt16(digit)
        }
        index += 4
        return code
    }
}

/// Reads JSON in one pass over its bytes, building nothing but what is asked for.
///
/// Vectors make up nearly all of an embedding answer; `JSONDecoder` boxes each of their numbers. This scanner appends
/// them to an array of floats and steps over what nobody asked for. Numbers that JSON does not know but Python's `json` writes
/// (`NaN`, `Infinity`) and `null` inside a vector read as non-finite, so that the check of the vectors finds and names them.
package struct JSONScanner {
    /// Where and why a scan stopped.
    package struct Failure: Error, CustomStringConvertible {
        /// Offset in bytes from the start.
        package let offset: Int
        /// What should have stood there.
        package let expected: String

        package var description: String { "\(expected) expected at byte \(offset)" }
    }

    let bytes: UnsafeBufferPointer<UInt8>
    /// Offset of the next byte to be read.
    package internal(set) var offset = 0

    /// A scanner at the start of the bytes, which must outlive it.
    package init(_ bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
    }

    /// A failure at the present offset.
    package func failure(_ expected: String) -> Failure { Failure(offset: offset, expected: expected) }

    /// The first byte of what comes next, white space skipped; `nil` at the end.
    package mutating func peek() -> UInt8? {
        while offset < bytes.count {
            switch bytes[offset] {
            case UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"): offset += 1
            case let byte: return byte
            }
        }
        return nil
    }

    /// Whether only white space is left.
    package mutating func isAtEnd() -> Bool { peek() == nil }

    /// Steps over one byte of punctuation.
    package mutating func expect(_ byte: UInt8) throws {
        guard peek() == byte else { throw failure("'\(Character(Unicode.Scalar(byte)))'") }
        offset += 1
    }

    /// Steps over the byte where it comes next.
    package mutating func skip(ifNext byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        offset += 1
        return true
    }

    /// Walks an object; `body` gets each key and must read or ``skipValue()`` its value.
    package mutating func members(_ body: (inout JSONScanner, String) throws -> Void) throws {
        try expect(UInt8(ascii: "{"))
        if skip(ifNext: UInt8(ascii: "}")) { return }
        repeat {
            let key = try string()
            try expect(UInt8(ascii: ":"))
            try body(&self, key)
        } while skip(ifNext: UInt8(ascii: ","))
        try expect(UInt8(ascii: "}"))
    }

    /// Walks an array; `body` must read or ``skipValue()`` each element.
    package mutating func elements(_ body: (inout JSONScanner) throws -> Void) throws {
        try expect(UInt8(ascii: "["))
        if skip(ifNext: UInt8(ascii: "]")) { return }
        repeat { try body(&self) } while skip(ifNext: UInt8(ascii: ","))
        try expect(UInt8(ascii: "]"))
    }

    /// Bytes of a string between its quotes, escapes and all.
    package mutating func rawString() throws -> UnsafeBufferPointer<UInt8> {
        try expect(UInt8(ascii: "\""))
        let start = offset
        while offset < bytes.count {
            switch bytes[offset] {
            case UInt8(ascii: "\""):
                offset += 1
                return UnsafeBufferPointer(rebasing: bytes[start..<offset - 1])
            case UInt8(ascii: "\\"): offset += 2
            default: offset += 1
            }
        }
        offset = bytes.count
        throw failure("end of the string that starts at byte \(start - 1)")
    }

    /// A string, escapes resolved.
    package mutating func string() throws -> String {
        let raw = try rawString()
        guard raw.contains(UInt8(ascii: "\\")) else { return String(decoding: raw, as: UTF8.self) }
        var units = Unescaping(raw: raw)
        guard let text = units.text() else { throw failure("valid escapes in the string before it") }
        return text
    }

    /// An integer; a number with a fraction is refused.
    package mutating func integer() throws -> Int {
        let text = try literal()
        guard let value = Int(text) else { throw failure("integer instead of '\(text.prefix(20))' before it") }
        return value
    }

    /// A number, `true`, `false` or `null` as it is written.
    package mutating func literal() throws -> String {
        _ = peek()
        let start = offset
        skipLiteral()
        guard offset > start else { throw failure("value") }
        return String(decoding: bytes[start..<offset], as: UTF8.self)
    }

    private mutating func skipLiteral() {
        while offset < bytes.count {
            switch bytes[offset] {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
                offset += 1
            default: return
            }
        }
    }

    /// Steps over one value of any kind, however deep.
    package mutating func skipValue() throws {
        var depth = 0
        repeat {
            switch peek() {
            case nil: throw failure("value")
            case UInt8(ascii: "\""): _ = try rawString()
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                offset += 1
                depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                guard depth > 0 else { throw failure("value") }
                offset += 1
                depth -= 1
            case UInt8(ascii: ","), UInt8(ascii: ":"):
                guard depth > 0 else { throw failure("value") }
                offset += 1
            default: _ = try literal()
            }
        } while depth > 0
    }
}

/// The text of a JSON string that has escapes.
private struct Unescaping {
    let raw: UnsafeBufferPointer<UInt8>
    var index = 0

    init(raw: UnsafeBufferPointer<UInt8>) { self.raw = raw }

    mutating func text() -> String? {
        var result: [UInt8] = []
        result.reserveCapacity(raw.count)
        while index < raw.count {
            let byte = raw[index]
            index += 1
            guard byte == UInt8(ascii: "\\") else {
                result.append(byte)
                continue
            }
            guard index < raw.count else { return nil }
            let kind = raw[index]
            index += 1
            switch kind {
            case UInt8(ascii: "n"): result.append(0x0A)
            case UInt8(ascii: "t"): result.append(0x09)
            case UInt8(ascii: "r"): result.append(0x0D)
            case UInt8(ascii: "b"): result.append(0x08)
            case UInt8(ascii: "f"): result.append(0x0C)
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): result.append(kind)
            case UInt8(ascii: "u"):
                guard let scalar = scalar() else { return nil }
                result.append(contentsOf: String(Character(scalar)).utf8)
            default: return nil
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// The scalar after `\u`; a surrogate pair is two escapes, a lone surrogate becomes U+FFFD as everywhere in Swift.
    private mutating func scalar() -> Unicode.Scalar? {
        guard let first = hexadecimalUnit() else { return nil }
        guard first & 0xFC00 == 0xD800 else { return Unicode.Scalar(first) ?? "\u{FFFD}" }
        guard index + 1 < raw.count, raw[index] == UInt8(ascii: "\\"), raw[index + 1] == UInt8(ascii: "u") else {
            return "\u{FFFD}"
        }
        let afterFirst = index
        index += 2
        guard let second = hexadecimalUnit() else { return nil }
        guard second & 0xFC00 == 0xDC00 else {
            index = afterFirst
            return "\u{FFFD}"
        }
        return Unicode.Scalar(0x10000 + (first & 0x3FF) << 10 + (second & 0x3FF))
    }

    private mutating func hexadecimalUnit() -> UInt32? {
        guard index + 4 <= raw.count else { return nil }
        defer { index += 4 }
        return UInt32(String(decoding: raw[index..<index + 4], as: UTF8.self), radix: 16)
    }
}

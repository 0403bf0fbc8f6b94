/// The place where a text is not JSON, and the reason.
package struct JSONSyntaxError: Error, CustomStringConvertible {
    /// Byte offset into the text, from 0.
    package let offset: Int
    /// What is wrong there.
    package let reason: String

    package init(offset: Int, reason: String) {
        self.offset = offset
        self.reason = reason
    }

    package var description: String { "\(reason) at byte \(offset)" }
}

/// A strict JSON reader (RFC 8259) that makes one pass over the bytes. The caller reads the values that it wants and
/// skips the others.
///
/// ```swift
/// var scanner = JSONScanner(bytes)
/// try scanner.members { scanner, key in
///     switch key {
///     case "input": texts = try scanner.strings()
///     case "dimensions": dimensions = try scanner.integer()
///     default: try scanner.skipValue()
///     }
/// }
/// try scanner.finish()
/// ```
/// Memory is only that of the values that are read. Skipped values are checked as strictly as values that are read:
/// grammar, escapes, UTF-8, and nesting of at most ``maximumDepth``. Foundation's parsers lose information that errors
/// and files need: the order of members, repeated keys, the text of a number, and the place of an error. Tests compare
/// this reader with Foundation's on random and damaged text.
package struct JSONScanner {
    package let bytes: UnsafeBufferPointer<UInt8>
    /// Offset of the next byte to be read.
    package internal(set) var offset = 0
    private var depth = 0

    /// Deeper nesting is an error, so that it cannot exhaust the stack.
    package static let maximumDepth = 256

    /// A scanner at the start of the bytes, which must outlive it.
    package init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    /// A failure at the present offset.
    package func failure(_ reason: String) -> JSONSyntaxError { JSONSyntaxError(offset: offset, reason: reason) }

    // MARK: Values

    /// The next byte after white space; `nil` at the end.
    package mutating func peek() -> UInt8? {
        while offset < bytes.count {
            switch bytes[offset] {
            case 0x20, 0x09, 0x0A, 0x0D: offset += 1
            case let byte: return byte
            }
        }
        return nil
    }

    /// Whether only white space is left.
    package mutating func isAtEnd() -> Bool { peek() == nil }

    /// Checks that only white space follows.
    package mutating func finish() throws {
        guard isAtEnd() else { throw failure("unexpected text after the end of the value") }
    }

    /// The next value, of any kind.
    package mutating func value() throws -> JSONValue {
        switch try first() {
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "{"):
            var members: [JSONValue.Member] = []
            try self.members { scanner, key in members.append(.init(key: key, value: try scanner.value())) }
            return .object(members)
        case UInt8(ascii: "["):
            var elements: [JSONValue] = []
            try self.elements { elements.append(try $0.value()) }
            return .array(elements)
        default:
            let text = try literal()
            return switch text {
            case "true": .boolean(true)
            case "false": .boolean(false)
            case "null": .null
            default: .number(text)
            }
        }
    }

    /// Skips the next value, and checks it.
    package mutating func skipValue() throws {
        switch try first() {
        case UInt8(ascii: "\""): try check(stringBounds())
        case UInt8(ascii: "{"):
            try membersWithRawKeys { scanner, key in
                try scanner.check(key)
                try scanner.skipValue()
            }
        case UInt8(ascii: "["): try elements { try $0.skipValue() }
        default: _ = try literalRange()
        }
    }

    /// Reads an object. `body` receives each key and must read or ``skipValue()`` its value.
    package mutating func members(_ body: (inout JSONScanner, String) throws -> Void) throws {
        try membersWithRawKeys { scanner, key in try body(&scanner, try scanner.text(of: key)) }
    }

    /// Reads an object. `body` receives each key as it is written, not yet checked, and must read or ``skipValue()``
    /// its value.
    package mutating func membersWithRawKeys(_ body: (inout JSONScanner, StringBounds) throws -> Void) throws {
        try enter(UInt8(ascii: "{"), "an object")
        if peek() == UInt8(ascii: "}") { return leave() }
        repeat {
            guard peek() == UInt8(ascii: "\"") else { throw failure("expected a key in quotation marks") }
            let key = try stringBounds()
            guard peek() == UInt8(ascii: ":") else { throw failure("expected \":\" after a key") }
            offset += 1
            try body(&self, key)
        } while try !closes(UInt8(ascii: "}"))
    }

    /// Reads an array. `body` must read or ``skipValue()`` each element.
    package mutating func elements(_ body: (inout JSONScanner) throws -> Void) throws {
        try enter(UInt8(ascii: "["), "an array")
        if peek() == UInt8(ascii: "]") { return leave() }
        repeat { try body(&self) } while try !closes(UInt8(ascii: "]"))
    }

    /// The next value, which must be an array of strings.
    package mutating func strings() throws -> [String] {
        var strings: [String] = []
        try elements { strings.append(try $0.string()) }
        return strings
    }

    /// The next value, which must be a whole number.
    package mutating func integer() throws -> Int {
        let range = try literalRange()
        guard let value = Int(String(decoding: bytes[range], as: UTF8.self)) else {
            throw JSONSyntaxError(offset: range.lowerBound, reason: "expected a whole number")
        }
        return value
    }

    /// A number, `true`, `false` or `null` as it is written.
    package mutating func literal() throws -> String {
        String(decoding: bytes[try literalRange()], as: UTF8.self)
    }

    /// The byte range of the next value, which is checked.
    package mutating func rangeOfValue() throws -> Range<Int> {
        _ = peek()
        let start = offset
        try skipValue()
        return start..<offset
    }

    // MARK: Parts

    private mutating func first() throws -> UInt8 {
        guard let byte = peek() else { throw failure("the text ends too early") }
        return byte
    }

    private mutating func enter(_ bracket: UInt8, _ kind: String) throws {
        guard peek() == bracket else { throw failure("expected \(kind)") }
        guard depth < Self.maximumDepth else { throw failure("nested more than \(Self.maximumDepth) deep") }
        depth += 1
        offset += 1
    }

    private mutating func leave() {
        depth -= 1
        offset += 1
    }

    /// Consumes the separator after an element. Returns `true` if it is the closing bracket.
    private mutating func closes(_ bracket: UInt8) throws -> Bool {
        let byte = peek()
        if byte == bracket {
            leave()
            return true
        }
        guard byte == UInt8(ascii: ",") else {
            throw failure("expected \",\" or \"\(Character(Unicode.Scalar(bracket)))\"")
        }
        offset += 1
        return false
    }

    private mutating func literalRange() throws -> Range<Int> {
        let start = offset
        switch try first() {
        case UInt8(ascii: "t"): return try word("true")
        case UInt8(ascii: "f"): return try word("false")
        case UInt8(ascii: "n"): return try word("null")
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        default:
            offset = start
            _ = peek()
            throw failure("expected a value")
        }
    }

    private mutating func word(_ word: StaticString) throws -> Range<Int> {
        let end = offset + word.utf8CodeUnitCount
        let matches = word.withUTF8Buffer { expected in
            end <= bytes.count && bytes[offset..<end].elementsEqual(expected)
        }
        guard matches else { throw failure("unexpected text") }
        defer { offset = end }
        return offset..<end
    }

    private mutating func number() throws -> Range<Int> {
        func isDigit(_ index: Int) -> Bool { index < bytes.count && (0x30...0x39).contains(bytes[index]) }
        func isAny(_ index: Int, _ a: UInt8, _ b: UInt8) -> Bool {
            index < bytes.count && (bytes[index] == a || bytes[index] == b)
        }
        func digits(from index: Int) throws -> Int {
            guard isDigit(index) else { throw failure("malformed number") }
            var end = index
            while isDigit(end) { end += 1 }
            return end
        }
        let start = offset
        var end = start
        if bytes[end] == UInt8(ascii: "-") { end += 1 }
        let integer = end
        end = try digits(from: integer)
        if bytes[integer] == UInt8(ascii: "0"), end > integer + 1 { throw failure("a number with a leading zero") }
        if isAny(end, UInt8(ascii: "."), UInt8(ascii: ".")) { end = try digits(from: end + 1) }
        if isAny(end, UInt8(ascii: "e"), UInt8(ascii: "E")) {
            end += 1
            if isAny(end, UInt8(ascii: "+"), UInt8(ascii: "-")) { end += 1 }
            end = try digits(from: end)
        }
        offset = end
        return start..<end
    }
}

import MafinNumerics
import NIOCore

/// The fields of a request's JSON object. Every fault is reported with the field's name.
///
/// The body is scanned once, and only the position of each field is kept. A value is built when it is first used. So a body takes its own
/// size in memory and, while texts are read from it, at most twice the size of these texts again.
struct RequestFields {
    private let body: ByteBuffer
    /// Where the value of each field begins.
    private let places: [String: Int]

    /// Most fields that a body may have: more than any valid request has.
    private static let maximumFields = 64

    /// - Throws: ``ServiceError`` if the body is not a JSON object; `CancellationError`.
    init(_ body: ByteBuffer) throws {
        guard body.readableBytes > 0 else { throw ServiceError.invalid("the body is empty: expected a JSON object") }
        self.body = body
        places = try Self.scan(body) { scanner in
            guard scanner.peek() == UInt8(ascii: "{") else {
                let kind = try Self.kind(&scanner)
                try scanner.skipValue()
                try scanner.finish()
                throw ServiceError.invalid("the body must be a JSON object, found \(kind)")
            }
            var places: [String: Int] = [:]
            try scanner.members { scanner, name in
                try Task.checkCancellation()
                _ = scanner.peek()
                guard places[name] != nil || places.count < Self.maximumFields else {
                    throw ServiceError.invalid("the body has more than \(Self.maximumFields) fields")
                }
                places[name] = scanner.offset
                try scanner.skipValue()
            }
            try scanner.finish()
            return places
        }
    }

    /// Whether a field is there and not `null`.
    func has(_ name: String) throws -> Bool { try read(name) { _, _ in true } ?? false }

    func text(_ name: String) throws -> String? {
        try read(name) { scanner, first in
            guard first == UInt8(ascii: "\"") else { throw try wrong(name, "a string", &scanner) }
            return try scanner.string()
        }
    }

    /// The query of a search, an explanation or a mark.
    func query(maximumBytes: Int? = nil) throws -> String {
        guard let query = try text("query"), !query.allSatisfy(\.isWhitespace), query.utf8.count <= maximumBytes ?? .max
        else {
            let bound = maximumBytes.map { ", empty or longer than \($0) bytes" } ?? " or empty"
            throw ServiceError.invalid("query is missing\(bound)", parameter: "query")
        }
        return query
    }

    /// The id of a document.
    func document() throws -> String {
        if let id = try text("document") { return id }
        throw ServiceError.invalid("document is missing: the id of a document of the index", parameter: "document")
    }

    func boolean(_ name: String) throws -> Bool? {
        try read(name) { scanner, _ in
            let kind = try Self.kind(&scanner)
            guard kind == "a boolean" else { throw wrong(name, "true or false", kind) }
            return try scanner.literal() == "true"
        }
    }

    func integer(_ name: String) throws -> Int? {
        try read(name) { scanner, _ in
            guard let number = try Self.number(&scanner) else { throw try wrong(name, "a whole number", &scanner) }
            guard let integer = Int(exactly: number) else { throw wrong(name, "a whole number", "a number") }
            return integer
        }
    }

    /// A whole number within bounds.
    func integer(_ name: String, in range: ClosedRange<Int>) throws -> Int? {
        guard let integer = try integer(name) else { return nil }
        guard range.contains(integer) else {
            throw ServiceError.invalid(
                "\(name) must lie between \(range.lowerBound) and \(range.upperBound), found \(integer)",
                parameter: name)
        }
        return integer
    }

    func number(_ name: String) throws -> Float? {
        try read(name) { scanner, _ in
            guard let number = try Self.number(&scanner) else { throw try wrong(name, "a number", &scanner) }
            guard Float(number).isFinite else { throw wrong(name, "a number", "a number that is too large") }
            return Float(number)
        }
    }

    /// An object whose values are numbers.
    func numbers(_ name: String) throws -> [String: Float]? {
        try read(name) { scanner, first in
            guard first == UInt8(ascii: "{") else { throw try wrong(name, "an object of numbers", &scanner) }
            var numbers: [String: Float] = [:]
            try scanner.members { scanner, key in
                let place = "\(name).\(key.clipped)"
                guard let number = try Self.number(&scanner) else { throw try wrong(place, "a number", &scanner) }
                guard Float(number).isFinite else { throw wrong(place, "a number", "a number that is too large") }
                guard numbers.count < Self.maximumFields else {
                    throw ServiceError.invalid("\(name) has more than \(Self.maximumFields) fields", parameter: name)
                }
                numbers[key] = Float(number)
            }
            return numbers
        }
    }

    /// An array of at most `maximum` strings.
    func texts(_ name: String, maximum: Int) throws -> [String]? {
        try read(name) { scanner, _ in try texts(name, "an array of strings", maximum: maximum, &scanner) }
    }

    /// Texts to embed: one string, or an array of at least one. No string may be empty.
    func inputs(_ name: String, maximum: Int, mayBeOne: Bool = true) throws -> [String] {
        let expected = "\(mayBeOne ? "a string or " : "")an array of strings"
        let texts = try read(name) { scanner, first in
            mayBeOne && first == UInt8(ascii: "\"")
                ? [try scanner.string()] : try self.texts(name, expected, maximum: maximum, &scanner)
        }
        guard let texts else { throw ServiceError.invalid("\(name) is missing: \(expected)", parameter: name) }
        guard !texts.isEmpty else { throw ServiceError.invalid("\(name) is an empty array", parameter: name) }
        if let empty = texts.firstIndex(where: { $0.allSatisfy(\.isWhitespace) }) {
            throw ServiceError.invalid(
                texts.count == 1 && mayBeOne ? "\(name) is empty" : "\(name)[\(empty)] is empty", parameter: name)
        }
        return texts
    }

    /// The strings of the array that is the next value. Strings beyond the maximum are counted and not built.
    private func texts(
        _ name: String, _ expected: String, maximum: Int, _ scanner: inout JSONScanner
    ) throws -> [String] {
        guard scanner.peek() == UInt8(ascii: "[") else { throw try wrong(name, expected, &scanner) }
        var texts: [String] = []
        var count = 0
        try scanner.elements { scanner in
            if count % 256 == 0 { try Task.checkCancellation() }
            let kind = try Self.kind(&scanner)
            if count == 0, kind == "a number" || kind == "an array" {
                throw ServiceError.invalid(
                    "\(name) holds token numbers, which cannot be taken: the black box and the local encoder have vocabularies of their own; send the text",
                    parameter: name, code: "token_arrays_not_supported")
            }
            guard kind == "a string" else { throw wrong("\(name)[\(count)]", "a string", kind) }
            if count < maximum { texts.append(try scanner.string()) } else { try scanner.skipValue() }
            count += 1
        }
        guard count <= maximum else {
            throw ServiceError.invalid(
                "\(name) holds \(count) texts, one request may have \(maximum)", parameter: name)
        }
        return texts
    }

    // MARK: Scanning

    /// The value of a field; `nil` where it is missing or `null`.
    func read<Value>(
        _ name: String, _ body: (inout JSONScanner, _ first: UInt8) throws -> Value
    ) throws -> Value? {
        guard let place = places[name] else { return nil }
        return try Self.scan(self.body, from: place) { scanner in
            guard let first = scanner.peek(), try Self.kind(&scanner) != "null" else { return nil }
            return try body(&scanner, first)
        }
    }

    private static func scan<Value>(
        _ body: ByteBuffer, from place: Int = 0, _ read: (inout JSONScanner) throws -> Value
    ) throws -> Value {
        try body.withUnsafeReadableBytes { bytes in
            var scanner = JSONScanner(UnsafeBufferPointer(rebasing: bytes.bindMemory(to: UInt8.self)[place...]))
            do {
                return try read(&scanner)
            } catch let error as JSONSyntaxError {
                throw ServiceError.invalid(
                    "the body is not JSON: \(error.reason) at byte \(place + error.offset)", code: "invalid_json")
            }
        }
    }

    /// Reads the next value if it is a number; else `nil`, and the scanner does not move.
    private static func number(_ scanner: inout JSONScanner) throws -> Double? {
        guard try kind(&scanner) == "a number" else { return nil }
        return Double(try scanner.literal())
    }

    private func wrong(_ name: String, _ expected: String, _ scanner: inout JSONScanner) throws -> ServiceError {
        wrong(name, expected, try Self.kind(&scanner))
    }

    func wrong(_ name: String, _ expected: String, _ found: String) -> ServiceError {
        .invalid("\(name) must be \(expected), found \(found)", parameter: name)
    }

    /// The kind of the next value. The scanner does not move.
    static func kind(_ scanner: inout JSONScanner) throws -> String {
        switch scanner.peek() {
        case UInt8(ascii: "\""): return "a string"
        case UInt8(ascii: "["): return "an array"
        case UInt8(ascii: "{"): return "an object"
        case UInt8(ascii: "-"), .some(UInt8(ascii: "0")...UInt8(ascii: "9")): return "a number"
        default:
            var ahead = scanner
            return try ahead.literal() == "null" ? "null" : "a boolean"
        }
    }
}

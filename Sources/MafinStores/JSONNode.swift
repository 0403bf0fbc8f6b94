import MafinNumerics

/// A JSON value that is written. Vectors are written from their storage, each number with as many digits as it takes to read the same one.
indirect enum JSONNode: Sendable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    case text(String)
    case integer(Int)
    case unsigned(UInt64)
    case float(Float)
    case boolean(Bool)
    case array([JSONNode])
    case object([(String, JSONNode)])
    case floats(ArraySlice<Float>)

    init(stringLiteral value: String) { self = .text(value) }
    init(integerLiteral value: Int) { self = .integer(value) }
    init(booleanLiteral value: Bool) { self = .boolean(value) }
    init(arrayLiteral elements: JSONNode...) { self = .array(elements) }
    init(dictionaryLiteral members: (String, JSONNode)...) { self = .object(members) }

    /// The value on one line.
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return bytes
    }

    /// The value on one line.
    var line: String { String(decoding: bytes, as: UTF8.self) }

    func append(to bytes: inout [UInt8]) {
        switch self {
        case .text(let text): JSONText.append(quoted: text, to: &bytes)
        case .integer(let value): bytes.append(contentsOf: value.description.utf8)
        case .unsigned(let value): bytes.append(contentsOf: value.description.utf8)
        case .float(let value): bytes.append(contentsOf: value.description.utf8)
        case .boolean(let value): bytes.append(contentsOf: value.description.utf8)
        case .array(let elements): Self.list(elements, "[", "]", &bytes) { $0.append(to: &$1) }
        case .floats(let values): Self.list(values, "[", "]", &bytes) { $1.append(contentsOf: $0.description.utf8) }
        case .object(let members):
            Self.list(members, "{", "}", &bytes) { member, bytes in
                JSONText.append(quoted: member.0, to: &bytes)
                bytes.append(UInt8(ascii: ":"))
                member.1.append(to: &bytes)
            }
        }
    }

    private static func list<Elements: Sequence>(
        _ elements: Elements, _ open: Unicode.Scalar, _ close: Unicode.Scalar, _ bytes: inout [UInt8],
        _ body: (Elements.Element, inout [UInt8]) -> Void
    ) {
        bytes.append(UInt8(ascii: open))
        var isFirst = true
        for element in elements {
            if !isFirst { bytes.append(UInt8(ascii: ",")) }
            isFirst = false
            body(element, &bytes)
        }
        bytes.append(UInt8(ascii: close))
    }

    /// The value over several lines, for people. Vectors stay on one line.
    func indented(_ depth: Int = 0) -> String {
        let inner = String(repeating: "  ", count: depth + 1)
        let outer = String(repeating: "  ", count: depth)
        switch self {
        case .array(let elements) where !elements.isEmpty:
            return "[\n" + elements.map { inner + $0.indented(depth + 1) }.joined(separator: ",\n") + "\n\(outer)]"
        case .object(let members) where !members.isEmpty:
            return "{\n"
                + members.map { inner + JSONText.quoted($0.0) + ": " + $0.1.indented(depth + 1) }.joined(
                    separator: ",\n")
                + "\n\(outer)}"
        default: return line
        }
    }
}

extension JSONNode {
    /// Elements as a list.
    static func list(_ elements: some Sequence<JSONNode>) -> JSONNode { .array(Array(elements)) }

    /// Texts as a list.
    static func texts(_ texts: some Sequence<String>) -> JSONNode { .array(texts.map { .text($0) }) }
}

extension JSONValue {
    /// Reads a text.
    /// - Throws: `JSONSyntaxError`.
    init(parsing bytes: [UInt8]) throws {
        self = try bytes.withUnsafeBufferPointer { bytes in
            var scanner = JSONScanner(bytes)
            let value = try scanner.value()
            try scanner.finish()
            return value
        }
    }

    /// A member of an object.
    subscript(_ key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    var text: String? { if case .string(let text) = self { text } else { nil } }
    var integer: Int? { if case .number(let text) = self { Int(text) } else { nil } }
    var elements: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
    var members: [JSONValue.Member]? { if case .object(let members) = self { members } else { nil } }
    /// A list of numbers.
    var floats: [Float]? {
        guard let elements else { return nil }
        var values: [Float] = []
        for case .number(let text) in elements { if let value = Float(text) { values.append(value) } }
        return values.count == elements.count ? values : nil
    }
}

import MafinNumerics
import NIOCore

/// The body of a provider's requests: JSON as in the vendor's documentation, with variables in its strings.
///
/// ```json
/// {"model": "$model", "input": "$texts", "dimensions": "$dimensions", "encoding_format": "$encoding"}
/// {"requests": [{"model": "models/$model", "content": {"parts": [{"text": "$text"}]}, "taskType": "$input_type"}]}
/// {"model": "$model", "input": [{"image": "$image_base64"}]}
/// ```
/// - `"$texts"` becomes the array of all texts. An array of one element that contains `$text` repeats that element for each text.
/// - In a body for images, an array of one element repeats it for each image: `$image` becomes `data:image/jpeg;base64,…`, `$image_base64` the
///   base64 text alone. A body for images with texts contains one of them and `$text`.
/// - `"$dimensions"` becomes an integer; `$model`, `$input_type` and `$encoding` strings, also within a longer string.
/// - A member whose variable has no value is left out, and so is an object or array that becomes empty by this.
struct RequestTemplate: Sendable, Hashable {
    /// The variables of a template.
    enum Variable: String, Sendable, CaseIterable {
        case model, texts, text, dimensions, encoding
        case inputType = "input_type"
        case image
        case imageBase64 = "image_base64"

        /// Whether it stands for a part of an item.
        var isPlace: Bool { [.texts, .text, .image, .imageBase64].contains(self) }
    }

    /// What an item of a template consists of.
    enum Content: Sendable {
        case text, image, imageWithText
    }

    /// Why a template is invalid.
    struct Fault: Error, CustomStringConvertible {
        let description: String
    }

    private indirect enum Node: Sendable, Hashable {
        /// Numbers, `true`, `false`, `null` as written.
        case literal(String)
        case string([Piece])
        case object([Member])
        case array([Node])
    }

    private struct Member: Sendable, Hashable {
        let name: String
        let value: Node
    }

    private enum Piece: Sendable, Hashable {
        case text(String)
        case variable(Variable)
    }

    private let root: Node
    /// The variables that it contains.
    let variables: Set<Variable>

    /// The parts of an item in the order in which they occur.
    let places: [Variable]

    /// - Throws: ``Fault``: not JSON, an unknown variable, not exactly one place for each part of an item.
    init(_ json: String, holding content: Content = .text) throws {
        var json = json
        (root, variables, places) = try json.withUTF8 { bytes in
            var scanner = JSONScanner(bytes)
            var parser = Parser()
            do {
                let root = try parser.node(&scanner)
                try scanner.finish()
                return (root, Set(parser.variables), parser.variables.filter(\.isPlace))
            } catch let failure as JSONSyntaxError {
                throw Fault(description: "malformed JSON: \(failure)")
            }
        }
        let texts = places.count { $0 == .text || $0 == .texts }
        let images = places.count - texts
        switch content {
        case .text where texts != 1 || images > 0:
            throw Fault(
                description: images > 0
                    ? "a body for texts contains no image"
                    : "it must contain \"$texts\" or \"$text\" exactly once, found \(texts)")
        case .image where images != 1 || texts > 0:
            throw Fault(
                description:
                    "it must contain \"$image\" or \"$image_base64\" exactly once and no text, found \(places.count)")
        case .imageWithText where images != 1 || texts != 1 || places.contains(.texts):
            throw Fault(description: "it must contain \"$text\", and \"$image\" or \"$image_base64\", once each")
        default: break
        }
        let all = Dictionary(uniqueKeysWithValues: Variable.allCases.map { ($0, "1") })
        guard bound([:]).isComplete, bound(all).isComplete else {
            let name = places.first.map { "$\($0.rawValue)" } ?? "$text"
            throw Fault(description: "\"\(name)\" must be inside an array of one element, which is repeated")
        }
    }

    private struct Parser {
        var variables: [Variable] = []

        mutating func node(_ scanner: inout JSONScanner) throws -> Node {
            switch scanner.peek() {
            case UInt8(ascii: "{"):
                var members: [Member] = []
                try scanner.members { scanner, name in
                    members.append(Member(name: name, value: try node(&scanner)))
                }
                return .object(members)
            case UInt8(ascii: "["):
                var elements: [Node] = []
                try scanner.elements { elements.append(try node(&$0)) }
                return .array(elements)
            case UInt8(ascii: "\""): return .string(try pieces(try scanner.string()))
            default: return .literal(try scanner.literal())
            }
        }

        private mutating func pieces(_ text: String) throws -> [Piece] {
            var pieces: [Piece] = []
            var rest = text[...]
            while let dollar = rest.firstIndex(of: "$") {
                if dollar > rest.startIndex { pieces.append(.text(String(rest[..<dollar]))) }
                rest = rest[rest.index(after: dollar)...]
                let name = String(rest.prefix { $0 == "_" || ($0.isASCII && ($0.isLetter || $0.isNumber)) })
                guard let variable = Variable(rawValue: name) else {
                    let known = Variable.allCases.map { "$\($0.rawValue)" }.joined(separator: ", ")
                    throw Fault(description: "unknown variable $\(name); known are \(known)")
                }
                rest = rest.dropFirst(name.count)
                variables.append(variable)
                pieces.append(.variable(variable))
            }
            if !rest.isEmpty { pieces.append(.text(String(rest))) }
            return pieces
        }
    }

    private static func textPlaces(_ node: Node) -> Int {
        switch node {
        case .literal: 0
        case .string(let pieces):
            pieces.count { if case .variable(let variable) = $0 { variable.isPlace } else { false } }
        case .object(let members): members.reduce(0) { $0 + textPlaces($1.value) }
        case .array(let elements): elements.reduce(0) { $0 + textPlaces($1) }
        }
    }

    /// The template with everything filled in except the texts.
    func bound(_ values: [Variable: String]) -> BoundRequest {
        var writer = Writer(placeCount: places.count)
        if let filled = Self.filled(root, values) { writer.write(filled) }
        return BoundRequest(writer.parts, places: places)
    }

    /// A node with all variables filled in except the texts; nil if one of its variables has no value, or nothing is left in it.
    private static func filled(_ node: Node, _ values: [Variable: String]) -> Node? {
        switch node {
        case .literal, .string([.variable(.texts)]): return node
        case .string([.variable(.dimensions)]): return values[.dimensions].map(Node.literal)
        case .string(let pieces):
            let filled = pieces.compactMap { piece -> Piece? in
                guard case .variable(let variable) = piece, !variable.isPlace else { return piece }
                return values[variable].map(Piece.text)
            }
            return filled.count == pieces.count ? .string(filled) : nil
        case .object(let members):
            let kept = members.compactMap { member in
                filled(member.value, values).map { Member(name: member.name, value: $0) }
            }
            return kept.isEmpty && !members.isEmpty ? nil : .object(kept)
        case .array(let elements):
            let kept = elements.compactMap { filled($0, values) }
            return kept.isEmpty && !elements.isEmpty ? nil : .array(kept)
        }
    }

    private struct Writer {
        /// The bytes at the start, before each text, after each text, and at the end. Items of two parts have bytes between them.
        private(set) var parts: [[UInt8]] = [[]]
        private var isRepeating = false
        private let placeCount: Int

        init(placeCount: Int) { self.placeCount = placeCount }

        private mutating func put(_ text: String) { parts[parts.count - 1] += Array(text.utf8) }

        private mutating func nextPart() { parts.append([]) }

        mutating func write(_ node: Node) {
            switch node {
            case .literal(let text): put(text)
            case .string([.variable(.texts)]):
                for part in ["[", "\"", "\""] {
                    put(part)
                    nextPart()
                }
                put("]")
            case .string(let pieces):
                put("\"")
                for piece in pieces {
                    if case .text(let text) = piece {
                        JSONText.append(text, to: &parts[parts.count - 1])
                    } else {
                        nextPart()
                    }
                }
                put("\"")
            case .object(let members):
                writeList(members, from: "{", to: "}") { writer, member in
                    JSONText.append(quoted: member.name, to: &writer.parts[writer.parts.count - 1])
                    writer.put(":")
                    writer.write(member.value)
                }
            case .array(let elements):
                guard elements.count == 1, !isRepeating, RequestTemplate.textPlaces(elements[0]) == placeCount,
                    elements[0] != .string([.variable(.texts)])
                else { return writeList(elements, from: "[", to: "]") { $0.write($1) } }
                isRepeating = true
                put("[")
                nextPart()
                write(elements[0])
                nextPart()
                put("]")
            }
        }

        private mutating func writeList<Element>(
            _ elements: [Element], from open: String, to close: String, _ body: (inout Writer, Element) -> Void
        ) {
            put(open)
            for (index, element) in elements.enumerated() {
                if index > 0 { put(",") }
                body(&self, element)
            }
            put(close)
        }
    }
}

/// The bytes around the texts of one kind of request.
struct BoundRequest: Sendable, Hashable {
    private let head: [UInt8]
    /// The bytes before, between and after the parts of an item: one more than there are parts.
    private let around: [[UInt8]]
    private let tail: [UInt8]
    /// The parts of an item.
    let places: [RequestTemplate.Variable]
    fileprivate let isComplete: Bool

    fileprivate init(_ given: [[UInt8]], places: [RequestTemplate.Variable]) {
        self.places = places
        let count = places.count + 3
        isComplete = given.count == count
        let parts = isComplete ? given : [[UInt8]](repeating: [], count: count)
        (head, around, tail) = (parts[0], Array(parts[1..<count - 1]), parts[count - 1])
    }

    /// Bytes of a request without any text.
    var emptyLength: Int { head.count + tail.count }

    /// Bytes that a text adds.
    func length(of text: String) -> Int { length(ofEscaped: JSONText.escapedLength(of: text)) }

    /// Bytes that an item adds whose parts have so many bytes together.
    func length(ofEscaped count: Int) -> Int { around.reduce(count + 1) { $0 + $1.count } }

    /// The body for some texts.
    func body(_ texts: some Collection<String>) -> ByteBuffer { body(items: texts.map { [$0] }) }

    /// The body for items, each of which has a text for each of ``places``.
    func body(items: [[String]]) -> ByteBuffer {
        var json: [UInt8] = []
        json.reserveCapacity(
            items.reduce(emptyLength) { $0 + $1.reduce(length(ofEscaped: 16)) { $0 + $1.utf8.count } })
        json += head
        var isFirst = true
        for item in items {
            if !isFirst { json.append(UInt8(ascii: ",")) }
            isFirst = false
            for (part, before) in zip(item, around) {
                json += before
                JSONText.append(part, to: &json)
            }
            json += around[places.count]
        }
        json += tail
        return ByteBuffer(bytes: json)
    }
}

import MafinNumerics
import NIOHTTP1

/// Reads the vectors of a collection of Chroma.
struct ChromaReader {
    private let server: StoreServer
    private let name: String
    private static let page = 500

    init(_ server: StoreServer, _ name: String) { (self.server, self.name) = (server, name) }

    func read(into sink: ImportSink) async throws {
        let path = "\(ChromaStore.collections)/\(StoreServer.escaped(name))"
        let found = try await server.send(.GET, path, what: "the collection '\(name)'")
        guard let collection = found.body["id"]?.text else { throw server.unexpected("the id of a collection") }
        var offset = 0
        while true {
            let body: JSONNode = ["limit": .integer(Self.page), "offset": .integer(offset), "include": ["embeddings"]]
            let answer = try await server.send(
                .POST, "\(ChromaStore.collections)/\(collection)/get", body.bytes, what: "the vectors")
            guard let ids = answer.body["ids"]?.elements else { throw server.unexpected("ids") }
            let vectors = answer.body["embeddings"]?.elements ?? []
            guard vectors.count == ids.count else { throw server.unexpected("a vector for each id") }
            for (id, vector) in zip(ids, vectors) {
                guard let id = id.text else { throw server.unexpected("ids that are texts") }
                if let values = vector.floats { try sink.append(id, values) } else { sink.countMissing() }
            }
            offset += ids.count
            if ids.count < Self.page { return }
        }
    }
}

/// Reads the vectors of a collection of Qdrant.
struct QdrantReader {
    private let server: StoreServer
    private let name: String
    private let vector: String?
    private static let page = 256

    init(_ server: StoreServer, _ name: String, _ vector: String?) {
        (self.server, self.name, self.vector) = (server, name, vector)
    }

    /// The body that asks for a page.
    static func scroll(vector: String?, offset: JSONNode?) -> JSONNode {
        var members: [(String, JSONNode)] = [
            ("limit", .integer(page)), ("with_payload", [.text(QdrantBodies.idKey)]),
            ("with_vector", vector.map { [.text($0)] } ?? true),
        ]
        if let offset { members.append(("offset", offset)) }
        return .object(members)
    }

    func read(into sink: ImportSink) async throws {
        var offset: JSONNode?
        repeat {
            let answer = try await server.send(
                .POST, "/collections/\(StoreServer.escaped(name))/points/scroll",
                Self.scroll(vector: vector, offset: offset).bytes, what: "the vectors")
            guard let points = answer.body["result"]?["points"]?.elements else { throw server.unexpected("points") }
            for point in points {
                // Points that mafin wrote have the text's id in their payload.
                guard let id = point["payload"]?[QdrantBodies.idKey]?.text ?? point["id"]?.identifier else {
                    throw server.unexpected("points with ids")
                }
                try append(point["vector"], of: id, to: sink)
            }
            offset = try page(after: answer.body["result"]?["next_page_offset"])
        } while offset != nil
    }

    /// Where the next page begins: at a point's id, which is a number or a UUID; nil after the last page.
    private func page(after next: JSONValue?) throws -> JSONNode? {
        switch next {
        case nil, .null?: return nil
        case .string(let text)?: return .text(text)
        case .number(let text)?:
            if let number = UInt64(text) { return .unsigned(number) }
        default: break
        }
        // To stop at a page that is not understood would lose all further vectors without a word.
        throw server.unexpected("the id of the next page's first point")
    }

    private func append(_ found: JSONValue?, of id: String, to sink: ImportSink) throws {
        if let values = found?.floats { return try sink.append(id, values) }
        let named = (found?.members ?? []).filter { $0.value.floats != nil && (vector == nil || $0.key == vector) }
        guard named.count <= 1 else {
            throw StoreError.mismatch(
                store: "Qdrant collection '\(name)'", expected: "one vector of a point, or its name (?vector=NAME)",
                found: "vectors named \(named.map { "'\($0.key)'" }.joined(separator: ", "))")
        }
        if let values = named.first?.value.floats { try sink.append(id, values) } else { sink.countMissing() }
    }
}

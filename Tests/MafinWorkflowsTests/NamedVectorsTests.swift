import Foundation
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinWorkflows

@Suite struct NamedVectorsTests {
    /// Vectors by name: dense ones as lists, sparse ones by term or column.
    private struct Read {
        var ids: [String] = []
        var dense: [String: [[Double]]] = [:]
        var sparse: [String: [[String: Double]]] = [:]

        /// The sum over all names of the inner products of a query's and a document's vectors.
        static func score(_ queries: Read, _ query: Int, _ documents: Read, _ document: Int) -> Double {
            var score = 0.0
            for (name, rows) in queries.dense {
                score += zip(rows[query], documents.dense[name]?[document] ?? []).reduce(0) { $0 + $1.0 * $1.1 }
            }
            for (name, rows) in queries.sparse {
                let other = documents.sparse[name]?[document] ?? [:]
                score += rows[query].reduce(0) { $0 + $1.value * (other[$1.key] ?? 0) }
            }
            return score
        }
    }

    private func write(
        _ toy: ToySources, _ role: TextRole, _ format: NamedVectors.Format
    ) async throws -> (URL, NamedVectors.Description) {
        let model = try toy.model()
        let folder = toy.folder.url.appendingPathComponent("\(role.rawValue).\(format.rawValue)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let items =
            role == .query
            ? toy.queries.map { EmbeddingItem(id: $0.id, text: $0.text) }
            : toy.documents.map { EmbeddingItem(id: $0.id, text: $0.textForEncoding) }
        let vectors = try NamedVectors(of: model, as: role, format, type: .float32, in: folder)
        // Several blocks, as a long input has.
        for start in stride(from: 0, to: items.count, by: 7) {
            let block = Array(items[start..<min(start + 7, items.count)])
            try vectors.append(try await model.embed(block, as: role, asking: toy.blackBox), block)
        }
        return (folder, try vectors.finish())
    }

    private func lines(_ file: URL) throws -> [[String: Any]] {
        try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
    }

    private func read(_ folder: URL, _ format: NamedVectors.Format) throws -> Read {
        var read = Read()
        switch format {
        case .npy:
            read.ids = try String(contentsOf: folder.appendingPathComponent("ids.txt"), encoding: .utf8)
                .split(separator: "\n").map(String.init)
            let matrix = try NumPyFile.read(folder.appendingPathComponent("black-box.npy"))
            read.dense["black-box"] = (0..<matrix.rows).map { matrix.row($0).map(Double.init) }
            read.sparse["bm25"] = try StoredRows(folder.appendingPathComponent("bm25.npz")).rows
        case .qdrant:
            for point in try lines(folder.appendingPathComponent("points.jsonl")) {
                let payload = try #require(point["payload"] as? [String: String])
                read.ids.append(payload["_id"] ?? "")
                let vector = try #require(point["vector"] as? [String: Any])
                read.dense["black-box", default: []].append(try #require(vector["black-box"] as? [Double]))
                let terms = try #require(vector["bm25"] as? [String: [Double]])
                let indices = try #require(terms["indices"]).map { String(Int($0)) }
                #expect(Set(indices).count == indices.count)
                read.sparse["bm25", default: []].append(
                    Dictionary(uniqueKeysWithValues: zip(indices, try #require(terms["values"]))))
            }
        case .elasticsearch:
            for document in try lines(folder.appendingPathComponent("documents.jsonl")) {
                read.ids.append(try #require(document["_id"] as? String))
                read.dense["black-box", default: []].append(try #require(document["black-box"] as? [Double]))
                let terms = try #require(document["bm25"] as? [String: Double])
                // A weight of 0 is refused there.
                #expect(terms.values.allSatisfy { $0 > 0 })
                read.sparse["bm25", default: []].append(terms)
            }
        }
        return read
    }

    /// An adapter that maps only queries shares the black box's document vectors, so its queries are added to theirs.
    @Test(arguments: NamedVectors.Format.allCases)
    func sumsOfInnerProductsAreTheScores(_ format: NamedVectors.Format) async throws {
        let toy = try ToySources()
        defer { toy.remove() }
        let (queryFolder, queryFacts) = try await write(toy, .query, format)
        let (documentFolder, documentFacts) = try await write(toy, .document, format)
        let (queries, documents) = (try read(queryFolder, format), try read(documentFolder, format))
        #expect(queries.ids == toy.queries.map(\.id) && documents.ids == toy.documents.map(\.id))
        #expect(queryFacts.rows == 40 && documentFacts.rows == 20 && queryFacts.role == "query")
        #expect(documentFacts.parts.map(\.name) == ["black-box", "bm25"])
        #expect(documentFacts.parts.map(\.face) == [.dense, .sparse])
        #expect(documentFacts.parts[0].dimension == ToySources.dimension)
        #expect(documentFacts.leftOut.map(\.rawValue) == ["query-memory-wide"])
        let stored = try JSONDecoder().decode(
            NamedVectors.Description.self, from: Data(contentsOf: documentFolder.appendingPathComponent("vectors.json"))
        )
        #expect(stored == documentFacts)
        for part in documentFacts.parts {
            #expect(FileManager.default.fileExists(atPath: documentFolder.appendingPathComponent(part.file).path))
        }

        let model = try toy.model()
        let index = try model.index(
            of: toy.documents, blackBox: CountingBlackBox.matrix(toy.documents.map(\.text), .document),
            cache: LocalVectorCache(folder: nil), isCancelled: { false }, progress: { _ in })
        let inputs = try index.queries(
            model.queries(
                toy.queries.map(\.item), blackBox: CountingBlackBox.matrix(toy.queries.map(\.text), .query)))
        let weights = try #require(
            model.manifest.mixing.rankingWeights.replacing([SourceName(rawValue: "query-memory-wide"): 0]))
        let scores = index.scores(of: inputs, weights: weights)
        for query in toy.queries.indices {
            for document in toy.documents.indices {
                let score = Read.score(queries, query, documents, document)
                #expect(abs(score - Double(scores[query, document])) < 1e-5)
            }
        }
    }

    /// Values of Python's `uuid.uuid5(uuid.NAMESPACE_OID, …)`.
    @Test(arguments: UUID5.values)
    func pointsHaveTheUUIDOfTheirId(_ id: String, _ uuid: String) {
        #expect(StableUUID.of(id) == uuid)
    }

    /// Artefacts can come from strangers.
    @Test(arguments: [
        ("bm25", true), ("query-memory-wide", true), ("", false), ("..", false), (".x", false), ("a/b", false),
        ("a b", false), ("ä", false), ("a\u{0}", false),
    ])
    func namesOfFilesAreChecked(_ name: String, _ isAllowed: Bool) {
        #expect(SourceName(rawValue: name).canBeFileName == isAllowed)
    }
}

/// The rows of a CSR matrix in a `.npz` file without compression.
private struct StoredRows {
    var rows: [[String: Double]] = []

    init(_ file: URL) throws {
        let data = try Data(contentsOf: file)
        func array<Element: BitwiseCopyable>(_ name: String, _ type: String, of: Element.Type) throws -> [Element] {
            let entry = try #require(data.range(of: Data("\(name).npy".utf8)))
            let header = try #require(
                data.range(of: Data("'descr': '\(type)'".utf8), in: entry.upperBound..<data.endIndex))
            let end = try #require(data.range(of: Data("\n".utf8), in: header.upperBound..<data.endIndex))
            let text = String(decoding: data[header.upperBound..<end.lowerBound], as: UTF8.self)
            let count = try #require(text.firstMatch(of: /\((\d+),/).flatMap { Int($0.1) })
            let bytes = data[end.upperBound..<end.upperBound + count * MemoryLayout<Element>.stride]
            return bytes.withUnsafeBytes { bytes in
                (0..<count).map {
                    bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Element>.stride, as: Element.self)
                }
            }
        }
        let starts = try array("indptr", "<i8", of: Int64.self)
        let columns = try array("indices", "<i4", of: Int32.self)
        let values = try array("data", "<f4", of: Float.self)
        rows = zip(starts, starts.dropFirst()).map { start, end in
            Dictionary(
                uniqueKeysWithValues: (Int(start)..<Int(end)).map { (String(columns[$0]), Double(values[$0])) })
        }
    }
}

private enum UUID5 {
    static let values = [
        ("d1", "cbca1785-765f-58e2-88eb-d1725e16827a"), ("", "0a68eb57-c88a-5f34-9e9d-27f85e68af4f"),
        ("ümlaut \"x\"", "be48ef27-b523-5fe5-af8c-8f1103ac846c"), ("MED-10", "d7af0ce8-0691-5ac9-b086-3bff373caa71"),
    ]
}

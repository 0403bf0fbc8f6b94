import Foundation
import GRDB
import MafinBlackBox
import MafinNumerics

extension EmbeddingCache {
    /// The counts of an export or import.
    public struct Transfer: Sendable, Codable {
        /// Vectors in the file.
        public var vectors: Int
        /// Vectors that were new to the cache (import only).
        public var added: Int
        /// Numbers in a vector.
        public var dimension: Int
    }

    /// Writes all vectors of a source to a file that ``importVectors(from:)`` and `vectors:` read: `.npy` with `.ids`, `.safetensors` or
    /// `.jsonl`. Ids are the keys in hexadecimal, because the cache does not hold the texts. A `.source` file beside it describes the source.
    ///
    /// At most a thousand vectors are in memory.
    /// - Throws: ``ProviderError/cacheMisuse(path:reason:)`` for a source that does not exist, or a file of another kind; `NumericsError`
    ///   if the file cannot be written.
    public func exportVectors(of source: Int64, to file: URL) async throws -> Transfer {
        try await read { [path] database in
            let export = try CacheExport(source: source, database, path: path)
            try export.write(to: file)
            return Transfer(vectors: export.count, added: 0, dimension: export.dimension)
        }
    }

    /// Adds the vectors that ``exportVectors(of:to:)`` wrote. Vectors that are in the cache already stay as they are.
    /// - Throws: ``ProviderError/cacheMisuse(path:reason:)`` for any other file; `BlackBoxError` for damaged vectors.
    public func importVectors(from file: URL) async throws -> Transfer {
        func misuse(_ file: URL, _ reason: String) -> ProviderError { .cacheMisuse(path: file.path, reason: reason) }
        let sidecar = file.deletingPathExtension().appendingPathExtension("source")
        guard let description = try? String(contentsOf: sidecar, encoding: .utf8) else {
            throw misuse(sidecar, "not found; it must describe the source of the vectors in \(file.lastPathComponent)")
        }
        let fields = EmbeddingKey.Source.fields(of: description)
        guard fields["provider"] != nil, fields["model"] != nil else {
            throw misuse(sidecar, "it names no provider and model")
        }
        guard let table = try VectorTables(contentsOf: file).documents else {
            throw misuse(file, "it holds no vectors")
        }
        let keys = try table.ids.map { id -> EmbeddingKey in
            guard let key = EmbeddingKey(hexadecimal: id) else {
                throw misuse(
                    file, "'\(id)' is not a key of a cache; use --data to import vectors for the texts of a collection")
            }
            return key
        }
        let before = try await count()
        let source = EmbeddingKey.Source(description: description)
        for start in stride(from: 0, to: keys.count, by: 1000) {
            let rows = start..<min(start + 1000, keys.count)
            let vectors = table.vectors.selecting(rows: rows)
            try await store(
                AnsweredRows(indices: Array(rows), vectors: vectors), keys: Array(keys[rows]), source: source)
        }
        return Transfer(
            vectors: keys.count, added: try await count() - before, dimension: table.vectors.columns)
    }
}

/// Writes the vectors of one source to a file.
private struct CacheExport {
    let count: Int
    let dimension: Int
    private let source: Int64
    private let description: String
    private let database: Database

    init(source: Int64, _ database: Database, path: String) throws {
        let row = try Row.fetchOne(
            database, sql: "SELECT description, dimension FROM source WHERE id = ?", arguments: [source])
        guard let row else {
            throw ProviderError.cacheMisuse(path: path, reason: "it has no source \(source); see: mafin cache stats")
        }
        self.source = source
        self.database = database
        description = row[0]
        dimension = row[1]
        count =
            try Int.fetchOne(database, sql: "SELECT count(*) FROM vector WHERE source = ?", arguments: [source]) ?? 0
    }

    func write(to file: URL) throws {
        switch file.pathExtension {
        case "npy":
            let vectors = try PendingVectors(to: file, dimension: dimension)
            try eachVector { key, values in
                try vectors.append(
                    Matrix(rows: 1, columns: dimension, values: values), ids: [ContentHash.hexadecimal(key)])
            }
            try vectors.commit()
        case "safetensors":
            let ids = try Data.fetchAll(
                database, sql: "SELECT key FROM vector WHERE +source = ? ORDER BY id", arguments: [source]
            ).map(ContentHash.hexadecimal)
            let json = String(decoding: try JSONEncoder().encode(ids), as: UTF8.self)
            try SafeTensorsFile.write(
                tensor: "corpus", shape: [count, dimension],
                metadata: ["corpus_ids": json, "source": description, "format": "pt"], to: file
            ) { write in
                try eachVector { _, values in try values.withUnsafeBufferPointer { try write($0) } }
            }
        case "jsonl":
            try AtomicFile.write(to: file) { writer in
                try eachVector { key, values in
                    let numbers = values.map { "\($0)" }.joined(separator: ",")
                    try writer.write(
                        Data("{\"_id\":\"\(ContentHash.hexadecimal(key))\",\"vector\":[\(numbers)]}\n".utf8))
                }
            }
        default:
            throw ProviderError.cacheMisuse(
                path: file.path, reason: "expected a name that ends in .npy, .safetensors or .jsonl")
        }
        try AtomicFile.write(Data(description.utf8), to: file.deletingPathExtension().appendingPathExtension("source"))
    }

    /// - Throws: ``ProviderError/cacheMisuse(path:reason:)`` for a damaged vector, which must not be exported.
    private func eachVector(_ body: (Data, [Float]) throws -> Void) throws {
        let cursor = try Row.fetchCursor(
            database, sql: "SELECT id, key, checksum, precision, value FROM vector WHERE +source = ? ORDER BY id",
            arguments: [source])
        var numbers: [Float] = []
        while let row = try cursor.next() {
            let (id, key): (Int64, Data) = (row[0], row[1])
            numbers.removeAll(keepingCapacity: true)
            let fault = try row.withUnsafeData(atIndex: 4) {
                StoredVector.fault(in: $0, key: key, checksum: row[2], code: row[3], dimension: dimension, to: &numbers)
            }
            guard fault == nil else {
                throw ProviderError.cacheMisuse(
                    path: "cache", reason: "vector \(id) is damaged; remove it with: mafin cache verify --repair")
            }
            try body(key, numbers)
        }
    }
}

/// Stored vectors presented as the answers of a provider, so that the cache stores them under the provider's keys.
public struct AdoptedVectors: BlackBox {
    /// The identity of the provider's model.
    public let identity: BlackBoxIdentity
    private let vectors: StoredVectors

    /// - Parameters:
    ///   - vectors: the vectors by the ids of a collection.
    ///   - identity: the model that they come from. This cannot be checked.
    public init(_ vectors: StoredVectors, as identity: BlackBoxIdentity) {
        self.vectors = vectors
        self.identity = identity
    }

    /// Vectors of the items by their ids.
    /// - Throws: `BlackBoxError` for an id without a vector.
    public func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        try await vectors.embed(items, as: role)
    }
}

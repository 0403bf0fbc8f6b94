import Foundation
import MafinBlackBox
import MafinNumerics
import MafinParquet
import MafinPostgreSQL

/// Vectors that a user has in a database or a Parquet file already, so that nothing is bought twice.
///
/// | written | meaning |
/// |---|---|
/// | `postgresql://USER@HOST/DATABASE?table=TABLE&id=ID&vector=VECTOR` | a column of `vector`, `halfvec` or floats |
/// | `chroma:http://HOST:PORT/COLLECTION` | a collection of Chroma |
/// | `qdrant:http://HOST:PORT/COLLECTION?vector=NAME` | a collection of Qdrant |
/// | `FILE.parquet?id=ID&vector=VECTOR` | columns of a Parquet file |
public struct VectorImport: Sendable, Equatable {
    /// Where vectors are.
    enum Source: Sendable, Equatable {
        case table(PostgreSQLTable)
        case chroma(url: String, collection: String)
        case qdrant(url: String, collection: String, vector: String?)
        case parquet(URL, id: String?, vector: String?)
    }

    let source: Source

    /// How sources are written.
    public static let forms =
        "write postgresql://USER@HOST/DATABASE?table=TABLE&id=COLUMN&vector=COLUMN, chroma:http://HOST:PORT/COLLECTION, "
        + "qdrant:http://HOST:PORT/COLLECTION?vector=NAME or FILE.parquet?id=COLUMN&vector=COLUMN"

    /// Reads a source.
    /// - Throws: ``StoreError/badAddress(_:reason:)``, ``StoreError/passwordInAddress(store:instead:)``.
    public init(parsing text: String) throws {
        if PostgreSQLAddress.isOne(text) {
            let table = try PostgreSQLTable(parsing: text)
            guard table.vectorColumn != nil else {
                throw StoreError.badAddress(
                    table.shown, reason: "the column of vectors is missing: end the address with &vector=COLUMN")
            }
            source = .table(table)
            return
        }
        let halves = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        var items: [String: String] = [:]
        for item in halves.count > 1 ? halves[1].split(separator: "&") : [] {
            let pair = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard pair.count == 2, ["id", "vector"].contains(pair[0]) else {
                throw StoreError.badAddress(text, reason: "'\(pair[0])' is unknown; \(Self.forms)")
            }
            items[pair[0]] = pair[1].removingPercentEncoding ?? pair[1]
        }
        if halves[0].hasSuffix(".parquet") {
            source = .parquet(URL(fileURLWithPath: halves[0]), id: items["id"], vector: items["vector"])
            return
        }
        guard halves[0].hasPrefix("chroma:http") || halves[0].hasPrefix("qdrant:http") else {
            throw StoreError.badAddress(text, reason: "no vectors can be taken from it; \(Self.forms)")
        }
        let target = try StoreTarget(parsing: halves[0])
        guard case .server(let url, let collection) = target.place else {
            throw StoreError.badAddress(text, reason: Self.forms)
        }
        source =
            target.kind == .chroma
            ? .chroma(url: url, collection: collection)
            : .qdrant(url: url, collection: collection, vector: items["vector"])
    }

    /// The store; nil for a file.
    public var kind: StoreKind? {
        switch source {
        case .table: .postgresql
        case .chroma: .chroma
        case .qdrant: .qdrant
        case .parquet: nil
        }
    }

    /// What was taken.
    public struct Taken: Sendable, Encodable, Equatable {
        /// Number of vectors.
        public var vectors: Int
        /// Numbers of a vector.
        public var dimension: Int
        /// Rows without a vector.
        public var withoutVector: Int
        /// The file that the vectors are in.
        public var file: String
    }

    /// Reads all vectors into a `.npy` file with the ids beside it, as `StoredVectors` reads them. In memory are only the ids and a few
    /// thousand vectors.
    /// - Throws: ``StoreError``, `BlackBoxError`, `NumericsError`.
    public func write(
        to file: URL, _ connection: StoreConnection = StoreConnection(),
        isCancelled: @escaping @Sendable () -> Bool = { false }, progress: @escaping @Sendable (Int) -> Void = { _ in }
    ) async throws -> Taken {
        let sink = ImportSink(file, shown: shown, isCancelled: isCancelled, progress: progress)
        switch source {
        case .table(let table):
            // Only the connection's thread uses the sink until this call returns.
            let carried = UnsafeTransfer(sink)
            try await table.client().run { try Self.read($0, table, into: carried.value) }
        case .chroma(let url, let collection):
            try await ChromaReader(StoreServer(.chroma, url: url, connection), collection).read(into: sink)
        case .qdrant(let url, let collection, let vector):
            try await QdrantReader(StoreServer(.qdrant, url: url, connection), collection, vector).read(into: sink)
        case .parquet(let url, let id, let vector):
            let parquet = try ParquetFile(url)
            let columns = try ParquetVectors.columns(of: parquet, path: url.path, id: id, vector: vector)
            for group in parquet.groups.indices where parquet.groups[group] > 0 {
                try sink.append(
                    try parquet.texts(columns.id, group: group), try parquet.vectors(columns.vector, group: group))
            }
        }
        return try sink.finish()
    }

    /// The source of queries of the same database, if the address names one.
    public var queries: VectorImport? {
        guard case .table(let table) = source else { return nil }
        return table.ofQueries.map { VectorImport(source: .table($0)) }
    }

    private init(source: Source) { self.source = source }

    /// The source for messages.
    public var shown: String {
        switch source {
        case .table(let table): table.shown
        case .chroma(let url, let collection), .qdrant(let url, let collection, _): "\(url)/\(collection)"
        case .parquet(let url, _, _): url.path
        }
    }

    private static func read(
        _ session: PostgreSQLSession, _ table: PostgreSQLTable, into sink: ImportSink
    ) throws {
        let id = PostgreSQLText.identifier(table.idColumn)
        let vector = PostgreSQLText.identifier(table.vectorColumn ?? "")
        let name = PostgreSQLText.identifier(table: table.table)
        // In the order of the ids, so that the same vectors always give the same files.
        let statement = "SELECT \(id)::text COLLATE \"C\", \(vector)::vector FROM \(name) ORDER BY 1"
        try session.forEachRow(statement, what: "the vectors") { row in
            guard let id = try row.text(0, 0),
                let values = try row.withBytes(0, 1, { try $0.map { try floats($0, of: id, table) } })
            else { return sink.countMissing() }
            try sink.append(id, values)
        }
    }

    /// The numbers of pgvector's binary form.
    private static func floats(_ bytes: UnsafeRawBufferPointer, of id: String, _ table: PostgreSQLTable) throws
        -> [Float]
    {
        let dimension = bytes.count < 4 ? 0 : Int(bytes.loadUnaligned(as: UInt16.self).bigEndian)
        guard bytes.count == 4 + 4 * dimension else {
            throw StoreError.mismatch(
                store: table.shown, expected: "vectors in pgvector's binary form",
                found: "other bytes in that of '\(id)'")
        }
        return (0..<dimension).map { place in
            Float(bitPattern: bytes.loadUnaligned(fromByteOffset: 4 + 4 * place, as: UInt32.self).bigEndian)
        }
    }
}

/// Collects vectors and writes them in groups.
final class ImportSink {
    private let file: URL
    private let shown: String
    private let isCancelled: () -> Bool
    private let progress: (Int) -> Void
    private var vectors: PendingVectors?
    private var ids: [String] = []
    private var values: [Float] = []
    private var missing = 0
    private static let group = 4096

    init(_ file: URL, shown: String, isCancelled: @escaping () -> Bool, progress: @escaping (Int) -> Void) {
        (self.file, self.shown, self.isCancelled, self.progress) = (file, shown, isCancelled, progress)
    }

    func countMissing() { missing += 1 }

    /// One vector.
    func append(_ id: String, _ vector: [Float]) throws {
        if let width = vectors?.dimension ?? (ids.isEmpty ? nil : values.count / ids.count), width != vector.count {
            throw StoreError.mismatch(
                store: shown, expected: "vectors of \(width) numbers", found: "\(vector.count) in that of '\(id)'")
        }
        ids.append(id)
        values += vector
        if ids.count >= Self.group { try flush() }
    }

    /// Several vectors.
    func append(_ newIDs: [String], _ matrix: Matrix) throws {
        for (row, id) in newIDs.enumerated() { try append(id, Array(matrix.row(row))) }
    }

    private func flush() throws {
        if isCancelled() { throw CancellationError() }
        guard !ids.isEmpty else { return }
        let width = values.count / ids.count
        let pending = try vectors ?? PendingVectors(to: file, dimension: width)
        vectors = pending
        try pending.append(Matrix(rows: ids.count, columns: width, values: values), ids: ids)
        (ids, values) = ([], [])
        progress(pending.count)
    }

    func finish() throws -> VectorImport.Taken {
        try flush()
        guard let vectors else {
            throw StoreError.mismatch(store: shown, expected: "at least one vector", found: "none")
        }
        try vectors.commit()
        return VectorImport.Taken(
            vectors: vectors.count, dimension: vectors.dimension, withoutVector: missing, file: file.path)
    }
}

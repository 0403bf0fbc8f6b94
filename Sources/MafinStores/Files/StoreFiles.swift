import Foundation
import MafinBlackBox
import MafinNumerics
import MafinParquet
import MafinPipeline

/// What is known about exported files. It is stored beside them, as ``fileName``.
public struct ExportedFiles: Sendable, Codable, Equatable {
    /// The name of its file.
    public static let fileName = "export.json"

    /// The store that they are for.
    public var store: StoreKind
    /// What they hold.
    public var parts: [StorePart]
    /// Number of texts.
    public var rows: Int
    /// All other files of the folder.
    public var files: [String]
}

/// Files of any kind of store in a folder. They are complete with ``finish()``.
///
/// | kind | files |
/// |---|---|
/// | `parquet` | `documents.parquet` |
/// | `npy` | `NAME.npy`, `NAME.npz` (CSR), `ids.txt` |
/// | `faiss` | `vectors.npy`, `vectors.ids` |
/// | `safetensors` | `vectors.safetensors` with the tensor `corpus` and the metadata `corpus_ids` |
/// | `qdrant` | `collection.json`, `points-00000.json`, … |
/// | `elasticsearch`, `opensearch` | `index.json`, `bulk-00000.ndjson`, … |
/// | `milvus` | `collection.json`, `rows-00000.json`, … |
/// | `weaviate` | `class.json`, `objects-00000.json`, … |
/// | `redis` | `documents.resp`: first the index, then the texts |
public final class StoreFiles: VectorStore {
    private let kind: StoreKind
    private let folder: URL
    /// The name of the collection in requests: that of the folder.
    private let name: String
    private let options: Options
    private var schema = StoreSchema(parts: [])
    private var writer: (any StoreFileWriter)?
    private var rows = 0

    /// How files are written.
    public struct Options: Sendable, Equatable {
        /// Whether dense vectors are 16-bit floats.
        public var isHalf: Bool
        /// Of Parquet files.
        public var codec: ParquetCodec
        /// Whether stores are to build an index.
        public var wantsIndex: Bool

        /// Options.
        public init(isHalf: Bool = false, codec: ParquetCodec = .none, wantsIndex: Bool = true) {
            (self.isHalf, self.codec, self.wantsIndex) = (isHalf, codec, wantsIndex)
        }
    }

    /// Files in a folder that is there.
    /// - Parameter name: the collection that requests name.
    public init(_ kind: StoreKind, in folder: URL, name: String, options: Options = Options()) {
        (self.kind, self.folder, self.name, self.options) = (kind, folder, name, options)
    }

    /// Begins the files.
    public func prepare(_ schema: StoreSchema) async throws -> [String] {
        self.schema = schema
        if kind == .weaviate { _ = try WeaviateStore.checked(name) }
        writer =
            switch kind {
            case .parquet: try ParquetWriter(in: folder, schema, options)
            case .npy: try NumPyWriter(in: folder, schema, isHalf: options.isHalf)
            case .faiss, .safetensors: try JoinedWriter(in: folder, schema, isHalf: options.isHalf, kind: kind)
            default: try RequestWriter(kind, in: folder, schema, name: name, options: options)
            }
        return []
    }

    /// Files are written anew each time.
    public func storedHashes(of ids: [String]) async throws -> [String: String] { [:] }

    /// See ``VectorStore/write(_:)``.
    public func write(_ batch: StoreBatch) async throws {
        try writer?.append(batch)
        rows += batch.count
    }

    /// Ends the files.
    public func finish() async throws -> [String] {
        guard let writer else { preconditionFailure("the files were not begun") }
        let files = try writer.finish()
        let description = ExportedFiles(store: kind, parts: schema.parts, rows: rows, files: files)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try AtomicFile.write(encoder.encode(description), to: folder.appendingPathComponent(ExportedFiles.fileName))
        return []
    }
}

/// The files of one kind.
protocol StoreFileWriter: AnyObject {
    func append(_ batch: StoreBatch) throws
    /// Ends the files and returns their names.
    func finish() throws -> [String]
}

/// `documents.parquet`.
private final class ParquetWriter: StoreFileWriter {
    private static let name = "documents.parquet"
    private let file: PendingParquet
    private let holdsTexts: Bool

    init(in folder: URL, _ schema: StoreSchema, _ options: StoreFiles.Options) throws {
        holdsTexts = schema.holdsTexts
        let vectors = schema.dense.map {
            ParquetColumn($0.name, options.isHalf ? .halves($0.dimension) : .floats($0.dimension))
        }
        let columns =
            [ParquetColumn("id", .text), ParquetColumn("mafin_hash", .text)]
            + (holdsTexts ? [ParquetColumn("text", .text)] : [])
            + vectors + schema.sparse.map { ParquetColumn($0.name, .terms) }
        file = try PendingParquet(to: folder.appendingPathComponent(Self.name), columns: columns, codec: options.codec)
    }

    func append(_ batch: StoreBatch) throws {
        var cells: [ParquetCells] = [.texts(batch.ids), .texts(batch.hashes)]
        if holdsTexts { cells.append(.texts(batch.texts)) }
        cells += batch.dense.map { .rows($0.values) }
        cells += batch.sparse.map { rows in
            .terms(rows.map { terms in (terms.map { Int32($0.index) }, terms.map(\.weight)) })
        }
        try file.append(cells)
    }

    func finish() throws -> [String] {
        try file.commit()
        return [Self.name]
    }
}

/// `NAME.npy`, `NAME.npz`, `ids.txt`.
private final class NumPyWriter: StoreFileWriter {
    private let dense: [NumPyFile.PendingRows]
    private let sparse: [NumPyFile.PendingSparseRows]
    private let ids: PendingFile
    private let idsFile: URL
    private let names: [String]

    init(in folder: URL, _ schema: StoreSchema, isHalf: Bool) throws {
        func file(_ part: StorePart, _ ending: String) -> URL {
            folder.appendingPathComponent("\(part.name).\(ending)")
        }
        dense = try schema.dense.map {
            try NumPyFile.PendingRows(to: file($0, "npy"), columns: $0.dimension, as: isHalf ? .float16 : .float32)
        }
        sparse = try schema.sparse.map { try NumPyFile.PendingSparseRows(to: file($0, "npz"), columns: $0.dimension) }
        idsFile = folder.appendingPathComponent("ids.txt")
        ids = try PendingFile(at: idsFile)
        names = schema.dense.map { "\($0.name).npy" } + schema.sparse.map { "\($0.name).npz" } + ["ids.txt"]
    }

    func append(_ batch: StoreBatch) throws {
        try ids.write(Data(try PendingVectors.lines(ofIDs: batch.ids, for: idsFile).utf8))
        for (file, vectors) in zip(dense, batch.dense) { try file.append(vectors) }
        for (file, vectors) in zip(sparse, batch.sparse) {
            try file.append(
                vectors.map { terms in (columns: terms.map { Int32($0.index) }, values: terms.map(\.weight)) })
        }
    }

    func finish() throws -> [String] {
        for file in dense { try file.commit() }
        for file in sparse { try file.commit() }
        try ids.commit()
        return names
    }
}

/// One vector of a text: `vectors.npy` and `vectors.ids`, or `vectors.safetensors`.
private final class JoinedWriter: StoreFileWriter {
    private let kind: StoreKind
    private let folder: URL
    private let vectors: NumPyFile.PendingRows
    private let file: URL
    private let idsFile: URL
    private var ids: [String] = []

    init(in folder: URL, _ schema: StoreSchema, isHalf: Bool, kind: StoreKind) throws {
        (self.kind, self.folder) = (kind, folder)
        file = folder.appendingPathComponent("vectors.npy")
        idsFile = folder.appendingPathComponent("vectors.ids")
        vectors = try NumPyFile.PendingRows(
            to: file, columns: schema.dense[0].dimension, as: isHalf && kind == .faiss ? .float16 : .float32)
    }

    func append(_ batch: StoreBatch) throws {
        try vectors.append(batch.dense[0])
        ids += batch.ids
    }

    func finish() throws -> [String] {
        try vectors.commit()
        guard kind == .safetensors else {
            try AtomicFile.write(Data(try PendingVectors.lines(ofIDs: ids, for: idsFile).utf8), to: idsFile)
            return ["vectors.npy", "vectors.ids"]
        }
        // The header of safetensors holds the number of rows, so the rows are first written apart.
        let rows = try NumPyFile.map(file)
        try SafeTensorsFile.write(
            tensor: "corpus", shape: [rows.rows, rows.columns],
            metadata: ["format": "pt", "corpus_ids": JSONNode.texts(ids).line],
            to: folder.appendingPathComponent("vectors.safetensors")
        ) { write in
            try rows.withUnsafeBytes { bytes in
                let values = bytes.bindMemory(to: Float.self)
                for start in stride(from: 0, to: values.count, by: 1 << 20) {
                    try write(UnsafeBufferPointer(rebasing: values[start..<min(start + (1 << 20), values.count)]))
                }
            }
        }
        try FileManager.default.removeItem(at: file)
        return ["vectors.safetensors"]
    }
}

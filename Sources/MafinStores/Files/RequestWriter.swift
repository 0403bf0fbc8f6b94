import Foundation
import MafinNumerics
import MafinPipeline

/// The bodies of requests as files, each small enough for one request.
final class RequestWriter: StoreFileWriter {
    private let kind: StoreKind
    private let folder: URL
    private let schema: StoreSchema
    private let name: String
    private let isHalf: Bool
    private var files: [String] = []
    private var open: PendingFile?
    private var openBytes = 0

    /// Servers take requests of a hundred megabytes by default, but Qdrant; half of that leaves room.
    private var fileBytes: Int { kind == .qdrant ? QdrantStore.requestBytes : 48 << 20 }

    init(_ kind: StoreKind, in folder: URL, _ schema: StoreSchema, name: String, options: StoreFiles.Options) throws {
        (self.kind, self.folder, self.schema, self.name, isHalf) = (kind, folder, schema, name, options.isHalf)
        switch kind {
        case .qdrant: try head("collection.json", QdrantBodies.collection(schema, isHalf: isHalf))
        case .elasticsearch, .opensearch:
            try head("index.json", ElasticsearchBodies.index(schema, kind, wantsIndex: options.wantsIndex))
        case .milvus: try head("collection.json", MilvusBodies.collection(name, schema))
        case .weaviate: try head("class.json", WeaviateBodies.collection(name, schema))
        case .redis:
            let words = RedisBodies.index(name, schema, isHalf: isHalf)
            try append(RedisBodies.command(words.map { Array($0.utf8) }))
        default: preconditionFailure("\(kind) has no requests")
        }
    }

    private func head(_ name: String, _ node: JSONNode) throws {
        try AtomicFile.write(Data((node.indented() + "\n").utf8), to: folder.appendingPathComponent(name))
        files.append(name)
    }

    /// What comes before, between and after the elements of a file, and its name.
    private var frame: (before: String, between: String, after: String, name: String, ending: String) {
        switch kind {
        case .qdrant: ("{\"points\":[\n", ",\n", "\n]}\n", "points", "json")
        case .milvus: ("[\n", ",\n", "\n]\n", "rows", "json")
        case .weaviate: ("{\"objects\":[\n", ",\n", "\n]}\n", "objects", "json")
        case .redis: ("", "", "", "documents", "resp")
        default: ("", "", "", "bulk", "ndjson")
        }
    }

    private func append(_ element: [UInt8]) throws {
        let frame = frame
        // Redis reads a stream, so there it is one file.
        if openBytes + element.count > fileBytes, kind != .redis { try close() }
        var bytes: [UInt8] = []
        if open == nil {
            let number = files.count { $0.hasPrefix("\(frame.name)-") }
            let name =
                kind == .redis ? "documents.resp" : String(format: "%@-%05d.%@", frame.name, number, frame.ending)
            files.append(name)
            open = try PendingFile(at: folder.appendingPathComponent(name))
            bytes += Array(frame.before.utf8)
        } else {
            bytes += Array(frame.between.utf8)
        }
        bytes += element
        try open?.write(Data(bytes))
        openBytes += bytes.count
    }

    private func close() throws {
        try open?.write(Data(frame.after.utf8))
        try open?.commit()
        (open, openBytes) = (nil, 0)
    }

    func append(_ batch: StoreBatch) throws {
        for row in 0..<batch.count {
            switch kind {
            case .qdrant: try append(QdrantBodies.point(batch, row, schema).bytes)
            case .milvus: try append(MilvusBodies.row(batch, row, schema).bytes)
            case .weaviate: try append(WeaviateBodies.object(batch, row, schema, collection: name).bytes)
            case .redis: try append(RedisBodies.write(batch, row, schema, isHalf: isHalf))
            default:
                let lines = ElasticsearchBodies.lines(batch, row, schema, index: name)
                try append(lines.flatMap { $0.bytes + [UInt8(ascii: "\n")] })
            }
        }
    }

    func finish() throws -> [String] {
        try close()
        return files
    }
}

import Foundation
import MafinNumerics

/// The tables of one folder or file of stored vectors.
package struct VectorTables {
    package var documents: VectorTable?
    package var queries: VectorTable?
    /// Whether both roles use one table.
    var isShared = false
    /// SHA-256 over the content of all files that were read.
    let contentHash: String

    /// The tables of a folder or file. Its extension decides the format. Vectors are as they were stored.
    /// - Throws: ``BlackBoxError`` naming the file, the id, and the row or line; `NumericsError` for a malformed array file.
    package init(contentsOf url: URL) throws {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) else {
            throw BlackBoxError.missingFile(path: url.path, expected: "a folder or file of stored vectors")
        }
        switch url.pathExtension {
        case _ where isFolder.boolValue: try self.init(folder: url)
        case "npy":
            let (table, digest) = try Self.numPyTable(url)
            self.init(shared: table, contentHash: ContentHash.sha256(of: digest))
        case "safetensors": try self.init(safeTensorsFile: url)
        case "jsonl": self.init(shared: try JSONLinesVectors.read(url), contentHash: try ContentHash.sha256(of: url))
        case "parquet": self.init(shared: try ParquetVectors.read(url), contentHash: try ContentHash.sha256(of: url))
        default:
            throw BlackBoxError.missingFile(
                path: url.path, expected: "a folder, .npy, .safetensors, .parquet or .jsonl file")
        }
    }

    /// `corpus.npy` + `corpus.ids` and `queries.npy` + `queries.ids`.
    init(folder: URL) throws {
        var digests: [String] = []
        func table(_ name: String) throws -> VectorTable? {
            let file = folder.appendingPathComponent("\(name).npy")
            guard FileManager.default.fileExists(atPath: file.path) else { return nil }
            let (table, digest) = try Self.numPyTable(file)
            digests.append("\(name) \(digest)")
            return table
        }
        documents = try table("corpus")
        queries = try table("queries")
        guard documents != nil || queries != nil else {
            throw BlackBoxError.missingFile(
                path: folder.path, expected: "corpus.npy and corpus.ids, queries.npy and queries.ids in the folder")
        }
        contentHash = ContentHash.sha256(of: digests.joined(separator: "\n"))
    }

    /// Tensors `corpus` and `queries`, ids in the metadata.
    init(safeTensorsFile file: URL) throws {
        let tensors = try SafeTensorsFile(file)
        func table(_ name: String) throws -> VectorTable? {
            guard let shape = tensors.shape(of: name) else { return nil }
            let key = "\(name)_ids"
            guard shape.count == 2 else {
                throw BlackBoxError.unreadable(
                    path: file.path, reason: "tensor '\(name)' has shape \(shape), but must have two axes")
            }
            guard let json = tensors.metadata[key],
                let ids = try? JSONDecoder().decode([String].self, from: Data(json.utf8))
            else {
                throw BlackBoxError.missingFile(
                    path: file.path, expected: "metadata '\(key)', a JSON array of the ids of tensor '\(name)'")
            }
            let vectors = Matrix(rows: shape[0], columns: shape[1], values: try tensors.floats(of: name))
            return try VectorTable(
                path: "\(file.path)[\(name)]", vectors: vectors, ids: ids, idsPath: "\(file.path)[\(key)]")
        }
        documents = try table("corpus")
        queries = try table("queries")
        guard documents != nil || queries != nil else {
            throw BlackBoxError.missingFile(path: file.path, expected: "a tensor 'corpus' or 'queries' in the file")
        }
        contentHash = try ContentHash.sha256(of: file)
    }

    /// One table for both roles.
    private init(shared table: VectorTable, contentHash: String) {
        (documents, queries) = (table, table)
        isShared = true
        self.contentHash = contentHash
    }

    private static func numPyTable(_ file: URL) throws -> (VectorTable, digest: String) {
        let idsFile = file.deletingPathExtension().appendingPathExtension("ids")
        guard let data = try? Data(contentsOf: idsFile) else {
            throw BlackBoxError.missingFile(
                path: idsFile.path, expected: "one id a line for each row of \(file.lastPathComponent)")
        }
        let table = try VectorTable(
            path: file.path, vectors: try NumPyFile.read(file), ids: lines(of: data), idsPath: idsFile.path)
        return (table, try ContentHash.sha256(of: file) + " " + ContentHash.sha256(of: idsFile))
    }

    /// Lines of a text file. Lines may end with LF or CRLF; the last line may lack its end.
    private static func lines(of data: Data) -> [String] {
        var lines = data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        return lines.map { line in
            String(decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line, as: UTF8.self)
        }
    }
}

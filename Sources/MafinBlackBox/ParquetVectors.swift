import Foundation
import MafinNumerics
import MafinParquet

/// Vectors in a Parquet file: a column of ids and a column of lists of floats.
package enum ParquetVectors {
    /// The names that columns of ids and vectors usually have. `mafin import` takes any other.
    private static let usualIDs = ["id", "_id", "doc_id", "docid"]
    private static let usualVectors = ["embedding", "vector", "embeddings"]

    /// The columns of ids and vectors.
    /// - Parameters:
    ///   - id, vector: their names; nil: the only one of its kind, or the one with a usual name.
    /// - Throws: ``BlackBoxError/unreadable(path:reason:)`` if the file does not say which ones they are.
    package static func columns(
        of file: ParquetFile, path: String, id: String?, vector: String?
    ) throws -> (id: String, vector: String) {
        func pick(_ kind: ParquetFile.Column.Kind, _ usual: [String], _ what: String, _ flag: String) throws -> String {
            let names = file.columns.filter { $0.kind == kind }.map(\.name)
            if let name = usual.first(where: names.contains) { return name }
            if names.count == 1 { return names[0] }
            let found = names.isEmpty ? "there is none" : "there are \(names.map { "'\($0)'" }.joined(separator: ", "))"
            throw BlackBoxError.unreadable(
                path: path,
                reason: "expected one column of \(what), or one called \(usual.joined(separator: ", ")); \(found)"
                    + (names.isEmpty ? "" : ". Name it with 'mafin import \(path)?\(flag)=COLUMN'"))
        }
        return (
            try id ?? pick(.text, usualIDs, "ids", "id"),
            try vector ?? pick(.vector, usualVectors, "lists of floats", "vector")
        )
    }

    /// Reads a file whose columns have usual names.
    /// - Throws: ``BlackBoxError``, `NumericsError`, naming the file.
    static func read(_ url: URL) throws -> VectorTable {
        let file = try ParquetFile(url)
        let columns = try columns(of: file, path: url.path, id: nil, vector: nil)
        var ids: [String] = []
        var values: [Float] = []
        var width: Int?
        for group in file.groups.indices where file.groups[group] > 0 {
            let vectors = try file.vectors(columns.vector, group: group)
            if let width, width != vectors.columns {
                throw BlackBoxError.dimensionMismatch(
                    path: url.path, found: vectors.columns, expected: width, expectedIn: "the first group of rows")
            }
            width = vectors.columns
            ids += try file.texts(columns.id, group: group)
            values += vectors.values
        }
        guard let width else {
            throw BlackBoxError.missingFile(path: url.path, expected: "at least one vector in the file")
        }
        return try VectorTable(
            path: url.path, vectors: Matrix(rows: ids.count, columns: width, values: values), ids: ids,
            idsPath: url.path)
    }
}

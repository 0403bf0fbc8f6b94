import Foundation
import MafinNumerics

/// A black box's answers, stored in files and looked up by id.
///
/// | what | holds |
/// |---|---|
/// | folder | `corpus.npy` + `corpus.ids`, `queries.npy` + `queries.ids` (one id a line, in the order of the rows) |
/// | `.safetensors` | tensors `corpus` and `queries`; metadata `corpus_ids` and `queries_ids`: JSON arrays of strings |
/// | `.npy` with `.ids` beside it | one table, for both roles |
/// | `.parquet` | a column of ids and a column of lists of floats; one table, for both roles |
/// | `.jsonl` | one object a line, `_id` or `id` and `embedding` or `vector`; one table, for both roles |
///
/// A folder or `.safetensors` file may lack one of the two roles if that role is never asked for.
/// Opening checks everything: as many ids as rows, no id twice, one dimension, every element finite, no zero vector.
/// If vectors are not of unit length, all are normalised and ``identity`` says so; otherwise they stay bit by bit as stored.
public struct StoredVectors: BlackBox {
    /// The source of the vectors: provider `vectors`, the file's name, the dimension, the SHA-256 of the files.
    public let identity: BlackBoxIdentity
    /// Numbers in a vector.
    public let dimension: Int

    private let path: String
    private let queries: VectorTable?
    private let documents: VectorTable?

    /// Opens a folder or file of stored vectors and checks all of it.
    /// - Throws: ``BlackBoxError`` naming the file, the id, and the row or line; `NumericsError` for a malformed array file.
    public init(contentsOf url: URL) throws {
        var tables = try VectorTables(contentsOf: url)
        path = url.path
        guard let dimension = (tables.documents ?? tables.queries)?.vectors.columns else {
            throw BlackBoxError.missingFile(path: path, expected: "vectors of documents or queries")
        }
        if let documents = tables.documents, let queries = tables.queries, queries.vectors.columns != dimension {
            throw BlackBoxError.dimensionMismatch(
                path: queries.path, found: queries.vectors.columns, expected: dimension, expectedIn: documents.path)
        }
        var normalised = tables.documents?.normalise() ?? false
        if tables.isShared {
            tables.queries = tables.documents
        } else if tables.queries?.normalise() ?? false {
            normalised = true
        }
        self.dimension = dimension
        documents = tables.documents
        queries = tables.queries
        identity = BlackBoxIdentity(
            provider: "vectors", model: url.lastPathComponent, dimension: dimension,
            normalisation: normalised ? .unit : .none, contentHash: tables.contentHash)
    }

    /// All ids of a role in the order of their rows; empty if there are no vectors of that role.
    public func ids(for role: TextRole) -> [String] { table(for: role)?.ids ?? [] }

    /// All vectors of a role, rows in the order of ``ids(for:)``, or nil if there are none. Complexity: O(1), shares storage.
    public func vectors(for role: TextRole) -> Matrix? { table(for: role)?.vectors }

    private func table(for role: TextRole) -> VectorTable? { role == .query ? queries : documents }

    /// The stored vectors of the items' ids. The items' texts are ignored.
    /// - Throws: ``BlackBoxError/missingIDs(path:role:count:asked:first:)``, ``BlackBoxError/missingRole(path:role:)``
    public func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        guard let table = table(for: role) else { throw BlackBoxError.missingRole(path: path, role: role) }
        let rows = items.map { table.rowOfID[$0.id] }
        let missing = zip(items, rows).filter { $0.1 == nil }.map(\.0.id)
        guard missing.isEmpty else {
            throw BlackBoxError.missingIDs(
                path: table.path, role: role, count: missing.count, asked: items.count, first: Array(missing.prefix(5)))
        }
        return table.vectors.selecting(rows: rows.compactMap { $0 })
    }
}

import MafinMethod
import MafinNumerics
import MafinRetrieval

/// Document vectors of both sources, ranked by a mixture of both scores. Training reports, `evaluate` and `search` all
/// use this search.
///
/// A score depends only on its query and document (``MafinRetrieval/VectorIndex``), and each source's inner product is
/// summed separately. So every command computes the same score for a pair, bit for bit. With the weights 1 and 0 it is
/// the black box's own score.
struct MixtureIndex {
    /// Query vectors of both sources, ready for a search.
    struct Queries {
        fileprivate let blackBox: Matrix
        fileprivate let local: LocalRows

        /// One weighted row: the black box's part first, then the local part.
        fileprivate func row(_ row: Int, weights: MixtureWeights) -> [Float] {
            weights.weighting(
                Array(blackBox.row(row)) + local.vectors.row(row), split: blackBox.columns,
                blackBoxFactor: local.weights.isEmpty ? 1 : local.weights[row])
        }
    }

    private let form: LocalForm
    /// The black box's unit rows.
    private let blackBox: VectorIndex
    /// The first part holds the black box's rows, multiplied by their weights in the norm form. The second part holds
    /// the local rows.
    private let both: VectorIndex

    /// - Parameters:
    ///   - blackBox, local: vectors of the documents, of any length.
    ///   - ids: ids of the documents, for error messages; may be empty.
    /// - Throws: `CombinationError` for a vector that is all zeros or not finite.
    init(_ form: LocalForm, blackBox: Matrix, local: Matrix, ids: [String] = []) throws {
        self.form = form
        let unit = try UnitRows.make(blackBox, source: .blackBox, ids: ids)
        let rows = try form.prepare(checking: local, ids: ids)
        let own = try VectorRows(unit)
        self.blackBox = VectorIndex(own)
        var first = own
        if !rows.weights.isEmpty {
            var weighted = unit
            weighted.forEachRow { row, values in
                for index in values.indices { values[index] *= rows.weights[row] }
            }
            first = try VectorRows(weighted)
        }
        both = VectorIndex(parts: [first, try VectorRows(rows.vectors)])
    }

    /// - Throws: `CombinationError` for a vector that is all zeros or not finite.
    func queries(blackBox: Matrix, local: Matrix, ids: [String] = []) throws -> Queries {
        Queries(
            blackBox: try UnitRows.make(blackBox, source: .blackBox, ids: ids),
            local: try form.prepare(checking: local, ids: ids))
    }

    /// Queries without the black box's vectors, for which only the local score counts.
    /// - Throws: `CombinationError` for a vector that is all zeros or not finite.
    func queries(localOnly local: Matrix) throws -> Queries {
        Queries(
            blackBox: Matrix(rows: local.rows, columns: blackBox.columns),
            local: try form.prepare(checking: local, ids: []))
    }

    func rankings(of queries: Queries, weights: MixtureWeights, count: Int) throws -> Rankings {
        let rows = (0..<queries.blackBox.rows).flatMap { queries.row($0, weights: weights) }
        return try both.search(
            queries: Matrix(rows: queries.blackBox.rows, columns: both.columns, values: rows), count: count)
    }

    /// The best `count` documents of each query by the black box alone.
    func blackBoxRankings(of queries: Queries, count: Int) throws -> Rankings {
        try blackBox.search(queries: queries.blackBox, count: count)
    }

    /// The contributions of both sources to the scores of some documents for one query. Their sum equals the score in
    /// ``rankings(of:weights:count:)`` bit for bit.
    /// - Parameter query: a row of `queries`.
    /// - Returns: `(documents.count, 2)`.
    func parts(of documents: [Int], query: Int, of queries: Queries, weights: MixtureWeights) -> Matrix {
        both.partScores(of: documents, query: queries.row(query, weights: weights))
    }

    /// Ranks of some documents by the black box alone, from 1.
    func blackBoxPlaces(of documents: [Int], query: Int, of queries: Queries) -> [Int] {
        blackBox.places(of: documents, query: Array(queries.blackBox.row(query)))
    }
}

import MafinMethod
import MafinNumerics
import MafinRetrieval

/// Documents of both sources, to be ranked by a mixture of their scores: the one search of training reports, `evaluate` and `search`.
///
/// A score depends on its query and document alone (``MafinRetrieval/VectorIndex``), and each source is summed by itself. So every command
/// gives a pair the same bits, and with weights 1 and 0 they are the black box's own.
struct MixtureIndex {
    /// Query vectors of both sources, ready to be searched with.
    struct Queries {
        fileprivate let blackBox: Matrix
        fileprivate let local: LocalRows

        /// One row of both sources, the black box's first.
        fileprivate func row(_ row: Int, weights: MixtureWeights) -> [Float] {
            weights.weighting(
                Array(blackBox.row(row)) + local.vectors.row(row), split: blackBox.columns,
                blackBoxFactor: local.weights.isEmpty ? 1 : local.weights[row])
        }
    }

    private let form: LocalForm
    /// The black box's unit rows.
    private let blackBox: VectorIndex
    /// In the first part the black box's rows, weighted in the norm form; in the second the local ones.
    private let both: VectorIndex

    /// - Parameters:
    ///   - blackBox, local: vectors of the documents, as they come.
    ///   - ids: of the documents, named in errors; may be empty.
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

    /// Queries that the black box was not asked for: only the local score is left of them.
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

    /// The best `count` documents of every query by the black box alone.
    func blackBoxRankings(of queries: Queries, count: Int) throws -> Rankings {
        try blackBox.search(queries: queries.blackBox, count: count)
    }

    /// What each source adds to the scores of some documents for one query: added, they are the bits of ``rankings(of:weights:count:)``.
    /// - Parameter query: a row of `queries`.
    /// - Returns: `(documents.count, 2)`.
    func parts(of documents: [Int], query: Int, of queries: Queries, weights: MixtureWeights) -> Matrix {
        both.partScores(of: documents, query: queries.row(query, weights: weights))
    }

    /// Places of some documents in the black box's own ranking, from 1.
    func blackBoxPlaces(of documents: [Int], query: Int, of queries: Queries) -> [Int] {
        blackBox.places(of: documents, query: Array(queries.blackBox.row(query)))
    }
}

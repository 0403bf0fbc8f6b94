import MafinMethod
import MafinNumerics
import MafinRetrieval

/// All documents that are among a query's best at some λ of a grid. With them a client can rank for any such λ without another request.
///
/// The score `(1 − λ) b + λ u` of a document is a line over λ. The lists of the best `depth` at a few λ bound the scores of all other
/// documents: between two of these λ, a document that is in neither list lies below the chord through the lists' last scores. If the best
/// `count` of the known documents lie above that chord, no document is missing. If not, the lists are made twice as long.
struct LambdaCandidates: Sendable {
    /// Steps of the grid of λ at which rankings are complete: 0, 0.01 … 1.
    static let steps = 100
    /// Steps of λ at which lists are made: 0, ⅛ … 1.
    private static let knots = 8

    /// Rows of the documents, in no particular order.
    let rows: [Int]
    /// Depth of the lists that were needed.
    let depth: Int

    /// - Parameters:
    ///   - query: both parts of the query, unweighted.
    ///   - split: columns of the first part.
    ///   - count: how many documents of each ranking are wanted.
    ///   - lambda: one more λ beside those of the grid.
    ///   - check: throws once the result is no longer wanted.
    /// - Throws: `RetrievalError` for a query that is not finite; what `check` throws.
    init(
        index: VectorIndex, query: [Float], split: Int, count: Int, lambda: Float = 0,
        check: @Sendable () throws -> Void = {}
    ) throws {
        var depth = max(64, 4 * count)
        while true {
            depth = min(depth, index.count)
            try check()
            let queries = (0...Self.knots).flatMap { knot in
                MixtureWeights(lambda: Float(knot) / Float(Self.knots)).weighting(query, split: split)
            }
            let lists = try index.search(
                queries: Matrix(rows: Self.knots + 1, columns: query.count, values: queries), count: depth,
                check: check)
            let known = Array(Set(lists.entries.map(\.index))).sorted()
            let parts = index.partScores(of: known, query: query)
            var needed = Set<Int>()
            var isComplete = true
            for lambda in (0...Self.steps).map({ Float($0) / Float(Self.steps) }) + [lambda] {
                let weights = MixtureWeights(lambda: lambda)
                let best = topK(
                    (0..<known.count).map { weights.mix(blackBox: parts[$0, 0], local: parts[$0, 1]) }, count: count)
                needed.formUnion(best.map(\.index))
                let left = min(Int(lambda * Float(Self.knots)), Self.knots - 1)
                let share = lambda * Float(Self.knots) - Float(left)
                let bound = (1 - share) * (lists[left].last?.score ?? 0) + share * (lists[left + 1].last?.score ?? 0)
                // Allows for rounding in the sum of two inner products of unit vectors.
                if let last = best.last, last.score < bound + 1e-5 { isComplete = false }
            }
            if isComplete || depth == index.count {
                rows = needed.sorted().map { known[$0] }
                self.depth = depth
                return
            }
            depth *= 2
        }
    }
}

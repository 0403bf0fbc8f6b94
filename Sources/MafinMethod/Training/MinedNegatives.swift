import MafinNumerics
import MafinRetrieval

/// Hard negatives of each training query, by the mixed scores at the time of mining.
package struct MinedNegatives: Sendable, Codable, Equatable {
    /// By query: the documents of the highest mixed scores that are neither positives nor suspects, best first, each text once.
    var negatives: [Int: [Int]] = [:]
    /// By query: the mixed score above which a document may be an unlabelled positive, a suspect. One number instead of a list, as there may be
    /// any number of suspects.
    var thresholds: [Int: Float] = [:]

    /// Mines by exact scores over the whole corpus. Each query gets `count` negatives, if the corpus has so many.
    ///
    /// With `s = (1−λ) s_bb + λ s_θ` and s⁺ the score of the query's best-scored positive, a document of `s > s⁺ + margin` is a suspect.
    /// (The best positive, since a query's easy positives may score far below documents that are rightly negative.)
    /// Queries without a positive have no suspects.
    /// - Parameters:
    ///   - local: prepared query rows, one an element of `queries`.
    ///   - count: negatives of each query.
    /// - Complexity: O(queries · documents · width), in blocks of at most `byteBudget` bytes of scores.
    static func mine(
        queries: [Int], local: LocalRows, bank: LocalRows, scores: BlackBoxScores, head: ScoreHead,
        index: TrainingIndex,
        count: Int, margin: Float, byteBudget: Int
    ) -> MinedNegatives {
        var mined = MinedNegatives()
        let columns = index.documentCount
        let rowsPerBlock = max(1, byteBudget / (3 * MemoryLayout<Float>.stride * max(1, columns)))
        let toMixed = head.mixedScorePerLogit
        let repeats = index.repeatedDocuments.values.flatMap { $0.dropFirst() }
        for start in stride(from: 0, to: queries.count, by: rowsPerBlock) {
            let range = start..<min(start + rowsPerBlock, queries.count)
            let block = Array(queries[range])
            var logits = head.forward(
                queries: local.selecting(rows: Array(range)), documents: bank,
                blackBox: head.blackBoxFactor == 0 ? nil : scores.block(queries: block)
            ).logits
            let thresholds = logits.values.withUnsafeMutableBufferPointer { logits in
                let all = UnsafeTransfer(logits)
                return parallelMap(block.count) { row in
                    let scores = UnsafeMutableBufferPointer(rebasing: all.value[row * columns..<(row + 1) * columns])
                    let query = block[row]
                    let threshold = index.labels[query].map { scores[$0.column] * toMixed }.max().map { $0 + margin }
                    // What cannot be a negative leaves the row before the best of it are taken.
                    for document in index.documentsWithTextOfPositive(of: query) + repeats {
                        scores[document] = -.infinity
                    }
                    if let threshold {
                        for document in scores.indices where scores[document] * toMixed > threshold {
                            scores[document] = -.infinity
                        }
                    }
                    return threshold
                }
            }
            let ranked = rank(scores: logits, count: count)
            for (row, query) in block.enumerated() {
                mined.negatives[query] = ranked[row].filter { $0.score > -.infinity }.map(\.index)
                mined.thresholds[query] = thresholds[row]
            }
        }
        return mined
    }

    /// Candidates of one batch beside its own documents: all positives of its queries, their mined negatives, and `count` random documents.
    func candidates(
        of queries: [Int], index: TrainingIndex, random count: Int, using generator: inout RandomGenerator
    ) -> [Int] {
        var result: [Int] = []
        for query in queries {
            result += index.labels[query].map(\.column)
            result += negatives[query] ?? []
        }
        for _ in 0..<count { result.append(generator.index(below: index.documentCount)) }
        return result
    }
}

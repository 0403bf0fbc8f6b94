import MafinNumerics
import MafinRetrieval

/// Hard negatives of each training query, from the mixed scores of the moment.
struct MinedNegatives: Sendable, Codable, Equatable {
    /// By query: documents of high mixed score that are no positives and pass the guard, best first.
    var negatives: [Int: [Int]] = [:]
    /// By query: documents above the guard, taken for unlabelled positives.
    var suspects: [Int: [Int]] = [:]

    /// Mines by exact scores over the whole corpus.
    ///
    /// The guard: with `s = (1−λ) s_bb + λ s_θ` and s⁺ the score of the query's best-scored positive, a document of `s > s⁺ + margin` is a
    /// suspect. (The best positive, since a query's easy positives may lie far below documents that are rightly negative.)
    /// - Parameters:
    ///   - local: ready query rows, one an element of `queries`.
    ///   - count: negatives a query.
    /// - Complexity: O(queries · documents · width), in blocks of at most `byteBudget` bytes of scores.
    static func mine(
        queries: [Int], local: LocalRows, bank: LocalRows, scores: ScoreSource, head: ScoreHead, index: TrainingIndex,
        count: Int, margin: Float, byteBudget: Int
    ) -> MinedNegatives {
        var mined = MinedNegatives()
        let rowsPerBlock = max(1, byteBudget / (3 * 4 * max(1, index.documentCount)))
        // Logits over (A + B) are the mixed score with weights that sum to 1.
        let toMixed = 1 / (head.blackBoxFactor + head.localFactor)
        for start in stride(from: 0, to: queries.count, by: rowsPerBlock) {
            let range = start..<min(start + rowsPerBlock, queries.count)
            let block = Array(queries[range])
            let logits = head.forward(
                queries: local.selecting(rows: Array(range)), documents: bank,
                blackBox: head.blackBoxFactor == 0 ? nil : scores.block(queries: block)
            ).logits
            // Enough for the wanted ones even where positives and suspects fill the top.
            let most =
                block.map { index.labels[$0].count + (index.positivesOfSameText[$0]?.count ?? 0) }.max() ?? 0
            let ranked = rank(scores: logits, count: 2 * count + most + repeats(of: block, index))
            for (row, query) in block.enumerated() {
                let known = index.labels[query].map(\.column) + (index.positivesOfSameText[query] ?? [])
                let positives = Set(known.map { index.documentIdentities[$0] })
                let best = index.labels[query].map { logits[row, $0.column] * toMixed }.max() ?? .infinity
                var negatives: [Int] = []
                var suspects: [Int] = []
                for entry in ranked[row] where !positives.contains(index.documentIdentities[entry.index]) {
                    if entry.score * toMixed > best + margin {
                        suspects.append(entry.index)
                    } else if negatives.count < count {
                        negatives.append(entry.index)
                    }
                }
                mined.negatives[query] = negatives
                if !suspects.isEmpty { mined.suspects[query] = suspects }
            }
        }
        return mined
    }

    /// The most documents that share a text with a positive of one of the queries.
    private static func repeats(of queries: [Int], _ index: TrainingIndex) -> Int {
        guard !index.repeatedDocuments.isEmpty else { return 0 }
        return queries.map { query in
            index.labels[query].reduce(0) {
                $0 + (index.repeatedDocuments[index.documentIdentities[$1.column]]?.count ?? 0)
            }
        }.max() ?? 0
    }

    /// Candidates of one batch besides its own documents: all positives of its queries, their mined negatives, and random documents.
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

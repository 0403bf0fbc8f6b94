import MafinRetrieval

/// Finds the ranks of a query's relevant documents without sorting the others.
package struct RelevantRanks: Sendable {
    /// Place of each document among equal scores.
    private let tieOrder: [Int32]
    private let metric: Metric
    private let cutoff: Int

    /// Equal scores are ordered as trec_eval does, by id.
    package init(documentIds: [String], metric: Metric) {
        let order = documentIds.indices.sorted {
            documentIds[$1].utf8.lexicographicallyPrecedes(documentIds[$0].utf8)
        }
        var tieOrder = [Int32](repeating: 0, count: documentIds.count)
        for (place, document) in order.enumerated() { tieOrder[document] = Int32(place) }
        self.init(tieOrder: tieOrder, metric: metric)
    }

    /// Equal scores are ordered by index, as ``rank(scores:count:)`` does.
    package init(documentCount: Int, metric: Metric) {
        self.init(tieOrder: (0..<documentCount).map(Int32.init), metric: metric)
    }

    private init(tieOrder: [Int32], metric: Metric) {
        self.tieOrder = tieOrder
        self.metric = metric
        switch metric {
        case .nDCG(let k), .reciprocalRank(let k), .averagePrecision(let k): cutoff = k ?? .max
        case .recall(let k), .precision(let k), .success(let k): cutoff = k
        case .rPrecision: cutoff = .max
        }
    }

    /// The metric of the ranking that `scores` make, one a document.
    package func value(of scores: UnsafeBufferPointer<Float>, judgements: [Judgement]) -> Double {
        func precedes(_ a: Int, _ b: Int) -> Bool {
            scores[a] > scores[b] || (scores[a] == scores[b] && tieOrder[a] < tieOrder[b])
        }
        // Nothing below the last rank that counts is looked at.
        let least = threshold(scores)
        let relevant = judgements.filter { scores[$0.column] >= least }.sorted { precedes($0.column, $1.column) }
        let judged = judgements.map { Int($0.grade.rounded()) }
        guard !relevant.isEmpty else { return metric.value(of: JudgedRanking(grades: [], judgedGrades: judged)) }
        // between[i]: documents that stand right before relevant[i], itself not counted.
        var between = [Int](repeating: 0, count: relevant.count)
        let last = relevant[relevant.count - 1].column
        let lowest = scores[last]
        for document in scores.indices where scores[document] >= lowest {
            guard precedes(document, last) else { continue }
            var (low, high) = (0, relevant.count - 1)
            while low < high {
                let middle = (low + high) / 2
                if precedes(document, relevant[middle].column) { high = middle } else { low = middle + 1 }
            }
            between[low] += 1
        }
        // A relevant document was itself counted before its successor: that is its own rank.
        var grades: [Int] = []
        var rank = 0
        for index in relevant.indices {
            rank += between[index]
            guard rank < cutoff else { break }
            grades.append(contentsOf: repeatElement(0, count: rank - grades.count))
            grades.append(Int(relevant[index].grade.rounded()))
        }
        return metric.value(of: JudgedRanking(grades: grades, judgedGrades: judged))
    }

    /// The score of the last rank that counts, or −∞ where all or very many do.
    private func threshold(_ scores: UnsafeBufferPointer<Float>) -> Float {
        guard cutoff < min(scores.count, 1_000) else { return -.infinity }
        return withUnsafeTemporaryAllocation(of: Float.self, capacity: cutoff) { best in
            // The best so far, falling; most scores are below the last of them and cost one comparison.
            best.initialize(repeating: -.infinity)
            for score in scores where score > best[cutoff - 1] {
                var place = cutoff - 1
                while place > 0, best[place - 1] < score {
                    best[place] = best[place - 1]
                    place -= 1
                }
                best[place] = score
            }
            return best[cutoff - 1]
        }
    }
}

import MafinNumerics

/// Computes a metric of one query's ranking from the scores of all documents, without sorting the documents.
///
/// It computes only the ranks of the relevant documents, in one pass over the scores.
package struct RelevantRanks: Sendable {
    /// Place of each document among equal scores.
    private let tieOrder: [Int32]
    private let metric: Metric
    private let cutoff: Int

    /// The place of each document among equal scores in trec_eval's order: by the bytes of the id, descending, as in
    /// ``Run``.
    /// - Complexity: O(documents · log documents).
    package static func tieOrder(documentIds: [String]) -> [Int32] {
        let order = documentIds.indices.sorted {
            documentIds[$1].utf8.lexicographicallyPrecedes(documentIds[$0].utf8)
        }
        var places = [Int32](repeating: 0, count: documentIds.count)
        for (place, document) in order.enumerated() { places[document] = Int32(place) }
        return places
    }

    /// - Parameter tieOrder: place of each document among equal scores. The lower place ranks first.
    package init(tieOrder: [Int32], metric: Metric) {
        self.tieOrder = tieOrder
        self.metric = metric
        switch metric {
        case .nDCG(let k), .reciprocalRank(let k), .averagePrecision(let k): cutoff = k ?? .max
        case .recall(let k), .precision(let k), .success(let k): cutoff = k
        case .rPrecision: cutoff = .max
        }
    }

    /// The metric of the ranking by `scores`, which has one score per document.
    /// - Parameter judged: the relevant documents of the query with their grades. Each document is named once.
    package func value(of scores: UnsafeBufferPointer<Float>, judged: [(document: Int, grade: Int)]) -> Double {
        func precedes(_ a: Int, _ b: Int) -> Bool {
            scores[a] > scores[b] || (scores[a] == scores[b] && tieOrder[a] < tieOrder[b])
        }
        // Documents below the last rank that counts are ignored.
        let least = threshold(scores)
        let relevant = judged.filter { scores[$0.document] >= least }.sorted { precedes($0.document, $1.document) }
        let judgedGrades = judged.map(\.grade)
        guard let last = relevant.last?.document else {
            return metric.value(of: JudgedRanking(grades: [], judgedGrades: judgedGrades))
        }
        // between[i]: number of documents that rank between relevant[i − 1] and relevant[i]. It includes relevant[i −
        // 1] itself, so that the sums are ranks from 0.
        var between = [Int](repeating: 0, count: relevant.count)
        let lowest = scores[last]
        for document in scores.indices where scores[document] >= lowest {
            guard precedes(document, last) else { continue }
            var (low, high) = (0, relevant.count - 1)
            while low < high {
                let middle = (low + high) / 2
                if precedes(document, relevant[middle].document) { high = middle } else { low = middle + 1 }
            }
            between[low] += 1
        }
        // A relevant document was counted among those before its successor, so that the sums are ranks.
        var grades: [Int] = []
        var rank = 0
        for index in relevant.indices {
            rank += between[index]
            guard rank < cutoff else { break }
            grades.append(contentsOf: repeatElement(0, count: rank - grades.count))
            grades.append(relevant[index].grade)
        }
        return metric.value(of: JudgedRanking(grades: grades, judgedGrades: judgedGrades))
    }

    /// The metric of each row of a score matrix, `(queries, documents)`. Runs on all threads.
    /// - Parameter judged: the relevant documents of each row.
    package func values(of scores: Matrix, judged: [[(document: Int, grade: Int)]]) -> [Double] {
        let columns = scores.columns
        return parallelMap(judged.count) { row in
            scores.values.withUnsafeBufferPointer { scores in
                value(
                    of: UnsafeBufferPointer(rebasing: scores[row * columns..<(row + 1) * columns]), judged: judged[row])
            }
        }
    }

    /// The score at the last rank that counts; −∞ if the cutoff is so deep that finding the score would cost more than
    /// it saves.
    private func threshold(_ scores: UnsafeBufferPointer<Float>) -> Float {
        guard cutoff < min(scores.count, 1_000) else { return -.infinity }
        return withUnsafeTemporaryAllocation(of: Float.self, capacity: cutoff) { best in
            // The best scores so far, descending. Most scores are below the last of them and cost one comparison.
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

import CMafinKernels
import MafinNumerics
import Synchronization

extension VectorIndex {
    /// The score of each part for some rows and one query, `(rows.count, parts.count)`.
    ///
    /// Their sum from left to right equals the score in ``search(queries:count:check:)`` bit for bit. It shows a user what
    /// a joined score is made of.
    ///
    /// - Complexity: O(rows.count × columns).
    public func partScores(of rows: [Int], query: [Float]) -> Matrix {
        precondition(rows.allSatisfy { $0 >= 0 && $0 < count }, "a row outside of 0 ..< \(count)")
        var scores = Matrix(rows: rows.count, columns: parts.count)
        withScorer(Matrix(rows: 1, columns: query.count, values: query), rows: 0..<1) { scorer in
            scores.values.withUnsafeMutableBufferPointer { scores in
                guard let out = scores.baseAddress else { return }
                for (place, row) in rows.enumerated() {
                    for part in parts.indices {
                        scorer.score(row..<row + 1, part: part, into: out + place * parts.count + part)
                    }
                }
            }
        }
        return scores
    }

    /// The ranks of some rows among all rows for one query, from 1. They equal the ranks in a
    /// ``search(queries:count:check:)`` for all rows, but nothing is sorted.
    ///
    /// With the index of one part, for instance, it gives the black box's ranks of the best documents of the joint
    /// ranking. Runs on all threads.
    /// - Complexity: O(count × (columns + rows.count)).
    public func places(of rows: [Int], query: [Float]) -> [Int] {
        places(of: rows, query: query) { () throws(Never) in }
    }

    /// The same, until `check` throws. It is called again and again, by every thread, at most some ten thousand rows apart.
    package func places<Failure: Error>(
        of rows: [Int], query: [Float], check: @Sendable () throws(Failure) -> Void
    ) throws(Failure) -> [Int] {
        let own = partScores(of: rows, query: query)
        let targets = rows.enumerated().map { place, row in
            ScoredIndex(index: row, score: (0..<parts.count).dropFirst().reduce(own[place, 0]) { $0 + own[place, $1] })
        }
        let (block, blocksPerCheck) = (256, 64)
        let blocks = (count + block - 1) / block
        let failure = Mutex<Failure?>(nil)
        let isStopped = Atomic(false)
        let queries = Matrix(rows: 1, columns: query.count, values: query)
        let better = withScorer(queries, rows: 0..<1) { scorer in
            let shared = UnsafeTransfer(scorer)
            return parallelMap(blocks) { number in
                if number % blocksPerCheck == 0 {
                    do throws(Failure) {
                        try check()
                    } catch {
                        failure.withLock { $0 = error }
                        isStopped.store(true, ordering: .relaxed)
                    }
                }
                guard !isStopped.load(ordering: .relaxed) else { return [Int](repeating: 0, count: targets.count) }
                return shared.value.count(before: targets, in: number * block..<min(count, (number + 1) * block))
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
        return targets.indices.map { target in better.reduce(1) { $0 + $1[target] } }
    }
}

extension BlockScorer {
    /// The number of rows of a block that rank before each target. NaN ranks as −∞.
    fileprivate func count(before targets: [ScoredIndex], in rows: Range<Int>) -> [Int] {
        let floats = rows.count + scratchSize(rows: rows.count)
        return withUnsafeTemporaryAllocation(of: Float.self, capacity: floats) { memory in
            guard let base = memory.baseAddress else { preconditionFailure("temporary memory has an address") }
            score(rows, into: base, scratch: base + rows.count)
            let scores = UnsafeMutableBufferPointer(start: base, count: rows.count)
            for place in scores.indices where scores[place].isNaN { scores[place] = -.infinity }
            return targets.map { target in
                let score = target.score.isNaN ? -.infinity : target.score
                let earlier = max(0, min(rows.count, target.index - rows.lowerBound))
                var before: Int32 = 0
                for place in 0..<earlier { before += scores[place] >= score ? 1 : 0 }
                for place in earlier..<rows.count { before += scores[place] > score ? 1 : 0 }
                return Int(before)
            }
        }
    }
}

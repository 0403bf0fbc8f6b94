import MafinMethod
import MafinNumerics
import MafinPipeline

/// NUDGE-M: every document vector that answers a training query moves by one and the same distance toward the sum of its queries, off the sphere, and
/// the distance is the one with which most answers of development queries stand first (Zeighami, Wellmer and Parameswaran 2025, ICLR; arXiv
/// 2409.02343).
///
/// `v' = v + γ c / ‖c‖`. For each development query and answer the scores are linear in γ, so that the answer stands first within one
/// interval of γ; γ is the left end of the range that most intervals cover. Moved vectors are not of unit length, and rank by
/// inner product. Follows the authors' package `nudge-ft`.
public struct NudgeM: Rival {
    /// Its name in tables and JSON.
    public let name: String
    /// The vectors to move; rows are made unit length here.
    public let base: VectorSystem

    /// Nothing is to be set.
    public init(_ base: VectorSystem, name: String = "nudge-m") {
        self.base = base
        self.name = name
    }

    /// See ``Rival/fit(to:seed:isCancelled:)``; nothing is drawn.
    /// - Complexity: O(answers of development queries × documents) beside two products.
    public func fit(to data: RivalData, seed: UInt64, isCancelled: () -> Bool) throws -> FittedRival {
        let base = try base.normalized()
        let pull = DocumentPull(data.index, queryVectors: base.queries)
        let directions = pull.sums.normalizedRows().matrix
        var intervals: [ClosedRange<Float>] = []
        try base.forEachBlock(of: data.index.devQueries) { range, scores in
            if isCancelled() { throw CancellationError() }
            let queries = data.index.devQueries[range]
            let slopes = Matrix.multiply(base.queries.selecting(rows: queries), transposed: directions)
            var found = [[ClosedRange<Float>]](repeating: [], count: queries.count)
            found.withUnsafeMutableBufferPointer { found in
                let output = UnsafeTransfer(found)
                let rows = Array(queries)
                parallelFor(rows.count) { row in
                    // A document that is not pulled keeps its score.
                    var slope = [Float](repeating: 0, count: scores.columns)
                    for (position, document) in pull.documents.enumerated() { slope[document] = slopes[row, position] }
                    let score = Array(scores.row(row))
                    output.value[row] = data.index.labels[rows[row]].compactMap {
                        Self.interval(of: $0.column, scores: score, slopes: slope)
                    }
                }
            }
            intervals += found.joined()
        }
        let step = Self.mostCovered(intervals)
        var documents = base.documents
        for (row, document) in pull.documents.enumerated() {
            for column in 0..<documents.columns { documents[document, column] += step * directions[row, column] }
        }
        let system = VectorSystem(queries: base.queries, documents: documents)
        return FittedRival(
            name: name, system: system, development: try data.development(of: system),
            choices: [
                "gamma": .number(Double(step)), "chosenBy": .text("answers that stand first"),
                "movedDocuments": .integer(Int64(pull.documents.count)),
            ])
    }

    /// The γ ≥ 0 at which an answer's score `s + γ a` is the largest of all; `nil` where there is none.
    static func interval(of answer: Int, scores: [Float], slopes: [Float]) -> ClosedRange<Float>? {
        // Added to differences of slopes by the package, so that nothing is divided by 0; its reciprocal stands for no bound.
        let tiny: Float = 1e-8
        var (low, high): (Float, Float) = (0, 1 / tiny)
        let (score, slope) = (scores[answer], slopes[answer])
        for document in scores.indices {
            let (behind, faster) = (scores[document] - score, slope - slopes[document])
            if faster > 0 {
                low = max(low, behind / (faster + tiny))
            } else if faster < 0 {
                high = min(high, behind / (faster + tiny))
            } else if behind > 0 {
                return nil
            }
        }
        return low <= high ? low...high : nil
    }

    /// The smallest point that most intervals cover; 0 without intervals.
    static func mostCovered(_ intervals: [ClosedRange<Float>]) -> Float {
        var events = intervals.map { (point: $0.lowerBound, change: 1) }
        events += intervals.map { (point: $0.upperBound, change: -1) }
        events.sort { $0.point < $1.point }
        var best: (covered: Int, point: Float) = (0, 0)
        var covered = 0
        var index = 0
        while index < events.count {
            // Intervals that end where others begin do not overlap them.
            let point = events[index].point
            while index < events.count, events[index].point == point {
                covered += events[index].change
                index += 1
            }
            if covered > best.covered { best = (covered, point) }
        }
        return best.point
    }
}

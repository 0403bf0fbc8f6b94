/// How the scores of one query are normalised before they are added to those of another system.
public enum ScoreNormalization: String, Sendable, Codable, CaseIterable {
    /// `(s − mean) / standard deviation` over the list.
    case zScore = "z-score"
    /// `(s − least) / (greatest − least)`, within 0…1 (Lee 1997).
    case minMax = "min-max"

    /// Normalises one query's scores in place. If all are equal, they become 0.
    ///
    /// Sums are in double precision.
    /// - Complexity: O(count), two passes.
    public func normalize(_ scores: UnsafeMutableBufferPointer<Float>) {
        guard let first = scores.first else { return }
        let (offset, width): (Double, Double)
        switch self {
        case .zScore:
            var sum = 0.0
            for score in scores { sum += Double(score) }
            let mean = sum / Double(scores.count)
            var squares = 0.0
            for score in scores { squares += (Double(score) - mean) * (Double(score) - mean) }
            (offset, width) = (mean, (squares / Double(scores.count)).squareRoot())
        case .minMax:
            var (least, greatest) = (first, first)
            for score in scores {
                least = min(least, score)
                greatest = max(greatest, score)
            }
            (offset, width) = (Double(least), Double(greatest) - Double(least))
        }
        // Differences of the size of rounding errors count as equal scores.
        guard width > 1e-7 * max(abs(offset), 1e-30) else {
            scores.update(repeating: 0)
            return
        }
        let (shift, factor) = (Float(offset), Float(1 / width))
        for index in scores.indices { scores[index] = (scores[index] - shift) * factor }
    }

    /// The normalised scores of one query.
    public func normalized(_ scores: [Float]) -> [Float] {
        var result = scores
        result.withUnsafeMutableBufferPointer { normalize($0) }
        return result
    }
}

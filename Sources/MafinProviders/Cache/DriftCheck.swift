import MafinBlackBox
import MafinNumerics

/// Detects that a model has changed under the same name: some cached texts are sent again and the answers compared.
///
/// The texts that are sent again cost money again. Their answers are not stored.
public struct DriftCheck: Sendable, Hashable {
    /// Share of a call's cached texts that are sent again, 0…1.
    public var rate: Double
    /// How far below 1 the cosine of the old and the new vector may be. The vectors of hosted models differ by about 0.0001 from day to day.
    public var tolerance: Double

    /// Maximum number of texts that are sent again in one call.
    static let maximum = 256

    /// A check.
    public init(rate: Double, tolerance: Double = 0.002) {
        precondition((0...1).contains(rate), "a share between 0 and 1")
        self.rate = rate
        self.tolerance = tolerance
    }

    /// A random share of the candidates. Their number is rounded up or down at random, so that many small calls together have the right rate.
    func sample(of candidates: [Int], using generator: inout some RandomNumberGenerator) -> [Int] {
        guard rate > 0, !candidates.isEmpty else { return [] }
        let wanted = Double(candidates.count) * rate
        let isRoundedUp = Double.random(in: 0..<1, using: &generator) < wanted - wanted.rounded(.down)
        let count = min(Int(wanted) + (isRoundedUp ? 1 : 0), Self.maximum, candidates.count)
        var pool = candidates
        for index in 0..<count {
            pool.swapAt(index, Int.random(in: index..<pool.count, using: &generator))
        }
        return pool[..<count].sorted()
    }

    /// - Throws: ``ProviderError/modelDrifted(model:checked:id:cosine:path:)`` naming the text that differs most.
    func compare(
        _ asked: Matrix, with known: AnsweredRows, ids: [String], model: String, path: String
    ) throws {
        var worst: (id: String, cosine: Double)?
        for (row, position) in known.indices.enumerated() {
            let cosine = Self.cosine(asked.row(position), known.vectors.row(row))
            if cosine < worst?.cosine ?? .infinity { worst = (ids[position], cosine) }
        }
        guard let worst, worst.cosine < 1 - tolerance else { return }
        throw ProviderError.modelDrifted(
            model: model, checked: known.indices.count, id: worst.id, cosine: worst.cosine, path: path)
    }

    static func cosine(_ one: ArraySlice<Float>, _ other: ArraySlice<Float>) -> Double {
        guard one.count == other.count else { return -1 }
        var (dot, oneSquared, otherSquared) = (0.0, 0.0, 0.0)
        for (a, b) in zip(one, other) {
            dot += Double(a) * Double(b)
            oneSquared += Double(a) * Double(a)
            otherSquared += Double(b) * Double(b)
        }
        let length = (oneSquared * otherSquared).squareRoot()
        return length > 0 ? dot / length : -1
    }
}

import MafinMethod
import MafinPipeline
import MafinRetrieval

/// Convex fusion of two systems, `(1 − w) · first + w · second`. Weight and normalisation are chosen on dev.
///
/// Source: Bruch, Gai and Ingber 2023, "An Analysis of Fusion Functions for Hybrid Retrieval", ACM TOIS. They find it
/// better than reciprocal rank fusion even with few labels, and not sensitive to the choice of a reasonable
/// normalisation.
public struct ConvexFusion: Rival {
    /// Its name in tables and JSON.
    public let name: String
    /// Both systems by name. The second has the weight w.
    public let systems: [(name: String, system: any RankingSystem)]
    /// Normalisations that are tried.
    public let normalizations = ScoreNormalization.allCases
    /// Values of w that are tried, ascending. Of equally good values the smallest wins.
    public var weights = standardWeights

    /// 0, 0.025, …, 1.
    public static let standardWeights: [Double] = (0...40).map { Double($0) / 40 }

    /// A fusion of two systems.
    public init(
        _ first: (name: String, system: any RankingSystem), _ second: (name: String, system: any RankingSystem),
        name: String
    ) {
        self.name = name
        systems = [first, second]
    }

    /// See ``Rival/fit(to:seed:isCancelled:)``. Nothing is random.
    /// - Complexity: one ranking of the development queries for each weight and normalisation.
    public func fit(to data: RivalData, seed: UInt64, isCancelled: () -> Bool) throws -> FittedRival {
        var best: (value: Double, weight: Double, normalization: ScoreNormalization)?
        for normalization in normalizations {
            if isCancelled() { throw CancellationError() }
            let values = try data.developments(of: systems[0].system, variants: weights.count) {
                queries, scores, measure in
                let first = WeightedFusion.normalized(scores, normalization)
                let second = WeightedFusion.normalized(try systems[1].system.scores(queries: queries), normalization)
                for (index, weight) in weights.enumerated() {
                    measure(index, MixtureWeights(lambda: Float(weight)).mix(blackBox: first, local: second))
                }
            }
            for (weight, value) in zip(weights, values) where value > best?.value ?? -1 {
                best = (value, weight, normalization)
            }
        }
        guard let best else { preconditionFailure("nothing was tried") }
        let parts = zip(systems, [1 - best.weight, best.weight]).map {
            WeightedFusion.Part($0.name, $0.system, weight: $1)
        }
        return FittedRival(
            name: name, system: WeightedFusion(parts, normalization: best.normalization), development: best.value,
            choices: [
                "weight": .number(best.weight), "of": .text(systems[1].name),
                "normalization": .text(best.normalization.rawValue),
            ])
    }
}

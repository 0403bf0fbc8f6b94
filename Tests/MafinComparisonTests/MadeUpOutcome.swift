import MafinMethod
import MafinNumerics
import MafinPipeline

@testable import MafinComparison
@testable import MafinRetrieval

/// Outcomes of comparisons from made-up values of 200 queries.
enum MadeUpOutcome {
    static let metric = Metric.nDCG(cutoff: 10)
    static let queries = 200

    /// A system with its mean on the measured split and on dev, which is the same unless it is given.
    struct System {
        var name: String
        var mean: Double
        var development: Double
        var isSeeded: Bool

        init(_ name: String, _ mean: Double, development: Double? = nil, isSeeded: Bool = true) {
            (self.name, self.mean, self.development, self.isSeeded) = (name, mean, development ?? mean, isSeeded)
        }

        /// The kinds of its sources; `nil` if it cannot be shipped.
        var sources: [SourceRecord.Kind]? {
            let words: [SourceRecord.Kind] = name.hasSuffix("+bm25") ? [.bm25] : []
            if name == "stand-in" { return [.standIn] }
            if name.contains("-offline") { return [.standIn, .local] + words }
            if name == "composition-without-encoder" { return [.blackBox, .bm25, .queryMemory] }
            if name == "composition" { return [.blackBox, .local, .bm25, .queryMemory] }
            if name.hasPrefix("black-box+") { return [.blackBox] + words }
            if name.hasPrefix("mafin") || name.hasSuffix("-mafin") || name == "tuned-alone-mixed" {
                return [.blackBox, .local] + words
            }
            return name.hasSuffix("adapter") ? [.adapter] : nil
        }
    }

    /// Noise that all systems share, and noise of each system with mean 0, so that the differences of means are exactly
    /// as given.
    static func evaluation(_ mean: Double, noise: Double, seed: UInt64) -> RunEvaluation {
        var shared = RandomGenerator(seed: 1)
        var own = RandomGenerator(seed: seed)
        let noises = (0..<queries).map { _ in noise * Double(own.normal()) }
        let shift = noises.reduce(0, +) / Double(queries)
        let common = (0..<queries).map { _ in 0.2 * Double(shared.normal()) }
        let offset = common.reduce(0, +) / Double(queries)
        let values = zip(common, noises).map { mean + $0 - offset + $1 - shift }
        return RunEvaluation(
            queryIds: (0..<queries).map { "q\($0)" }, values: [metric: values],
            means: [metric: values.reduce(0, +) / Double(queries)], queriesWithoutRelevantDocument: 0,
            queriesWithoutResult: 0)
    }

    /// - Parameter spread: the difference between the means of consecutive seeds.
    static func outcome(
        _ systems: [System], chosen: Contender? = .mafin, seeds: Int = 1, spread: Double = 0, noise: Double = 0.05
    ) -> ComparisonOutcome {
        var outcome = ComparisonOutcome()
        for (index, system) in systems.enumerated() {
            let count = system.isSeeded ? seeds : 1
            for seed in 0..<count {
                let shift = spread * (Double(seed) - Double(count - 1) / 2)
                outcome.rows.append(
                    ComparisonRow(
                        name: system.name, seed: UInt64(seed + 1), development: system.development, choices: [:],
                        evaluation: evaluation(
                            system.mean + shift, noise: noise, seed: UInt64(100 * seed + index + 2)),
                        sources: system.sources))
            }
        }
        outcome.chosen = chosen.map {
            TrainingRecord(
                contender: $0, seed: 1, history: [], keptStep: 1, steps: 1, reason: .completed, seconds: 1,
                mixing: Mixture(.paper))
        }
        return outcome
    }
}

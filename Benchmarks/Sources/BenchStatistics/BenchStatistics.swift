import ArgumentParser
import BenchSupport
import Foundation
import MafinNumerics
import MafinRetrieval

/// The time of a comparison's statistics, and their calibration on simulated test sets: how often a 95 % interval holds the true mean,
/// and whether p is uniform under the null hypothesis. Prints Markdown tables.
@main
struct BenchStatistics: ParsableCommand {
    @Option(help: "Systems.") var systems = 10
    @Option(help: "Queries.") var queries = 5_000
    @Option(help: "Resamples, and as many permutations.") var resamples = 10_000
    @Option(help: "Simulated test sets.") var trials = 4_000

    func run() throws {
        var random = RandomGenerator(seed: 5)
        let columns = (0..<systems).map { _ in (0..<queries).map { _ in Double(random.normal()) } }
        let lap = Lap {
            _ = PairedBootstrap(resamples: resamples).intervals(of: columns)
            _ = PairedRandomizationTest(permutations: resamples).pValues(of: columns)
        }
        print(
            String(
                format: "%d systems × %d queries × %d resamples and permutations: %.2f s on %d threads\n", systems,
                queries,
                resamples, lap.wall, Parallelism.threads))

        print(
            "| queries | intervals that hold the true mean | p below .05 | p below .01 | largest distance of p to uniform, of its .1 % point |"
        )
        print("|---|---|---|---|---|")
        for queries in [20, 56, 82, 100, 323, 790] {
            let sets = (0..<trials).map { _ in (0..<queries).map { _ in Self.difference(&random) } }
            let held = PairedBootstrap(resamples: 1_000, seed: 8).intervals(of: sets)
                .count { $0.low <= 0 && 0 <= $0.high }
            // Under the null hypothesis of the test the sign of each difference is random.
            let null = sets.map { set in set.map { random.uniform() < 0.5 ? $0 : -$0 } }
            let p = PairedRandomizationTest(permutations: 1_000, seed: 8).pValues(of: null).sorted()
            let count = Double(trials)
            let distance = p.enumerated().map { abs($1 - (Double($0) + 0.5) / count) }.max() ?? 1
            print(
                String(
                    format: "| %d | %.1f %% | %.1f %% | %.1f %% | %.2f |", queries, 100 * Double(held) / count,
                    100 * Double(p.count { $0 < 0.05 }) / count, 100 * Double(p.count { $0 < 0.01 }) / count,
                    distance / (1.95 / count.squareRoot())))
        }
    }

    /// A difference of two systems in a metric with mean 0: three of ten queries are ties, the others are skewed.
    private static func difference(_ random: inout RandomGenerator) -> Double {
        random.uniform() < 0.3 ? 0 : 0.2 * (-log(1 - Double(random.uniform())) - 1)
    }
}

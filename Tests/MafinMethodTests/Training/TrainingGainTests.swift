import Foundation
import MafinNumerics
import Testing

@testable import MafinMethod

@Suite struct TrainingGainTests {
    /// Evaluations of a run. The metric of each query changes by noise from state to state, for many queries not at
    /// all, plus a true gain in the first half of the run.
    private func evaluations(
        queries: Int, states: Int = 13, gain: Float, generator: inout RandomGenerator
    ) -> [DevelopmentResult.QueryFigures] {
        var metric = (0..<queries).map { _ in Float(generator.index(below: 11)) / 10 }
        var likelihood = (0..<queries).map { _ in generator.normal() - 5 }
        return (0..<states).map { state in
            if state > 0 {
                for query in 0..<queries {
                    if generator.index(below: 3) == 0 { metric[query] += 0.15 * generator.normal() }
                    likelihood[query] += 0.2 * generator.normal()
                    if state <= states / 2 { metric[query] += gain / Float(states / 2) }
                }
            }
            return .init(metric: metric, logLikelihood: likelihood)
        }
    }

    private func gains(_ runs: Int, queries: Int, gain: Float = 0, seed: UInt64) throws -> [TrainingGain] {
        var generator = RandomGenerator(seed: seed)
        return try (0..<runs).map { run in
            try #require(
                TrainingGain(
                    evaluations: evaluations(queries: queries, gain: gain, generator: &generator), selection: .metric,
                    seed: UInt64(run)))
        }
    }

    /// By noise alone the best of thirteen evaluations is above the start in nearly every run, but a gain is shown in
    /// at most one of twenty.
    @Test(arguments: [20, 100]) func noiseAloneShowsNoGain(queries: Int) throws {
        var generator = RandomGenerator(seed: 5)
        var risen = 0
        for _ in 0..<50 {
            let run = evaluations(queries: queries, gain: 0, generator: &generator)
            let means = run.map { $0.metric.reduce(0, +) }
            if means.max() ?? 0 > means[0] { risen += 1 }
        }
        #expect(risen > 40, "the maximum rises in \(risen) of 50 runs")
        let runs = 100
        let found = try gains(runs, queries: queries, seed: 6)
        let shown = found.filter(\.isShown).count
        #expect(shown * 20 <= runs, "\(shown) of \(runs)")
        // Measured on the other half, the mean gain is not too high.
        let mean = found.reduce(0) { $0 + $1.mean } / Double(runs)
        #expect(abs(mean) < 0.01, "\(mean)")
    }

    @Test func aGainOfUsefulSizeIsFound() throws {
        let found = try gains(40, queries: 200, gain: 0.06, seed: 7)
        #expect(found.filter(\.isShown).count >= 36, "\(found.map(\.p))")
        let mean = found.reduce(0) { $0 + $1.mean } / 40
        #expect(abs(mean - 0.06) < 0.015, "\(mean)")
    }

    /// The trainer and its evaluation on data without anything to learn: the labels are drawn at random.
    @Test func trainingOnRandomLabelsShowsNoGain() throws {
        let runs = 40
        var (risen, shown) = (0, 0)
        for seed in 0..<UInt64(runs) {
            var generator = RandomGenerator(seed: 100 + seed)
            func texts(_ count: Int) -> ToyInputs {
                ToyInputs(rows: (0..<count).map { _ in (0..<3).map { _ in generator.index(below: 30) } })
            }
            let (queries, documents) = (texts(60), texts(20))
            let data = try TrainingData(
                queries: queries, documents: documents,
                labels: (0..<60).map { _ in [Judgement(column: generator.index(below: 20))] },
                trainQueries: Array(0..<20), devQueries: Array(20..<60),
                blackBoxQueries: TrainingFixture.vectors(60, 4, seed: generator.next()),
                blackBoxDocuments: TrainingFixture.vectors(20, 4, seed: generator.next()))
            let outcome = try Trainer(
                queryEncoder: ToyEncoder(vocabulary: 30, seed: seed), data: data, mode: QueryTowerMode(),
                loss: ListNet(),
                options: TrainingRunTests.options(12) {
                    $0.seed = seed
                    $0.evaluateEvery = 1
                    $0.fitsScaleOnDev = false
                }
            ).run()
            let gain = try #require(outcome.gain)
            #expect(gain.queries == 40 && gain.evaluations == 13 && outcome.history.count == 13)
            if outcome.improved { risen += 1 }
            if gain.isShown { shown += 1 }
        }
        #expect(risen > 30, "the maximum rises in \(risen) of \(runs) runs")
        #expect(shown * 20 <= runs, "\(shown) of \(runs)")
    }

    /// The same through the trainer, with data from which it can learn.
    @Test func trainingOnLabelsThatTeachShowsAGain() throws {
        let outcome = try Trainer(
            queryEncoder: TrainingRunTests.jargonEncoder(), data: try TrainingFixture.jargon(),
            mode: QueryTowerMode(batch: .rows(24)), loss: ListNet(), options: TrainingRunTests.options(40)
        ).run()
        let gain = try #require(outcome.gain)
        #expect(gain.isShown && gain.mean > 0.1 && gain.queries == 24, "\(gain)")
        #expect(gain.mean <= outcome.best.result.metric - outcome.start.result.metric + 1e-6)
        #expect(outcome.history.allSatisfy { $0.result.queries == nil }, "the record keeps means only")
    }

    @Test func statesEqualToTheStartHaveNoGain() throws {
        let figures = DevelopmentResult.QueryFigures(metric: [0.1, 0.5, 1], logLikelihood: [-1, -2, -3])
        for count in [1, 4] {
            let gain = try #require(
                TrainingGain(
                    evaluations: [DevelopmentResult.QueryFigures](repeating: figures, count: count),
                    selection: .metric, seed: 1))
            #expect(gain == TrainingGain(mean: 0, p: 1, queries: 3, evaluations: count) && !gain.isShown)
        }
        let one = DevelopmentResult.QueryFigures(metric: [1], logLikelihood: [0])
        #expect(TrainingGain(evaluations: [one, one], selection: .metric, seed: 1) == nil)
        let again = try (0..<2).map { _ in try gains(1, queries: 30, seed: 3)[0] }
        #expect(again[0] == again[1], "the same seed, the same figures")
    }
}

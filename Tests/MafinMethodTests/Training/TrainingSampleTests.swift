import Foundation
import MafinNumerics
import Testing

@testable import MafinMethod

/// Evaluations on a sample of the development queries.
@Suite struct TrainingSampleTests {
    /// Ten of the 24 development queries.
    private static let outside = RunPlan.OutsideWork(sample: 10, means: 2)

    private static func life(_ folder: URL) throws -> TrainingResumeTests.Life {
        try TrainingResumeTests.life(
            .query, folder: folder, options: options, data: try TrainingFixture.jargon())
    }

    private static var options: TrainingOptions {
        TrainingRunTests.options(60) {
            $0.scale = .calibrated
            $0.selection = .likelihood
            $0.trainedShares = [0.9, 0.6, 0.3]
        }
    }

    /// A checkpoint after the evaluation of the start, whose plan asks for a sample. Only a clock could plan it.
    private static func planned(in folder: URL) throws {
        let log = EventLog()
        _ = try life(folder).trainer.run(
            isCancelled: { log.events.contains { if case .evaluated = $0 { true } else { false } } }, onEvent: log.add)
        let step = try #require(
            FileManager.default.contentsOfDirectory(atPath: folder.path).first { $0.hasPrefix("step-0-") })
        let url = folder.appendingPathComponent("\(step)/state.json")
        var state = try JSONDecoder().decode(TrainingState.self, from: Data(contentsOf: url))
        #expect(state.history.count == 1 && state.plan == nil)
        state.plan = RunPlan(totalSteps: 60, evaluateEvery: 20, outside: outside, options: options)
        try JSONEncoder().encode(state).write(to: url)
    }

    @Test func theStateIsChosenOnTheSampleAndMeasuredOnAllQueries() throws {
        let scratch = try ScratchFolder()
        try Self.planned(in: scratch.url)
        let life = try Self.life(scratch.url)
        let outcome = try life.trainer.run(resume: true)
        #expect(outcome.history.map(\.step) == [0, 20, 40, 60] && outcome.reason == .completed)
        #expect(outcome.history.allSatisfy { $0.result.figures["queries"] == 10 })
        #expect(outcome.best.step > 0)
        // The other 14 queries give the gain. Those of the sample chose the state.
        #expect(outcome.gain?.queries == 14 && outcome.gain?.evaluations == 2)
        // The start and the kept state are measured on all of them, the same as without a sample.
        let data = try TrainingFixture.jargon()
        let untrained = try TrainingResumeTests.life(.query, folder: nil, options: Self.options, data: data)
        let start = try untrained.trainer.run().start
        #expect(outcome.start.result == start.result && start.result.figures["queries"] == 24)
        let vectors = try life.query.embed(data.queries.selecting(rows: data.index.devQueries))
        #expect(outcome.developmentVectors == vectors)
        let bank = LocalForm.unit.prepare(
            try TrainingResumeTests.life(.query, folder: nil, data: data).query.embed(data.documents))
        var whole = try DevelopmentEvaluator(data: data, byteBudget: 512 << 20).evaluate(
            DevelopmentState(
                step: outcome.best.step, queries: LocalForm.unit.prepare(vectors), documents: bank,
                scale: outcome.trainingScale, form: .fixed))
        whole.queries = nil
        #expect(outcome.best.result == whole && whole.figures["queries"] == 24)
    }

    @Test func aResumedRunIsBitwiseTheSame() throws {
        func run(_ stops: [(EventLog) -> Bool]) throws -> (
            TrainingResumeTests.Figures?, [[Float]], [DevelopmentResult]
        ) {
            let scratch = try ScratchFolder()
            try Self.planned(in: scratch.url)
            var outcome: TrainingOutcome?
            var weights: [[Float]] = []
            for stop in stops {
                let life = try Self.life(scratch.url)
                let log = EventLog()
                outcome = try life.trainer.run(resume: true, isCancelled: { stop(log) }, onEvent: log.add)
                weights = life.weights
            }
            return (
                outcome.map(TrainingResumeTests.figures), weights,
                [outcome?.start.result, outcome?.best.result].compactMap { $0 }
            )
        }
        let whole = try run([{ _ in false }])
        let parts = try run([
            { ($0.steps.last?.step ?? 0) >= 26 },
            { ($0.steps.last?.step ?? 0) >= 40 },
            // After the last evaluation, while means are tried.
            { $0.events.contains { if case .evaluated(let record, _) = $0 { record.step == 60 } else { false } } },
            { _ in false },
        ])
        #expect(whole.0 != nil && whole.0 == parts.0 && whole.1 == parts.1 && whole.2 == parts.2)
    }

    /// The same figures as with these development queries alone.
    @Test func theEvaluatorMeasuresTheSample() throws {
        let data = try TrainingFixture.jargon()
        let places = [1, 4, 5, 17, 23]
        let few = try TrainingData(
            queries: data.queries, documents: data.documents, labels: data.index.labels,
            trainQueries: data.index.trainQueries, devQueries: places.map { data.index.devQueries[$0] },
            blackBoxQueries: data.blackBoxQueries, blackBoxDocuments: data.blackBoxDocuments)
        let encoder = TrainingRunTests.jargonEncoder()
        let documents = LocalForm.unit.prepare(try encoder.embed(data.documents))
        func result(_ data: TrainingData<ToyInputs>, _ queries: [Int], sample: [Int]?) throws -> DevelopmentResult {
            try DevelopmentEvaluator(data: data, byteBudget: 1 << 20).evaluate(
                DevelopmentState(
                    step: 0, queries: LocalForm.unit.prepare(try encoder.embed(data.queries.selecting(rows: queries))),
                    documents: documents, scale: .paper, form: .fixed, sample: sample))
        }
        let expected = try result(few, few.index.devQueries, sample: nil)
        #expect(try result(data, few.index.devQueries, sample: places) == expected)
        #expect(expected.figures["queries"] == 5 && expected.queries?.metric.count == 5)

        // The figures of all, reduced to the sample, at the scale of all.
        let whole = try result(data, data.index.devQueries, sample: nil)
        let limited = try #require(whole.limited(to: places))
        let metrics = try #require(whole.queries).metric
        #expect(limited.queries?.metric == places.map { metrics[$0] } && limited.scale == whole.scale)
        #expect(abs(limited.metric - places.reduce(0) { $0 + Double(metrics[$1]) } / 5) < 1e-9)
    }

    @Test func theTimeOfTheUpdatesIsPartOfTheTime() throws {
        for kind in [TrainingResumeTests.Kind.query, .block] {
            let outcome = try TrainingResumeTests.life(kind, folder: nil).trainer.run()
            #expect(outcome.stepSeconds > 0 && outcome.stepSeconds < outcome.elapsed)
            #expect(outcome.outsideShare > 0 && outcome.outsideShare < 1)
            #expect(abs(outcome.elapsed * (1 - outcome.outsideShare) - outcome.stepSeconds) < 1e-9)
        }
    }
}

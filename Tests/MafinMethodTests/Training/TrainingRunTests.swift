import Foundation
import MafinNumerics
import Testing

@testable import MafinMethod

/// The collected events of a run.
final class EventLog {
    var events: [TrainingEvent] = []

    func add(_ event: TrainingEvent) { events.append(event) }

    var steps: [StepReport] {
        events.compactMap { if case .step(let report) = $0 { report } else { nil } }
    }
}

@Suite struct TrainingRunTests {
    static func options(_ steps: Int, _ change: (inout TrainingOptions) -> Void = { _ in }) -> TrainingOptions {
        var options = TrainingOptions()
        options.steps = steps
        options.learningRate = 0.02
        options.scale = .given(MixtureWeights(lambda: 0.5, temperature: 0.1))
        options.patience = nil
        options.checkpointSeconds = 0
        options.trainedShares = []
        change(&options)
        return options
    }

    static func jargonEncoder(seed: UInt64 = 7) -> ToyEncoder {
        ToyEncoder(vocabulary: TrainingFixture.jargonVocabulary, hidden: 12, dimension: 12, seed: seed)
    }

    @Test(arguments: ["query", "block", "pair", "learned", "norm"]) func learnsWhatTheBlackBoxMisses(kind: String)
        throws
    {
        let data = try TrainingFixture.jargon()
        let mode: any TrainingMode =
            switch kind {
            case "block": BlockMode(documents: .rows(16))
            case "pair": PairMode(batch: .rows(32))
            default: QueryTowerMode(batch: .rows(24))
            }
        let options = Self.options(150) {
            $0.scale = .calibrated
            if kind == "learned" { $0.form = .learned }
            if kind == "norm" { $0.form = .norm }
        }
        let encoder = Self.jargonEncoder()
        let outcome = try Trainer(
            queryEncoder: encoder, data: data, mode: mode, loss: kind == "pair" ? InfoNCE() : ListNet(),
            options: options
        ).run()
        // The black box knows only the topic, so it ranks its four documents in no useful order.
        let blackBox = try DevelopmentEvaluator(data: data, byteBudget: 1 << 20).evaluate(
            DevelopmentState(
                step: 0, queries: LocalRows(vectors: Matrix(rows: 24, columns: 1), weights: []),
                documents: LocalRows(vectors: Matrix(rows: 96, columns: 1), weights: []), scale: .paper, form: .fixed))
        #expect(blackBox.metric > 0.4 && blackBox.metric < 0.75)
        #expect(outcome.improved && outcome.reason == .completed)
        #expect(outcome.best.result.metric > 0.9, "\(outcome.history.map(\.result.metric))")
        #expect(outcome.best.result.logLikelihood > outcome.start.result.logLikelihood)
        #expect(encoder.steps == 150)
    }

    @Test func frozenDocumentsStayAsReleased() throws {
        let data = try TrainingFixture.jargon()
        let encoder = Self.jargonEncoder()
        let released = LocalForm.unit.prepare(try encoder.embed(data.documents))
        var seen: [Matrix] = []
        _ = try Trainer(
            queryEncoder: encoder, data: data, mode: QueryTowerMode(batch: .rows(24)), loss: ListNet(),
            options: Self.options(20)
        ) { state in
            seen.append(state.documents.vectors)
            return DevelopmentResult(metric: Double(state.step), logLikelihood: 0, scale: state.scale)
        }.run()
        #expect(seen.count > 5 && seen.allSatisfy { $0 == released.vectors })
        // Documents were encoded once, for the bank, and never in a step.
        #expect(encoder.forwarded.allSatisfy { $0.allSatisfy { $0[0] >= 4 } })
    }

    @Test func givenBankIsUsed() throws {
        let data = try TrainingFixture.jargon()
        let bank = TrainingFixture.vectors(96, 12, seed: 5)
        var seen: Matrix?
        _ = try Trainer(
            queryEncoder: Self.jargonEncoder(), data: data, mode: QueryTowerMode(), loss: ListNet(),
            options: Self.options(1), documentBank: bank
        ) { state in
            seen = state.documents.vectors
            return DevelopmentResult(metric: 0, logLikelihood: 0, scale: state.scale)
        }.run()
        #expect(seen == bank.normalizedRows().matrix)
        #expect(throws: TrainingError.size(part: "rows of the document bank", expected: 96, found: 3)) {
            try Trainer(
                queryEncoder: Self.jargonEncoder(), data: data, mode: QueryTowerMode(), loss: ListNet(),
                documentBank: Matrix(rows: 3, columns: 12))
        }
    }

    /// Given query vectors are used before the first update and never after it.
    @Test func givenQueryVectorsAreUsedAtTheStart() throws {
        let data = try TrainingFixture.jargon()
        func history(given: Bool) throws -> (history: [EvaluationRecord], asked: [Int]) {
            let encoder = Self.jargonEncoder()
            var asked: [Int] = []
            let known: Trainer<ToyEncoder>.UntrainedQueries = { queries in
                asked.append(queries.count)
                return try Self.jargonEncoder().embed(data.queries.selecting(rows: queries))
            }
            let outcome = try Trainer(
                queryEncoder: encoder, data: data, mode: QueryTowerMode(), loss: ListNet(),
                options: Self.options(6) { $0.scale = .calibrated },
                untrainedQueries: given ? known : nil
            ).run()
            return (outcome.history, asked)
        }
        func results(_ history: [EvaluationRecord]) -> [DevelopmentResult] { history.map(\.result) }
        let (plain, helped) = (try history(given: false), try history(given: true))
        #expect(plain.history.count > 1 && results(plain.history) == results(helped.history))
        #expect(helped.asked == [72, 24], "the sample of the calibration and dev")
    }

    @Test func equalSeedsGiveEqualRuns() throws {
        let data = try TrainingFixture.random()
        func weights(_ seed: UInt64) throws -> [Float] {
            let encoder = ToyEncoder(vocabulary: TrainingFixture.vocabulary)
            let options = Self.options(9) { $0.seed = seed }
            _ = try Trainer(
                queryEncoder: encoder, data: data, mode: BlockMode(documents: .rows(3)), loss: ListNet(),
                options: options
            ) { state in
                DevelopmentResult(metric: Double(state.step), logLikelihood: 0, scale: state.scale)
            }.run()
            return encoder.parameters
        }
        #expect(try weights(1) == weights(1))
        #expect(try weights(1) != weights(2))
    }

    @Test func bestStateIsRestoredAndPatienceEndsTheRun() throws {
        let data = try TrainingFixture.random()
        let encoder = ToyEncoder(vocabulary: TrainingFixture.vocabulary)
        let metrics = [0.3, 0.4, 0.6, 0.6, 0.5, 0.2, 0.9]
        let likelihoods = [-3.0, -3, -2, -2.5, -1, -1, -1]
        var weights: [[Float]] = []
        let options = Self.options(60) {
            $0.evaluateEvery = 5
            $0.patience = 3
        }
        let log = EventLog()
        let outcome = try Trainer(
            queryEncoder: encoder, data: data, mode: PairMode(batch: .rows(4)), loss: InfoNCE(), options: options
        ) { state in
            defer { weights.append(encoder.parameters) }
            return DevelopmentResult(
                metric: metrics[weights.count], logLikelihood: likelihoods[weights.count], scale: state.scale)
        }.run(onEvent: log.add)
        #expect(outcome.reason == .noGain && outcome.steps == 25)
        #expect(outcome.best.step == 10 && outcome.start.step == 0 && outcome.improved)
        #expect(encoder.parameters == weights[2] && weights[2] != weights[5])
        #expect(log.steps.map(\.step) == Array(1...25))
    }

    @Test func likelihoodMayChooseAndTellsEqualMetricsApart() throws {
        let data = try TrainingFixture.random()
        func best(_ selection: TrainingOptions.Selection) throws -> Int {
            let metrics = [0.3, 0.6, 0.6, 0.5]
            let likelihoods = [-3.0, -2, -1.5, -1]
            var count = -1
            return try Trainer(
                queryEncoder: ToyEncoder(vocabulary: TrainingFixture.vocabulary), data: data, mode: QueryTowerMode(),
                loss: ListNet(),
                options: Self.options(3) {
                    $0.evaluateEvery = 1
                    $0.selection = selection
                }
            ) { state in
                count += 1
                return DevelopmentResult(metric: metrics[count], logLikelihood: likelihoods[count], scale: state.scale)
            }.run().best.step
        }
        #expect(try best(.metric) == 2)
        #expect(try best(.likelihood) == 3)
    }

    @Test func untrainedStartMayBeTheBest() throws {
        let data = try TrainingFixture.random()
        let encoder = ToyEncoder(vocabulary: TrainingFixture.vocabulary)
        let released = encoder.parameters
        let outcome = try Trainer(
            queryEncoder: encoder, data: data, mode: QueryTowerMode(), loss: ListNet(), options: Self.options(4)
        ) { state in
            DevelopmentResult(metric: -Double(state.step), logLikelihood: 0, scale: state.scale)
        }.run()
        #expect(!outcome.improved && outcome.best.step == 0)
        #expect(encoder.parameters == released)
    }

    @Test func lossThatIsNotFiniteEndsTheRunAtTheBestState() throws {
        let data = try TrainingFixture.random()
        let encoder = ToyEncoder(vocabulary: TrainingFixture.vocabulary)
        encoder.breaksAfter = 7
        var best: [Float] = []
        let trainer = try Trainer(
            queryEncoder: encoder, data: data, mode: PairMode(batch: .rows(4)), loss: InfoNCE(),
            options: Self.options(60) { $0.evaluateEvery = 3 }
        ) { state in
            best = encoder.parameters
            return DevelopmentResult(metric: Double(state.step), logLikelihood: 0, scale: state.scale)
        }
        do {
            _ = try trainer.run()
            Issue.record("a loss of NaN went unseen")
        } catch TrainingError.notFinite(let what, let step, _) {
            #expect(what == "loss" && step == 8)
        }
        #expect(encoder.parameters == best)
    }

    /// In the update of either encoder. The run is in a consistent state and resumes from its last checkpoint.
    @Test(arguments: [false, true]) func aGradientThatIsNotFiniteEndsTheRunAtTheBestState(ofDocuments: Bool) throws {
        let data = try TrainingFixture.random()
        let scratch = try ScratchFolder()
        func encoders() -> [ToyEncoder] { [7, 8].map { ToyEncoder(vocabulary: TrainingFixture.vocabulary, seed: $0) } }
        func trainer(_ encoders: [ToyEncoder], _ seen: @escaping ([[Float]]) -> Void = { _ in }) throws
            -> Trainer<ToyEncoder>
        {
            try Trainer(
                queryEncoder: encoders[0], documentEncoder: encoders[1], data: data, mode: PairMode(batch: .rows(4)),
                loss: InfoNCE(), options: Self.options(20) { $0.evaluateEvery = 3 }, checkpointFolder: scratch.url
            ) { state in
                seen(encoders.map(\.parameters))
                return DevelopmentResult(metric: Double(state.step), logLikelihood: 0, scale: state.scale)
            }
        }
        let broken = encoders()
        broken[ofDocuments ? 1 : 0].gradientBreaksAt = 8
        var best: [[Float]] = []
        do {
            _ = try trainer(broken) { best = $0 }.run()
            Issue.record("a gradient of NaN went unseen")
        } catch TrainingError.notFinite(let what, let step, _) {
            #expect(what == "gradient's norm" && step == 8)
        }
        #expect(broken.map(\.parameters) == best && broken.allSatisfy { $0.firstMoments.allSatisfy(\.isFinite) })
        let log = EventLog()
        #expect(try trainer(encoders()).run(resume: true, onEvent: log.add).reason == .completed)
        #expect(log.steps.first?.step == 7)
    }

    @Test func accumulatedBatchesAreOneUpdate() throws {
        let data = try TrainingFixture.random()
        // The listwise loss over the whole corpus is a mean over rows, so two batches of six equal one batch of twelve.
        func run(_ rows: Int, accumulation: Int) throws -> ([Float], Int) {
            let encoder = ToyEncoder(vocabulary: TrainingFixture.vocabulary)
            let options = Self.options(3) {
                $0.accumulation = accumulation
                $0.dropout = 0
            }
            _ = try Trainer(
                queryEncoder: encoder, data: data, mode: QueryTowerMode(batch: .rows(rows)), loss: ListNet(),
                options: options
            ) { state in
                DevelopmentResult(metric: Double(state.step), logLikelihood: 0, scale: state.scale)
            }.run()
            return (encoder.parameters, encoder.steps)
        }
        let (whole, parts) = (try run(12, accumulation: 1), try run(6, accumulation: 2))
        #expect(whole.1 == 3 && parts.1 == 3)
        // AdamW's first steps amplify rounding errors of tiny gradients, so the tolerance is not tighter.
        #expect(TrainingGradientTests.relativeError(parts.0, whole.0) < 1e-3)
    }

    /// Three steps are timed. Then the plan is made, and it does not change until the end. The time would be enough for
    /// many more steps than are allowed.
    @Test func aTimeBudgetIsPlannedOnceAndKept() throws {
        let data = try TrainingFixture.jargon()
        func run(_ seconds: Double) throws -> (outcome: TrainingOutcome, log: EventLog) {
            let log = EventLog()
            let outcome = try Trainer(
                queryEncoder: Self.jargonEncoder(), data: data, mode: QueryTowerMode(batch: .rows(24)),
                loss: ListNet(),
                options: Self.options(25) {
                    $0.time = seconds
                    $0.timingSteps = 3
                }
            ).run(onEvent: log.add)
            return (outcome, log)
        }
        let (outcome, log) = try run(3_600)
        let plans = log.events.filter { if case .planned = $0 { true } else { false } }
        #expect(plans.count == 1 && outcome.reason == .completed && outcome.steps == 25)
        #expect(log.steps.map(\.totalSteps) == [nil, nil, nil] + [Int?](repeating: 25, count: 22))
        #expect(outcome.history.last?.step == 25)
        // The time is used up before the first step. The start is evaluated, and the run ends.
        let spent = try run(1e-9)
        #expect(spent.outcome.reason == .timeSpent && spent.outcome.steps == 0 && spent.log.steps.isEmpty)
        #expect(spent.outcome.history.count == 1 && !spent.outcome.improved)
    }

    @Test func aCalibratedScaleFollowsDevAndAGivenOneIsKept() throws {
        let data = try TrainingFixture.jargon()
        func scales(_ change: (inout TrainingOptions) -> Void) throws -> [MixtureWeights] {
            let log = EventLog()
            var fits: [MixtureWeights] = []
            let evaluator = try DevelopmentEvaluator(data: data, byteBudget: 1 << 20)
            _ = try Trainer(
                queryEncoder: Self.jargonEncoder(), data: data, mode: QueryTowerMode(batch: .rows(24)), loss: ListNet(),
                options: Self.options(20) {
                    $0.evaluateEvery = 10
                    change(&$0)
                }
            ) { state in
                let result = try evaluator.evaluate(state)
                fits.append(result.scale)
                return result
            }.run(onEvent: log.add)
            let steps = log.steps.map(\.scale)
            // The fits of the start and of step 10 with what was trained at after them.
            return [fits[0], steps[0], fits[1], steps[10]]
        }
        let followed = try scales { $0.scale = .calibrated }
        #expect(
            followed[0].withLambda(atLeast: 0.05) == followed[1] && followed[2].withLambda(atLeast: 0.05) == followed[3]
        )
        #expect(followed[1] != followed[3] && followed[3].lambda >= 0.05 - 1e-6)
        let kept = try scales {
            $0.scale = .calibrated
            $0.refitScale = false
        }
        #expect(kept[1] == kept[3] && kept[1] != kept[0])
        let given = try scales { $0.scale = .given(.paper) }
        #expect(given[1] == .paper && given[3] == .paper)
    }

    @Test func localOnlyDoesNotUseTheBlackBox() throws {
        let data = try TrainingFixture.jargon()
        let outcome = try Trainer(
            queryEncoder: Self.jargonEncoder(), data: data, mode: QueryTowerMode(batch: .rows(24)), loss: ListNet(),
            options: Self.options(60) { $0.form = .localOnly }
        ).run()
        #expect(outcome.trainingScale.blackBox == 0 && abs(outcome.trainingScale.temperature - 0.1) < 1e-6)
        #expect(outcome.best.result.scale.blackBox == 0)
        #expect(outcome.best.result.figures["local"] == outcome.best.result.metric)
        #expect(outcome.improved)
    }

    @Test func figuresArriveWithEveryStep() throws {
        let data = try TrainingFixture.jargon()
        let log = EventLog()
        let outcome = try Trainer(
            queryEncoder: Self.jargonEncoder(), data: data, mode: BlockMode(documents: .rows(16)), loss: ListNet(),
            options: Self.options(12)
        ).run(onEvent: log.add)
        let reports = log.steps
        #expect(reports.count == 12)
        for (previous, next) in zip(reports, reports.dropFirst()) {
            #expect(next.tokens > previous.tokens && next.elapsed >= previous.elapsed)
            #expect(next.gradientNorm > 0 && next.tokensPerSecond > 0)
        }
        #expect(reports.last?.timeLeft == 0 && reports.last?.tokens == outcome.tokens)
        #expect(reports.first?.smoothedLoss == reports.first?.loss)
        if case .encodingDocuments(let done, let total) = log.events.first {
            #expect(done == total && total == 192)
        } else {
            Issue.record("the first event was \(String(describing: log.events.first))")
        }
    }
}

import Foundation
import MafinNumerics
import Testing

@testable import MafinMethod

@Suite struct TrainingResumeTests {
    enum Kind: String, CaseIterable {
        case query, block, towers, blockWithoutBank, pair, mined, learned, norm, refitted, accumulated
    }

    /// Encoders and trainer, as in one process.
    struct Life {
        var query: ToyEncoder
        var document: ToyEncoder?
        var trainer: Trainer<ToyEncoder>

        var weights: [[Float]] { [query, document].compactMap { $0?.parameters } }
    }

    static func options(_ kind: Kind) -> TrainingOptions {
        TrainingRunTests.options(23) {
            $0.evaluateEvery = 4
            $0.trainedShares = TrainingOptions().trainedShares
            switch kind {
            case .mined:
                $0.wholeCorpusLimit = 5
                $0.minedPerQuery = 2
                $0.randomCandidates = 2
            case .learned: $0.form = .learned
            case .norm: $0.form = .norm
            case .refitted:
                $0.refitScale = true
                $0.scale = .calibrated
                $0.bankRefresh = .whenStale(drift: 0.05)
            case .accumulated: $0.accumulation = 2
            default: break
            }
        }
    }

    static func life(
        _ kind: Kind, folder: URL?, options: TrainingOptions? = nil, data: TrainingData<ToyInputs>? = nil,
        loss: any Loss = ListNet(), base: TrainingBase? = nil
    ) throws -> Life {
        let query = ToyEncoder(vocabulary: max(TrainingFixture.vocabulary, TrainingFixture.jargonVocabulary))
        let document = kind == .towers ? ToyEncoder(vocabulary: TrainingFixture.vocabulary, seed: 8) : nil
        let mode: any TrainingMode =
            switch kind {
            case .query, .learned, .mined, .accumulated: QueryTowerMode(batch: .rows(5))
            case .blockWithoutBank: BlockMode(documents: .rows(5), usesBank: false)
            case .pair: PairMode(batch: .rows(5))
            default: BlockMode(documents: .rows(5), maximumQueries: 6)
            }
        return Life(
            query: query, document: document,
            trainer: try Trainer(
                queryEncoder: query, documentEncoder: document,
                data: try data ?? (kind == .refitted ? TrainingFixture.jargon() : TrainingFixture.random()),
                mode: mode, loss: loss, base: base, options: options ?? Self.options(kind), checkpointFolder: folder))
    }

    /// What is the same in equal runs: everything but the clock.
    struct Figures: Equatable {
        var history: [EvaluationRecord]
        var best: Int
        var scale: MixtureWeights
        var form: LocalForm
        var steps: Int
        var tokens: Int
    }

    static func figures(_ outcome: TrainingOutcome) -> Figures {
        Figures(
            history: outcome.history.map { record in
                var record = record
                record.elapsed = 0
                return record
            }, best: outcome.best.step, scale: outcome.trainingScale, form: outcome.localForm, steps: outcome.steps,
            tokens: outcome.tokens)
    }

    @Test(arguments: Kind.allCases) func aResumedRunIsBitwiseTheSame(kind: Kind) throws {
        let whole = try Self.life(kind, folder: nil)
        let expected = try whole.trainer.run()
        #expect(expected.reason == .completed && expected.steps == 23)

        // Interrupted twice: in the middle of an epoch between evaluations, and right after an evaluation.
        let scratch = try ScratchFolder()
        var last: TrainingOutcome?
        var final: [[Float]] = []
        var losses: [Float] = []
        for (number, stop) in [7, 16, 1000].enumerated() {
            let life = try Self.life(kind, folder: scratch.url)
            let log = EventLog()
            last = try life.trainer.run(
                resume: number > 0, isCancelled: { (log.steps.last?.step ?? 0) >= stop }, onEvent: log.add)
            #expect(last?.reason == (number < 2 ? .cancelled : .completed))
            losses += log.steps.map(\.loss)
            final = life.weights
        }
        #expect(losses.count == 23)
        #expect(try Self.figures(#require(last)) == Self.figures(expected))
        #expect(final == whole.weights)
    }

    @Test func aLostProcessGoesOnFromTheLastCheckpoint() throws {
        let whole = try Self.life(.block, folder: nil)
        let expected = try whole.trainer.run()
        let scratch = try ScratchFolder()
        struct Killed: Error {}
        // The process dies in the evaluation after step 12; the checkpoint of step 8 is the last.
        var evaluator: DevelopmentEvaluator?
        let data = try TrainingFixture.random()
        evaluator = try DevelopmentEvaluator(data: data, byteBudget: 1 << 20)
        let options = Self.options(.block)
        let query = ToyEncoder(vocabulary: TrainingFixture.vocabulary)
        let dying = try Trainer(
            queryEncoder: query, data: data, mode: BlockMode(documents: .rows(5), maximumQueries: 6), loss: ListNet(),
            options: options, checkpointFolder: scratch.url
        ) { state in
            if state.step == 12 { throw Killed() }
            return try #require(evaluator).evaluate(state)
        }
        #expect(throws: Killed.self) { try dying.run() }
        let next = try Self.life(.block, folder: scratch.url)
        let log = EventLog()
        let outcome = try next.trainer.run(resume: true, onEvent: log.add)
        #expect(log.steps.first?.step == 9)
        #expect(Self.figures(outcome) == Self.figures(expected))
        #expect(next.weights == whole.weights)
    }

    @Test func aFinishedRunGivesItsBestStateAgain() throws {
        let scratch = try ScratchFolder()
        let first = try Self.life(.query, folder: scratch.url)
        let outcome = try first.trainer.run()
        let second = try Self.life(.query, folder: scratch.url)
        let log = EventLog()
        let again = try second.trainer.run(resume: true, onEvent: log.add)
        #expect(log.steps.isEmpty && again.reason == .completed)
        #expect(Self.figures(again) == Self.figures(outcome) && again.elapsed == outcome.elapsed)
        #expect(second.weights == first.weights)
    }

    @Test func oneCheckpointIsLeftAndNothingHalfWritten() throws {
        let scratch = try ScratchFolder()
        _ = try Self.life(.pair, folder: scratch.url).trainer.run()
        let names = try FileManager.default.contentsOfDirectory(atPath: scratch.url.path).sorted()
        #expect(names.count == 2 && names[0] == "latest.json" && names[1].hasPrefix("step-23-"))
        // A frozen bank lies beside it; files of others are left alone.
        try Data("mine".utf8).write(to: scratch.url.appendingPathComponent("notes.txt"))
        _ = try Self.life(.query, folder: scratch.url).trainer.run()
        let next = try FileManager.default.contentsOfDirectory(atPath: scratch.url.path).sorted()
        #expect(
            next.map { $0.hasPrefix("step-23-") ? "step" : $0 } == [
                "bank.safetensors", "latest.json", "notes.txt", "step",
            ])
    }

    @Test func anotherRunsCheckpointIsRefusedByName() throws {
        let scratch = try ScratchFolder()
        _ = try Self.life(.query, folder: scratch.url).trainer.run()
        func message(_ life: Life) -> String {
            do {
                _ = try life.trainer.run(resume: true)
                return ""
            } catch {
                return "\(error)"
            }
        }
        var options = Self.options(.query)
        options.learningRate = 0.5
        let rate = message(try Self.life(.query, folder: scratch.url, options: options))
        #expect(
            rate.contains("expected a run with options.learningRate = 0.5, found one with options.learningRate = 0.0"))
        #expect(message(try Self.life(.pair, folder: scratch.url)).contains("mode."))
        #expect(message(try Self.life(.query, folder: scratch.url, loss: InfoNCE())).contains("loss."))
        let other = try Self.life(.query, folder: scratch.url, data: try TrainingFixture.random(seed: 2))
        #expect(message(other).contains("expected a run on this data"))
        // The data and the options are the same, the encoder is not.
        func encoder(_ change: (ToyEncoder) -> Void) throws -> String {
            let life = try Self.life(.query, folder: scratch.url)
            change(life.query)
            return message(
                Life(
                    query: life.query,
                    trainer: try Trainer(
                        queryEncoder: life.query, data: TrainingFixture.random(), mode: QueryTowerMode(batch: .rows(5)),
                        loss: ListNet(), options: Self.options(.query), checkpointFolder: scratch.url)))
        }
        #expect(try encoder { _ in } == "")
        #expect(
            try encoder { $0.parameters[3] += 0.5 }.contains(
                "expected a run that began with this encoder, found one that began with other weights"))
        #expect(
            try encoder { $0.kind = "first token" }.contains(
                "expected a run that began with this encoder: toy of 40 × 6 × 5, first token, "
                    + "found one that began with: toy of 40 × 6 × 5, mean"))
        // Options that do not change the result may differ.
        options = Self.options(.query)
        options.checkpointSeconds = 9
        #expect(message(try Self.life(.query, folder: scratch.url, options: options)) == "")

        let empty = try ScratchFolder()
        #expect(
            message(try Self.life(.query, folder: empty.url)).contains("expected a checkpoint to resume, found none"))
        #expect(message(try Self.life(.query, folder: nil)).contains("checkpointFolder"))
        try Data("{".utf8).write(to: scratch.url.appendingPathComponent("latest.json"))
        #expect(
            message(try Self.life(.query, folder: scratch.url)).contains("latest.json: expected the state of a run"))
    }

    /// Earlier versions wrote lists of suspects instead of thresholds. Without either, suspects would be pushed away as negatives.
    @Test func aCheckpointWithListsOfSuspectsIsRefused() throws {
        let scratch = try ScratchFolder()
        let log = EventLog()
        let life = try Self.life(.mined, folder: scratch.url)
        _ = try life.trainer.run(isCancelled: { (log.steps.last?.step ?? 0) >= 7 }, onEvent: log.add)
        let names = try FileManager.default.contentsOfDirectory(atPath: scratch.url.path)
        let step = try #require(names.first { $0.hasPrefix("step-7-") })
        let file = scratch.url.appendingPathComponent("\(step)/negatives.json")
        #expect(try String(contentsOf: file, encoding: .utf8).contains("thresholds"))
        try Data(#"{"negatives": {"0": [3]}, "suspects": {"0": [1, 2]}}"#.utf8).write(to: file)
        let error = #expect(throws: TrainingError.self) {
            try Self.life(.mined, folder: scratch.url).trainer.run(resume: true)
        }
        let message = try #require(error).description
        #expect(
            message.hasSuffix(
                "negatives.json: expected the state of a run, as this version writes it, "
                    + "found the field \"thresholds\" is missing"), "\(message)")
    }

    @Test func cancellingBeforeTheFirstEvaluationLeavesNothing() throws {
        let scratch = try ScratchFolder()
        let life = try Self.life(.block, folder: scratch.url)
        #expect(throws: CancellationError.self) { try life.trainer.run(isCancelled: { true }) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path).isEmpty)
    }

    @Test func cancellingInsideAnEvaluationRepeatsIt() throws {
        let whole = try Self.life(.block, folder: nil)
        let expected = try whole.trainer.run()
        let scratch = try ScratchFolder()
        // The corpus is encoded for the evaluation of step 4, and the run is cancelled in the first piece.
        let life = try Self.life(.block, folder: scratch.url)
        let log = EventLog()
        var polls = 0
        let outcome = try life.trainer.run(
            isCancelled: {
                if log.steps.last?.step == 4 { polls += 1 }
                return polls > 0
            }, onEvent: log.add)
        #expect(outcome.reason == .cancelled && outcome.history.count == 1 && outcome.steps == 4)
        let next = try Self.life(.block, folder: scratch.url)
        #expect(Self.figures(try next.trainer.run(resume: true)) == Self.figures(expected))
        #expect(next.weights == whole.weights)
    }
}

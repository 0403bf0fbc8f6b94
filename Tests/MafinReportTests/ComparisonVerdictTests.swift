import MafinMethod
import MafinNumerics
import Testing

@testable import MafinComparison
@testable import MafinPipeline
@testable import MafinReport
@testable import MafinRetrieval

/// The answer of a comparison, from made-up values of queries.
@Suite struct ComparisonVerdictTests {
    private static let metric = Metric.nDCG(cutoff: 10)
    private static let queries = 200

    /// Values of 200 queries; noise that all systems share, and noise of their own that moves no mean: differences of means are as given.
    private func evaluation(_ mean: Double, noise: Double = 0.05, seed: UInt64) -> RunEvaluation {
        var shared = RandomGenerator(seed: 1)
        var own = RandomGenerator(seed: seed)
        let noises = (0..<Self.queries).map { _ in noise * Double(own.normal()) }
        let shift = noises.reduce(0, +) / Double(Self.queries)
        let values = noises.map { mean + 0.2 * Double(shared.normal()) + $0 - shift }
        return RunEvaluation(
            queryIds: (0..<Self.queries).map { "q\($0)" }, values: [Self.metric: values],
            means: [Self.metric: values.reduce(0, +) / Double(Self.queries)], queriesWithoutRelevantDocument: 0,
            queriesWithoutResult: 0)
    }

    private func verdict(_ systems: [(name: String, mean: Double)], chosen: Contender? = .mafin) throws
        -> ComparisonVerdict?
    {
        var outcome = ComparisonOutcome()
        for (index, system) in systems.enumerated() {
            outcome.rows.append(
                ComparisonRow(
                    name: system.name, seed: 1, development: system.mean, choices: [:],
                    evaluation: evaluation(system.mean, seed: UInt64(index + 2))))
        }
        outcome.chosen = chosen.map {
            TrainingRecord(
                contender: $0, seed: 1, history: [], keptStep: 1, steps: 1, reason: .completed, seconds: 1,
                mixing: ArtefactManifest.Mixing(
                    combination: .querySided(lambda: 0.5), lambdaForm: .fixed, scale: .paper))
        }
        let report = try EvaluationReport(
            split: "test", evaluations: outcome.systems.map { ($0.name, $0.evaluation) }, baseline: "black-box",
            metrics: [Self.metric])
        return ComparisonVerdict(outcome, report, metric: Self.metric)
    }

    @Test func whatBeatsBothIsShipped() throws {
        let found = try #require(
            try verdict([("black-box", 0.3), ("black-box+bm25", 0.34), ("mafin", 0.4), ("tuned-alone-mixed", 0.39)]))
        #expect(found.decision == .ship && found.system == "mafin")
        #expect(found.reason.contains("200 test queries") && found.reason.contains("Black box + BM25"))
        #expect(found.notes.contains { $0.contains("Joint training’s own share") })
    }

    /// Alone it is not enough, with BM25 it is: as where words count.
    @Test func whatIsBuiltOnTheArtefactMayShipIt() throws {
        let found = try #require(
            try verdict([("bm25", 0.38), ("black-box", 0.3), ("mafin", 0.36), ("mafin+bm25", 0.43)]))
        #expect(found.decision == .ship && found.system == "mafin+bm25" && found.usesBM25)
        #expect(found.notes.contains { $0.contains("The artefact by itself, Mafin,") })
    }

    /// No command serves a composition: it cannot make the artefact one that is shipped.
    @Test func whatCannotBeServedIsOnlySpokenOf() throws {
        let found = try #require(
            try verdict([("black-box", 0.3), ("nudge-n", 0.4), ("mafin", 0.36), ("composition", 0.46)]))
        #expect(found.decision == .doNotShip && found.system == "mafin" && !found.usesBM25)
        #expect(
            found.notes.contains {
                $0.contains("Composition, reaches") && $0.contains("better than the black box and the best without")
                    && $0.contains("no command serves it")
            })
    }

    @Test func whatNeedsNoEncoderComesFirst() throws {
        let found = try #require(try verdict([("black-box", 0.3), ("nudge-n", 0.45), ("mafin", 0.36)]))
        #expect(found.decision == .doNotShip && found.reason.contains("is worse by"))
        let worse = try #require(try verdict([("black-box", 0.4), ("mafin", 0.36)]))
        #expect(worse.decision == .doNotShip)
    }

    @Test func whatIsNotShownIsNotSaid() throws {
        let rival = try #require(try verdict([("black-box", 0.3), ("linear-adapter", 0.36), ("mafin", 0.363)]))
        #expect(rival.decision == .cannotTell && rival.reason.contains("is not shown to differ"))
        let alone = try #require(try verdict([("black-box", 0.3), ("mafin", 0.3035)]))
        #expect(alone.decision == .cannotTell || alone.decision == .doNotShip)
    }

    @Test func withoutATrainedEncoderThereIsNone() throws {
        #expect(try verdict([("black-box", 0.3), ("nudge-n", 0.4)], chosen: nil) == nil)
    }

    @Test func everySystemHasATitle() {
        for system in ComparedSystem.all {
            #expect(SystemTitles.title(system.name) != system.name)
            #expect(ComparedSystem.named(system.name) == system)
        }
        #expect(SystemTitles.title("lambda-mafin+nudge-n") == "λ-Mafin + NUDGE-N")
        #expect(ComparedSystem.named("lambda-mafin+nudge-n")?.kind == .derived)
        #expect(ComparedSystem.named("bm25+nudge-n") == nil)
        #expect(
            SystemTitles.summary(
                "composition", choices: ["weights": .record(["bm25": .number(0.25), "mafin": .number(0.75)])])?
                .hasSuffix("mafin .750, bm25 .250") == true)
    }
}

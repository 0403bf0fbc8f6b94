import MafinNumerics
import MafinPipeline
import Testing

@testable import MafinComparison
@testable import MafinRetrieval

/// The decision of a comparison, from made-up values per query.
@Suite struct ComparisonVerdictTests {
    private func verdict(
        _ systems: [MadeUpOutcome.System], chosen: Contender? = .mafin, seeds: Int = 1, spread: Double = 0,
        noise: Double = 0.05
    ) -> ComparisonVerdict? {
        ComparisonVerdict(
            MadeUpOutcome.outcome(systems, chosen: chosen, seeds: seeds, spread: spread, noise: noise),
            metric: MadeUpOutcome.metric)
    }

    @Test func aCandidateBetterThanBothIsShipped() throws {
        let found = try #require(
            verdict([
                .init("black-box", 0.3), .init("black-box+bm25", 0.34), .init("mafin", 0.4),
                .init("tuned-alone-mixed", 0.39),
            ]))
        #expect(found.decision == .ship && found.candidate == "mafin" && !found.usesBM25)
        #expect(found.primary.other == "black-box" && found.secondary?.other == "black-box+bm25")
        #expect(abs((found.jointTraining?.difference.mean ?? 0) - 0.01) < 1e-9)
    }

    /// The number of other systems in the table does not affect the primary test.
    @Test func otherSystemsDoNotChangeThePrimaryTest() throws {
        let few = try #require(verdict([.init("black-box", 0.3), .init("mafin", 0.3115)]))
        let others = ComparedSystem.all.map(\.name).filter { !["black-box", "mafin", "mafin+bm25"].contains($0) }
        let many = try #require(
            verdict([.init("black-box", 0.3), .init("mafin", 0.3115)] + others.map { .init($0, 0.29) }))
        #expect(others.count > 20)
        #expect(few.primary == many.primary && few.primary.difference.p < 0.05)
        #expect(few.decision == .ship && many.decision == .ship)
        // Holm's correction over the table would have hidden the gain.
        let outcome = MadeUpOutcome.outcome(
            [.init("black-box", 0.3), .init("mafin", 0.3115)] + others.map { .init($0, 0.29) })
        let table = try EvaluationReport(
            split: "test", evaluations: outcome.systems.map { ($0.name, $0.evaluation) }, baseline: "black-box",
            metrics: [MadeUpOutcome.metric])
        let row = try #require(table.systems.first { $0.name == "mafin" }?.difference?[MadeUpOutcome.metric])
        #expect(row.p == few.primary.difference.p && row.pHolm > row.p)
    }

    /// The systems to test are chosen on dev. Test values do not affect the choice.
    @Test func candidateAndRivalAreChosenOnDev() throws {
        let found = try #require(
            verdict([
                .init("black-box", 0.3), .init("bm25", 0.5, development: 0.2),
                .init("nudge-n", 0.31, development: 0.35), .init("mafin", 0.4, development: 0.4),
                .init("mafin+bm25", 0.6, development: 0.39),
            ]))
        #expect(found.candidate == "mafin" && found.secondary?.other == "nudge-n" && found.decision == .ship)
        let fused = try #require(
            verdict([
                .init("black-box", 0.3), .init("mafin", 0.4), .init("mafin+bm25", 0.29, development: 0.41),
            ]))
        #expect(fused.candidate == "mafin+bm25" && fused.usesBM25 && fused.artefact == "mafin")
        #expect(fused.decision == .doNotShip)
    }

    /// No command can serve a composition, so it is never the candidate.
    @Test func aSystemThatCannotBeServedIsNeverTheCandidate() throws {
        let found = try #require(
            verdict([
                .init("black-box", 0.3), .init("nudge-n", 0.4), .init("mafin", 0.36), .init("composition", 0.46),
            ]))
        #expect(found.decision == .doNotShip && found.candidate == "mafin")
        #expect(found.builtOnArtefact?.system == "composition" && found.builtOnArtefact?.other == "mafin")
    }

    @Test func notShipping() throws {
        let worse = try #require(verdict([.init("black-box", 0.3), .init("nudge-n", 0.45), .init("mafin", 0.36)]))
        #expect(worse.decision == .doNotShip && worse.secondary?.difference.isWorse(at: 0.05) == true)
        let below = try #require(verdict([.init("black-box", 0.4), .init("mafin", 0.36)]))
        #expect(below.decision == .doNotShip && below.secondary == nil && below.queriesNeeded == nil)
    }

    @Test func aDifferenceThatIsNotSignificantGivesCannotTell() throws {
        let found = try #require(
            verdict([.init("black-box", 0.3), .init("linear-adapter", 0.36), .init("mafin", 0.363)]))
        #expect(found.decision == .cannotTell)
        // Both systems have noise of .05, so about (1.96 + .84)² · 2 · .05² / .003² queries are needed.
        #expect((2_500...7_500).contains(found.queriesNeeded ?? 0))
    }

    /// Three seeds that differ widely do not show a gain that one good seed alone would show.
    @Test func disagreeingSeedsWidenTheInterval() throws {
        let systems: [MadeUpOutcome.System] = [.init("black-box", 0.3, isSeeded: false), .init("mafin", 0.33)]
        let agreeing = try #require(verdict(systems, seeds: 3, spread: 0.001))
        let disagreeing = try #require(verdict(systems, seeds: 3, spread: 0.05))
        #expect(agreeing.decision == .ship && disagreeing.decision == .cannotTell)
        let (a, b) = (agreeing.primary.difference, disagreeing.primary.difference)
        #expect(abs(a.mean - b.mean) < 1e-9 && b.low < 0 && a.low > 0 && b.p > a.p && b.includesSeeds)
    }

    @Test func withoutATrainedEncoderThereIsNone() {
        #expect(verdict([.init("black-box", 0.3), .init("nudge-n", 0.4)], chosen: nil) == nil)
    }

    /// With pure noise, the decision is "ship" in at most one of twenty comparisons.
    @Test func noiseAloneIsRarelyShipped() {
        var generator = RandomGenerator(seed: 41)
        func noise() -> RunEvaluation {
            let values = (0..<100).map { _ in Double(generator.normal()) }
            return RunEvaluation(
                queryIds: (0..<100).map { "\($0)" }, values: [MadeUpOutcome.metric: values],
                means: [MadeUpOutcome.metric: values.reduce(0, +) / 100], queriesWithoutRelevantDocument: 0,
                queriesWithoutResult: 0)
        }
        var shipped = 0
        for _ in 0..<200 {
            var outcome = MadeUpOutcome.outcome([.init("mafin", 0.4)])
            outcome.rows = ["black-box", "bm25", "nudge-n", "mafin", "mafin+bm25"].map {
                ComparisonRow(
                    name: $0, seed: 1, development: Double(generator.uniform()), choices: [:], evaluation: noise())
            }
            let verdict = ComparisonVerdict(
                outcome, metric: MadeUpOutcome.metric, bootstrap: PairedBootstrap(resamples: 200),
                randomization: PairedRandomizationTest(permutations: 400))
            if verdict?.decision == .ship { shipped += 1 }
        }
        #expect(shipped <= 10, "\(shipped) of 200")
    }
}

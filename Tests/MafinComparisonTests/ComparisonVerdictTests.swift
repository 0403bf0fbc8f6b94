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

    @Test func aCandidateBetterThanTheBlackBoxIsShipped() throws {
        let found = try #require(
            verdict([
                .init("black-box", 0.3), .init("black-box+bm25", 0.34), .init("mafin", 0.4),
                .init("tuned-alone-mixed", 0.39),
            ]))
        #expect(found.decision == .ship && found.candidate == "mafin" && found.primary.other == "black-box")
        #expect(found.secondary?.system == "mafin" && found.secondary?.other == "black-box+bm25")
        #expect(abs((found.jointTraining?.difference.mean ?? 0) - 0.01) < 1e-9)
        #expect(found.cost == .init([.blackBox, .local]))
        #expect(found.cost.asksBlackBox && found.cost.encodesLocally)
        #expect(!found.cost.searchesWords && !found.cost.searchesMemory)
    }

    /// A sum without encoder may win. The secondary test then is what the best encoder would add, and does not decide.
    @Test func aSumWithoutEncoderMayBeTheCandidate() throws {
        let found = try #require(
            verdict([
                .init("black-box", 0.3), .init("composition-without-encoder", 0.36, development: 0.45),
                .init("mafin", 0.42, development: 0.4),
            ]))
        #expect(found.candidate == "composition-without-encoder" && found.decision == .ship)
        #expect(found.secondary?.system == "mafin" && found.secondary?.other == found.candidate)
        #expect(!found.cost.encodesLocally && found.cost.searchesWords && found.cost.searchesMemory)
    }

    /// Within the margin on dev, or without significance where each query's value is known, the system without encoder
    /// is chosen.
    @Test func theSimplerSystemIsTakenUnlessItIsWorseOnDev() throws {
        func outcome(_ gain: Double) -> ComparisonOutcome {
            MadeUpOutcome.outcome([
                .init("black-box", 0.3), .init("black-box+bm25", 0.34, development: 0.36),
                .init("mafin+bm25", 0.4, development: 0.36 + gain),
            ])
        }
        #expect(ComparisonVerdict.candidate(of: outcome(0.0015)) == "black-box+bm25")
        #expect(ComparisonVerdict.candidate(of: outcome(0.003)) == "mafin+bm25")
        func candidate(_ gain: Double, noise: Double) -> String? {
            var generator = RandomGenerator(seed: 5)
            var outcome = outcome(gain)
            let values = (0..<400).map { _ in noise * Double(generator.normal()) }
            outcome.developmentValues = [
                "black-box+bm25": [[Double](repeating: 0.3, count: 400)], "mafin+bm25": [values],
            ]
            return ComparisonVerdict.candidate(of: outcome)
        }
        // The standard error is noise / 20.
        #expect(candidate(0.02, noise: 0.3) == "black-box+bm25")
        #expect(candidate(0.06, noise: 0.3) == "mafin+bm25")
        #expect(candidate(0.001, noise: 0.002) == "mafin+bm25")
    }

    /// The means of both groups, computed by hand.
    @Test func gainsOnKnownAndNewDocuments() throws {
        var outcome = MadeUpOutcome.outcome([.init("black-box", 0.3), .init("mafin", 0.4)])
        let ids = outcome.rows[0].evaluation.queryIds
        let learned = Qrels(ids.prefix(150).map { ("t\($0)", "d\($0)", 1) })
        let measured = Qrels(ids.map { ($0, "d\($0)", 1) })
        outcome.partition = QueryPartition(
            measured, learned: [learned], identity: ContentIdentity(queries: [], documents: []))
        let found = try #require(ComparisonVerdict(outcome, metric: MadeUpOutcome.metric))
        let differences = outcome.rows[1].evaluation.differences(
            from: outcome.rows[0].evaluation, in: MadeUpOutcome.metric)
        let (known, new) = (try #require(found.known), try #require(found.new))
        #expect(known.queries == 150 && new.queries == 50)
        #expect(abs(known.difference.mean - differences[..<150].reduce(0, +) / 150) < 1e-9)
        #expect(abs(new.difference.mean - differences[150...].reduce(0, +) / 50) < 1e-9)
        #expect(outcome.systems(on: .newDocuments).map(\.name) == ["black-box", "mafin"])
        #expect(outcome.systems(on: .newDocuments)[0].evaluation.mean.queryIds == Array(ids[150...]))
        outcome.partition = nil
        let without = try #require(ComparisonVerdict(outcome, metric: MadeUpOutcome.metric))
        #expect(without.known == nil && without.new == nil && without.primary == found.primary)
    }

    /// A significant gain on 200 queries about two new classes is not shipped; on ten classes it is.
    @Test func fewNewSetsCannotTell() throws {
        func found(classes: Int) throws -> ComparisonVerdict {
            var outcome = MadeUpOutcome.outcome([.init("black-box", 0.3), .init("mafin", 0.4)])
            let ids = outcome.rows[0].evaluation.queryIds
            outcome.partition = QueryPartition(
                Qrels(ids.enumerated().map { ($1, "d\($0 % classes)", 1) }), learned: [],
                identity: ContentIdentity(queries: [], documents: []))
            return try #require(ComparisonVerdict(outcome, metric: MadeUpOutcome.metric))
        }
        let (two, ten) = (try found(classes: 2), try found(classes: 10))
        #expect(two.primary == ten.primary && two.primary.difference.p < 0.05)
        #expect(two.decision == .cannotTell && two.tooFewNewSets == 2 && two.queriesNeeded == nil)
        #expect(ten.decision == .ship && ten.tooFewNewSets == nil)
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
                .init("linear-adapter", 0.31, development: 0.35), .init("black-box+bm25", 0.5, development: 0.34),
                .init("mafin", 0.4, development: 0.4), .init("mafin+bm25", 0.6, development: 0.39),
            ]))
        #expect(found.candidate == "mafin" && found.secondary?.other == "linear-adapter" && found.decision == .ship)
        let fused = try #require(
            verdict([
                .init("black-box", 0.3), .init("mafin", 0.4), .init("mafin+bm25", 0.29, development: 0.41),
            ]))
        #expect(fused.candidate == "mafin+bm25" && fused.cost.searchesWords && fused.decision == .doNotShip)
    }

    @Test func aSystemThatCannotBeServedIsNeverTheCandidate() throws {
        let found = try #require(
            verdict([
                .init("black-box", 0.3), .init("black-box+bm25-rrf", 0.5, development: 0.29), .init("nudge-n", 0.46),
                .init("mafin", 0.36),
            ]))
        #expect(found.decision == .ship && found.candidate == "mafin")
        // What is worse on dev than the black box is no rival.
        #expect(found.secondary == nil)
    }

    /// A system that asks for nothing is no candidate, whatever its figures. The best of them on dev is reported beside it.
    @Test func whatIsLostWithoutAsking() throws {
        let found = try #require(
            verdict([
                .init("black-box", 0.3), .init("mafin", 0.4), .init("stand-in", 0.5, development: 0.28),
                .init("mafin-offline", 0.36, development: 0.45), .init("mafin-offline+bm25", 0.6, development: 0.44),
            ]))
        let offline = try #require(found.offline)
        #expect(found.candidate == "mafin" && offline.system == "mafin-offline")
        #expect(abs(offline.againstBlackBox.difference.mean - 0.06) < 1e-9)
        let lost = try #require(offline.againstCandidate)
        #expect(lost.other == "mafin" && abs(lost.difference.mean + 0.04) < 1e-9 && lost.difference.p < 0.05)
        #expect(!offline.cost.asksBlackBox && offline.cost.encodesLocally && !offline.cost.searchesWords)
        // Nothing else of the verdict changes.
        var without = try #require(verdict([.init("black-box", 0.3), .init("mafin", 0.4)]))
        #expect(without.offline == nil)
        without.offline = offline
        #expect(without == found)
        #expect(verdict([.init("black-box", 0.3), .init("mafin-offline", 0.4)]) == nil)
    }

    /// Shares and means counted by hand: the last query is the one of which the ranking is least sure.
    @Test func theCurveOfAskingSomeQueries() throws {
        var outcome = MadeUpOutcome.outcome([.init("mafin", 0.4), .init("mafin-offline", 0.36)])
        let (asking, count) = (outcome.rows[0], MadeUpOutcome.queries)
        outcome.rows[1].sureness = QuerySureness(
            development: [0.9, 0.2, 0.5, 0.7], measured: (0..<count).map { 1 - Float($0) / Float(count) })
        outcome.developmentValues = ["mafin": [[1, 1, 0, 1]], "mafin-offline": [[1, 0, 1, 0]]]
        let row = outcome.rows[1]
        let curve = try #require(AskingCurve(row, asking: asking, in: outcome, metric: MadeUpOutcome.metric))
        #expect(curve.system == "mafin-offline" && curve.askingSystem == "mafin")
        let metric = MadeUpOutcome.metric
        let (mine, theirs) = (
            try #require(row.evaluation.values[metric]), try #require(asking.evaluation.values[metric])
        )
        for point in curve.points {
            // Rounding may decide about one query that is at the threshold.
            let asked = (0..<count).count { 1 - Double($0) / Double(count) < point.development.threshold }
            #expect(abs(point.asked * Double(count) - Double(asked)) < 1.5)
        }
        #expect(curve.points.first?.development.asked == 0)
        let last = try #require(curve.points.last)
        #expect(last.asked == 1 && abs(last.metric - theirs.reduce(0, +) / Double(count)) < 1e-12)
        #expect(last.development.metric == 0.75)
        // In the order of sureness, dev is .5, .75, .5, .75, .75: one question of four is enough.
        let chosen = try #require(curve.recommended)
        #expect(chosen.development.asked == 0.25 && chosen.development.metric == 0.75)
        let expected = (0..<count).reduce(0.0) { $0 + (1 - Float($1) / Float(count) < 0.5 ? theirs[$1] : mine[$1]) }
        #expect(abs(chosen.metric - expected / Double(count)) < 1e-12)
        outcome.rows[1].sureness = nil
        #expect(AskingCurve(outcome.rows[1], asking: asking, in: outcome, metric: metric) == nil)
    }

    @Test func aCandidateBelowTheBlackBoxIsNotShipped() throws {
        let below = try #require(verdict([.init("black-box", 0.4), .init("mafin", 0.36)]))
        #expect(below.decision == .doNotShip && below.secondary == nil && below.queriesNeeded == nil)
    }

    @Test func aDifferenceThatIsNotSignificantGivesCannotTell() throws {
        let found = try #require(verdict([.init("black-box", 0.36), .init("mafin", 0.363)]))
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

    @Test func withoutASystemToShipThereIsNone() {
        #expect(verdict([.init("black-box", 0.3), .init("nudge-n", 0.4)], chosen: nil) == nil)
        let sum = verdict([.init("black-box", 0.3), .init("black-box+bm25", 0.4)], chosen: nil)
        #expect(sum?.decision == .ship && sum?.secondary == nil && sum?.jointTraining == nil)
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
            outcome.rows = ["black-box", "bm25", "black-box+bm25", "mafin", "mafin+bm25"].map {
                ComparisonRow(
                    name: $0, seed: 1, development: Double(generator.uniform()), choices: [:], evaluation: noise(),
                    sources: MadeUpOutcome.System($0, 0).sources)
            }
            let verdict = ComparisonVerdict(
                outcome, metric: MadeUpOutcome.metric, bootstrap: PairedBootstrap(resamples: 200),
                randomization: PairedRandomizationTest(permutations: 400))
            if verdict?.decision == .ship { shipped += 1 }
        }
        #expect(shipped <= 10, "\(shipped) of 200")
    }
}

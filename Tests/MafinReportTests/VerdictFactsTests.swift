import MafinPipeline
import Testing

@testable import MafinComparison
@testable import MafinReport
@testable import MafinRetrieval

/// The text that a user gets for each verdict.
@Suite struct VerdictFactsTests {
    private static let metric = Metric.nDCG(cutoff: 10)
    private static let means = [
        "black-box": 0.3, "black-box+bm25": 0.34, "nudge-n": 0.45, "mafin": 0.4, "mafin+bm25": 0.43,
        "composition": 0.46,
    ]

    private func test(_ system: String, _ other: String, p: Double = 0.0004, seeds: Bool = false)
        -> ComparisonVerdict.Test
    {
        let mean = (Self.means[system] ?? 0) - (Self.means[other] ?? 0)
        return .init(
            system: system, other: other,
            difference: PairedDifference(mean: mean, low: mean - 0.02, high: mean + 0.02, p: p, includesSeeds: seeds))
    }

    private func words(_ verdict: ComparisonVerdict) -> VerdictFacts {
        var outcome = ComparisonOutcome()
        outcome.rows = Self.means.sorted { $0.key < $1.key }.map { name, mean in
            ComparisonRow(
                name: name, seed: 1, development: mean,
                choices: name == "mafin+bm25" ? ["weight": .number(0.25), "normalization": .text("z-score")] : [:],
                evaluation: RunEvaluation(
                    queryIds: ["q"], values: [Self.metric: [mean]], means: [Self.metric: mean],
                    queriesWithoutRelevantDocument: 0, queriesWithoutResult: 0))
        }
        return VerdictFacts(verdict, outcome, split: "test", queries: 1_200, metric: Self.metric)
    }

    @Test func shipping() throws {
        let found = words(
            ComparisonVerdict(
                decision: .ship, artefact: "mafin", primary: test("mafin", "black-box"),
                secondary: test("mafin", "black-box+bm25", p: 0.031),
                jointTraining: test("mafin", "black-box+bm25", p: 0.4)))
        #expect(VerdictFacts.answer(found.decision, "Mafin") == "Ship Mafin")
        #expect(
            found.reason
                == "On 1,200 test queries, Mafin reaches .400 nDCG@10 and the black box .300: a difference of +.100 "
                + "(95 % interval +.080 to +.120, p < .001). Mafin is better than Black box + BM25, the best on dev that trains no encoder "
                + "(.340): +.060 (95 % interval +.040 to +.080, p = .031).")
        let notes = try #require(found.notes)
        #expect(
            notes[0]
                == "These two tests were fixed before test was measured; shipping takes both, so their p is not corrected for the other "
                + "systems in the table. The method was trained with one seed: the variance between seeds is not included."
        )
        #expect(notes[1].hasPrefix("Joint training differs from tuning the same encoder alone") && notes.count == 2)
        #expect(
            found.againstBlackBox?.other == "black-box" && found.againstBestWithoutEncoder?.other == "black-box+bm25")
    }

    @Test func shippingWithBM25() {
        let found = words(
            ComparisonVerdict(decision: .ship, artefact: "mafin", primary: test("mafin+bm25", "black-box", seeds: true))
        )
        #expect(found.system == "mafin+bm25")
        #expect(
            found.notes?[0]
                == "This test was fixed before test was measured, so its p is not corrected for the other systems in the table. "
                + "Intervals and p include the variance between seeds.")
        #expect(
            found.notes?[1]
                == "Without BM25 the artefact, Mafin, reaches .400. A search request turns BM25 on with \"bm25\": 0.25. The service "
                + "scales scores by min-max; this comparison chose another scale, so served figures may differ a little."
        )
    }

    @Test func notShipping() {
        let found = words(
            ComparisonVerdict(
                decision: .doNotShip, artefact: "mafin", primary: test("mafin", "black-box"),
                secondary: test("mafin", "nudge-n", p: 0.002)))
        #expect(VerdictFacts.answer(found.decision, "Mafin") == "Do not ship Mafin")
        #expect(
            found.reason.contains("Mafin is worse than NUDGE-N, the best on dev that trains no encoder (.450): −.050"))
    }

    @Test func aDifferenceThatIsNotSignificantGivesCannotTell() {
        let found = words(
            ComparisonVerdict(
                decision: .cannotTell, artefact: "mafin", primary: test("mafin", "black-box", p: 0.055),
                queriesNeeded: 2_345))
        #expect(VerdictFacts.answer(found.decision, "Mafin") == "Cannot tell whether to ship Mafin")
        #expect(found.reason.contains("p = .055"))
        #expect(
            found.reason.hasSuffix("No system without a trained encoder was better on dev than the black box alone."))
        #expect(
            found.notes?.last == "About 2,345 labelled test queries would be needed to show a difference of this size.")
    }

    @Test func theTextSaysThatNoCommandServesAComposition() {
        let found = words(
            ComparisonVerdict(
                decision: .ship, artefact: "mafin", primary: test("mafin", "black-box"),
                builtOnArtefact: test("composition", "mafin")))
        #expect(
            found.notes?[1]
                == "Composition, which is built on the artefact, was better on dev. On test it reaches .460, a difference of +.060 "
                + "(95 % interval +.040 to +.080, p < .001) to Mafin. No command serves it; its rankings are in runs/.")
    }
}

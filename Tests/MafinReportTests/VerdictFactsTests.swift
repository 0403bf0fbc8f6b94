import MafinPipeline
import Testing

@testable import MafinComparison
@testable import MafinReport
@testable import MafinRetrieval

/// The text that a user gets for each verdict.
@Suite struct VerdictFactsTests {
    private static let metric = Metric.nDCG(cutoff: 10)
    private static let means = [
        "black-box": 0.3, "black-box+bm25": 0.34, "composition-without-encoder": 0.36, "mafin": 0.4,
        "mafin+bm25": 0.43, "composition": 0.46,
    ]

    private func difference(_ mean: Double, p: Double = 0.0004, seeds: Bool = false) -> PairedDifference {
        PairedDifference(mean: mean, low: mean - 0.02, high: mean + 0.02, p: p, includesSeeds: seeds)
    }

    private func test(_ system: String, _ other: String, p: Double = 0.0004, seeds: Bool = false)
        -> ComparisonVerdict.Test
    {
        let mean = (Self.means[system] ?? 0) - (Self.means[other] ?? 0)
        return .init(system: system, other: other, difference: difference(mean, p: p, seeds: seeds))
    }

    private func words(
        _ verdict: ComparisonVerdict, costs: CostFacts? = nil, seed: UInt64? = nil
    ) -> VerdictFacts {
        var outcome = ComparisonOutcome()
        outcome.rows = Self.means.sorted { $0.key < $1.key }.map { name, mean in
            ComparisonRow(
                name: name, seed: 1, development: mean, choices: [:],
                evaluation: RunEvaluation(
                    queryIds: ["q"], values: [Self.metric: [mean]], means: [Self.metric: mean],
                    queriesWithoutRelevantDocument: 0, queriesWithoutResult: 0))
        }
        let chosen = seed.map {
            ChosenFacts(
                name: verdict.candidate, seed: $0, weights: nil,
                all: GroupResult(queries: 1_200, metrics: [Self.metric: 0.437]))
        }
        return VerdictFacts(
            verdict, outcome, split: "test", queries: 1_200, metric: Self.metric, chosen: chosen, costs: costs)
    }

    /// The three numbers: the gain on known documents, the gain on new ones, and what a query costs.
    @Test func shippingASystemWithAnEncoder() throws {
        let verdict = ComparisonVerdict(
            decision: .ship, primary: test("mafin+bm25", "black-box"),
            secondary: test("mafin+bm25", "black-box+bm25", p: 0.031),
            known: .init(queries: 1_100, difference: difference(0.15)),
            new: .init(queries: 100, difference: difference(0.05, p: 0.02)),
            cost: .init([.blackBox, .local, .bm25]),
            jointTraining: .init(system: "mafin", other: "tuned-alone-mixed", difference: difference(0.01, p: 0.4)))
        let costs = CostFacts(
            searchMilliseconds: .init(before: 0.5, after: 0.9), encoderMilliseconds: 3.4)
        let found = words(verdict, costs: costs)
        #expect(VerdictFacts.answer(found.decision, "Mafin") == "Ship Mafin")
        #expect(
            found.reason
                == "On 1,200 test queries, Mafin + BM25 reaches .430 nDCG@10 and the black box .300: a difference of +.130 "
                + "(95 % interval +.110 to +.150, p < .001). It is +.150 (95 % interval +.130 to +.170, p < .001) for 1,100 queries about known "
                + "documents, and +.050 (95 % interval +.030 to +.070, p = .020) for 100 queries about new documents. A query needs the API, "
                + "the local encoder and BM25: 4.3 ms of computing beside the call to the API.")
        #expect(
            found.notes == [
                "This test was fixed before test was measured, so its p is not corrected for the other systems in the table. The encoder "
                    + "was trained with one seed: the variance between seeds is not included.",
                "The trained encoder adds +.090 (95 % interval +.070 to +.110, p = .031): the difference to Black box + BM25, the best on dev "
                    + "without one.",
                "Joint training differs from tuning the same encoder alone and mixing it in afterwards by +.010 (95 % interval −.010 to "
                    + "+.030, p = .400).",
            ])
        #expect(found.system == "mafin+bm25" && found.againstBlackBox == verdict.primary)
        #expect(found.known == verdict.known && found.new == verdict.new && found.encoder == verdict.secondary)
    }

    /// A system without an encoder was chosen, because the one with an encoder is not better on dev beyond chance.
    @Test func shippingASystemWithoutAnEncoder() throws {
        let found = words(
            ComparisonVerdict(
                decision: .ship, primary: test("composition-without-encoder", "black-box"),
                secondary: test("composition", "composition-without-encoder", p: 0.2),
                known: .init(queries: 1_190, difference: difference(0.07)),
                new: .init(queries: 10, difference: difference(-0.01, p: 0.6)),
                cost: .init([.blackBox, .bm25, .queryMemory])))
        #expect(found.reason.hasSuffix("A query needs the API, BM25 and the memory of queries."))
        #expect(
            found.notes == [
                "This test was fixed before test was measured, so its p is not corrected for the other systems in the table.",
                "10 queries about new documents are too few to predict the gain on documents that are added later.",
                "Composition, the best on dev with a trained encoder, was not better there beyond chance. On test it differs from "
                    + "Composition, no encoder by +.100 (95 % interval +.080 to +.120, p = .200).",
            ])
    }

    @Test func anArtefactIsThatOfOneSeed() throws {
        let found = words(
            ComparisonVerdict(
                decision: .ship, primary: test("mafin", "black-box", seeds: true), cost: .init([.blackBox, .local])),
            seed: 3)
        let notes = try #require(found.notes)
        #expect(notes[0].hasSuffix(" Intervals and p include the variance between seeds."))
        #expect(notes[1] == "The artefact is that of seed 3, the best on dev. It reaches .437.")
        // No query is about known documents, and none about new ones, that could tell.
        #expect(found.reason.hasSuffix("p < .001). A query needs the API and the local encoder."))
    }

    @Test(arguments: [true, false]) func aGroupThatIsTooSmallIsNamed(isKnown: Bool) {
        let gain = ComparisonVerdict.Gain(queries: 1_199, difference: difference(0.1))
        let found = words(
            ComparisonVerdict(
                decision: .ship, primary: test("mafin", "black-box"), known: isKnown ? gain : nil,
                new: isKnown ? nil : gain, cost: .init([.blackBox, .local])))
        #expect(
            found.reason.contains(
                "for 1,199 queries about \(isKnown ? "known" : "new") documents. There are too few about "
                    + "\(isKnown ? "new" : "known") documents to tell what it is there."))
    }

    @Test func notShipping() {
        let found = words(
            ComparisonVerdict(
                decision: .doNotShip, primary: test("black-box", "mafin"), cost: .init([.bm25])))
        #expect(VerdictFacts.answer(found.decision, "BM25") == "Do not ship BM25")
        #expect(found.reason.contains("a difference of −.100") && found.reason.hasSuffix("A query needs BM25."))
    }

    @Test func aDifferenceThatIsNotSignificantGivesCannotTell() {
        let found = words(
            ComparisonVerdict(
                decision: .cannotTell, primary: test("mafin", "black-box", p: 0.055), cost: .init([.blackBox, .local]),
                queriesNeeded: 2_345))
        #expect(VerdictFacts.answer(found.decision, "Mafin") == "Cannot tell whether to ship Mafin")
        #expect(found.reason.contains("p = .055"))
        #expect(
            found.notes?.last == "About 2,345 labelled test queries would be needed to show a difference of this size.")
    }

    /// What is lost without asking, and what is saved, with and without a price.
    @Test func answeringWithoutAsking() throws {
        func offline(_ ms: Double?, price: Double?) -> OfflineFacts {
            var outcome = ComparisonOutcome()
            outcome.rows = [
                ComparisonRow(
                    name: "mafin-offline", seed: 1, development: 0.38, choices: [:],
                    evaluation: RunEvaluation(queryIds: ["q"], values: [Self.metric: [0.38]]))
            ]
            return OfflineFacts(
                ComparisonVerdict.Offline(
                    againstBlackBox: .init(system: "mafin-offline", other: "black-box", difference: difference(0.08)),
                    againstCandidate: .init(
                        system: "mafin-offline", other: "composition", difference: difference(-0.08, p: 0.002)),
                    known: .init(queries: 1_100, difference: difference(0.09)),
                    new: .init(queries: 100, difference: difference(0.02, p: 0.2)), cost: .init([.standIn, .local])),
                outcome, split: "test", metric: Self.metric, shipped: nil, milliseconds: ms, tokensPerQuery: 12.5,
                price: price)
        }
        let found = offline(6.25, price: 0.02)
        #expect(found.savedPerThousandQueries.map { abs($0 - 0.02 * 12.5 / 1_000) < 1e-12 } == true)
        #expect(
            found.reason.hasPrefix(
                "Without asking the API, Mafin without the API reaches .380 nDCG@10: a difference of −.080 (95 % interval −.100 to −.060, "
                    + "p = .002) to Composition, and of +.080 (95 % interval +.060 to +.100, p < .001) to the black box. The last is +.090 "
                    + "(95 % interval +.070 to +.110, p < .001) for 1,100 queries about known documents, and +.020 (95 % interval ±.000 to "
                    + "+.040, p = .200) for 100 queries about new documents. A query then needs the local encoder: "),
            "\(found.reason)")
        #expect(
            found.reason.contains(" for a thousand queries at the given price (12.5 tokens each"), "\(found.reason)")
        #expect(found.curve == nil && !found.reason.contains("threshold"))
        let unknown = offline(nil, price: nil)
        #expect(unknown.savedPerThousandQueries == nil && unknown.reason.hasSuffix("which was not given (--price)."))
        #expect(unknown.reason.contains("A query then needs the local encoder. It saves the API’s own time"))
    }
}

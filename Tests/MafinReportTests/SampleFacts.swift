import Foundation
import MafinBlackBox
import MafinMethod
import MafinRetrieval

@testable import MafinComparison
@testable import MafinPipeline
@testable import MafinReport

/// An invented comparison with every section: none of its numbers was measured.
enum SampleFacts {
    static let nDCG = Metric.nDCG(cutoff: 10)

    /// All sections; `foreign` is applied to every text that comes from the data.
    static func whole(queries count: Int = 60, foreign: (String) -> String = { $0 }) -> ComparisonFacts {
        let values = perQuery(count)
        var facts = ComparisonFacts(
            title: foreign("A made-up collection"), split: "test", baseline: "black-box", queries: count,
            queriesWithoutRelevantDocument: 2, systems: systems(values))
        facts.created = "2025-11-24"
        facts.statistics = StatisticsFacts(
            comparisons: 3, detectable: .init(metric: nDCG, difference: 0.0187, power: 0.8))
        facts.subsets = [
            QuerySubset(name: "without-twins", title: "Without twins", summary: "no near duplicate", queries: 58)
        ]
        facts.newDocuments = NewDocumentFacts(
            knownQueries: 21, newQueries: 39, namedShare: 0.38, expected: 0.25, isGiven: false)
        facts.chosen = chosen
        facts.offline = offline
        facts.perQuery = values
        facts.verdict = verdict
        facts.headToHead = HeadToHeadFacts(
            system: "mafin-bm25", metric: nDCG,
            opponents: [("black-box", 0.081, 0.0004), ("bm25", 0.152, 0.0004), ("mafin", 0.012, 0.31)].map {
                .init(
                    name: $0.0,
                    difference: MetricDifference(mean: $0.1, low: $0.1 - 0.02, high: $0.1 + 0.02, p: $0.2, pHolm: $0.2))
            })
        facts.examples = examples(foreign)
        addCourse(to: &facts)
        addData(to: &facts, foreign)
        facts.omissions = [Omission(what: "nudge-n", reason: foreign("The time was over."))]
        return facts
    }

    /// Only the sections that every comparison has.
    static var minimal: ComparisonFacts {
        ComparisonFacts(
            title: "Nothing but means", split: "dev", baseline: "black-box", queries: 1,
            systems: [SystemFacts(name: "black-box", metrics: [nDCG: 0.25])])
    }

    private static func perQuery(_ count: Int) -> PerQueryFacts {
        func values(_ shift: Double, _ phase: Double) -> [Double] {
            (0..<count).map { index in
                let base = 0.5 + 0.45 * sin(Double(index) * 1.7)
                return min(1, max(0, base + (index % 3 == 0 ? 0 : shift * (1 + sin(Double(index) * phase)))))
            }
        }
        return PerQueryFacts(
            queryIds: (0..<count).map { "q\($0)" }, texts: (0..<count).map { "query <number> \($0)" },
            systems: [
                .init(name: "black-box", values: [nDCG: values(0, 1)]),
                .init(name: "bm25", values: [nDCG: values(-0.08, 2.3)]),
                .init(name: "mafin", values: [nDCG: values(0.06, 3.1)]),
                .init(name: "mafin-bm25", values: [nDCG: values(0.09, 0.7)]),
            ])
    }

    private static func systems(_ values: PerQueryFacts) -> [SystemFacts] {
        let base = values.values(of: "black-box", in: nDCG) ?? []
        let titles = [
            "black-box": ("Black box", "stored answers"), "bm25": ("BM25", "k1 = 1.2, b = .75"),
            "mafin": ("Mafin", "trained beside the black box"), "mafin-bm25": ("Mafin + BM25", "fused, weight on dev"),
        ]
        return values.systems.enumerated().map { index, system in
            let mine = system.values[nDCG] ?? []
            let mean = mine.reduce(0, +) / Double(mine.count)
            let recall = 0.3141 + 0.0173 * Double(index)
            let difference = zip(mine, base).map { $0 - $1 }.reduce(0, +) / Double(mine.count)
            func around(_ mean: Double) -> MetricDifference {
                MetricDifference(
                    mean: mean, low: mean - 0.0213, high: mean + 0.0224, p: abs(mean) > 0.03 ? 0.0001 : 0.21,
                    pHolm: abs(mean) > 0.03 ? 0.0003 : 0.42)
            }
            let isBaseline = system.name == "black-box"
            func group(_ queries: Int, _ shift: Double) -> GroupResult {
                GroupResult(
                    queries: queries, metrics: [nDCG: mean + shift],
                    difference: isBaseline ? nil : [nDCG: around(difference + shift)])
            }
            let twinless = group(58, 0.0063)
            return SystemFacts(
                name: system.name, title: titles[system.name]?.0, summary: titles[system.name]?.1,
                metrics: [nDCG: mean, .recall(cutoff: 100): recall],
                difference: isBaseline
                    ? nil : [nDCG: around(difference), .recall(cutoff: 100): around(recall - 0.3141)],
                known: group(21, 0.0412), new: group(39, -0.0157),
                development: DevelopmentFacts(mean: mean + 0.021, known: mean + 0.033, new: mean - 0.015),
                seeds: index > 1
                    ? [nDCG: SeedSummary([mean, mean - 0.0031, mean + 0.0012], standardError: 0.001)] : nil,
                subsets: [
                    SubsetResult(
                        subset: "without-twins", metrics: twinless.metrics, difference: twinless.difference)
                ],
                seconds: 12.5 * Double(index + 1))
        }
    }

    static var chosen: ChosenFacts {
        ChosenFacts(
            name: "mafin-bm25", seed: 2,
            weights: SourceWeights([
                (.blackBox, 20.125), (.local, 11.5), (.bm25, 0.4375),
                (SourceName(rawValue: "query-memory-medium"), 140),
            ]),
            all: GroupResult(queries: 60, metrics: [nDCG: 0.5712]),
            known: GroupResult(queries: 21, metrics: [nDCG: 0.6218]),
            new: GroupResult(queries: 39, metrics: [nDCG: 0.5439]))
    }

    private static var offline: OfflineFacts {
        func test(_ other: String, _ mean: Double) -> ComparisonVerdict.Test {
            .init(
                system: "bm25", other: other,
                difference: .init(mean: mean, low: mean - 0.0111, high: mean + 0.0122, p: 0.0321, includesSeeds: true))
        }
        let points = [(0.0, 0.0, 0.51, 0.04, 0.505), (0.5, 0.5, 0.56, 0.46, 0.551), (1.01, 1, 0.562, 1, 0.5712)]
        return OfflineFacts(
            system: "bm25", reason: "Without asking the API, little is lost.",
            againstBlackBox: test("black-box", 0.0123),
            againstChosen: test("mafin-bm25", -0.0456),
            known: .init(queries: 21, difference: test("", 0.01).difference),
            new: .init(queries: 39, difference: test("", 0.02).difference), query: .init([.standIn, .bm25]),
            shipped: ChosenFacts(
                name: "bm25", seed: 1, weights: SourceWeights([(.standIn, 12), (.bm25, 0.5)]),
                all: GroupResult(queries: 60, metrics: [nDCG: 0.505])),
            milliseconds: 4.2, tokensPerQuery: 8.5, savedPerThousandQueries: 0.00017,
            curve: AskingCurve(
                system: "bm25", askingSystem: "mafin-bm25", metric: nDCG,
                points: points.map {
                    .init(
                        development: .init(threshold: $0.0, asked: $0.1, metric: $0.2), asked: $0.3, metric: $0.4)
                }))
    }

    private static var verdict: VerdictFacts {
        func difference(_ mean: Double) -> PairedDifference {
            PairedDifference(mean: mean, low: mean - 0.0311, high: mean + 0.0322, p: 0.0123, includesSeeds: true)
        }
        return VerdictFacts(
            decision: .ship, system: "mafin-bm25",
            reason: "nDCG@10 rises over the black box, and the whole interval lies above 0.",
            notes: ["The artefact is that of seed 2.", "Joint training’s own share is +.003."],
            againstBlackBox: .init(system: "mafin-bm25", other: "black-box", difference: difference(0.0811)),
            known: .init(queries: 21, difference: difference(0.1234)),
            new: .init(queries: 39, difference: difference(0.0456)),
            encoder: .init(system: "mafin-bm25", other: "bm25", difference: difference(0.0199)),
            costs: CostFacts(
                query: .init([.blackBox, .local, .bm25, .queryMemory]),
                dimensions: .init(before: 1536, after: 1920), indexBytes: .init(before: 20_860_000, after: 26_075_000),
                searchMilliseconds: .init(before: 0.61, after: 0.92), encoderMilliseconds: 3.4, tokensToBuyAgain: 0,
                trainingSeconds: 245, machine: "two cores"),
            command: "mafin index REPORT/artefact --data DATA --output REPORT/index",
            commandForOthers: "mafin ship REPORT --system NAME --output ARTEFACT",
            shippable: ["mafin-bm25", "mafin", "bm25"])
    }

    static func examples(_ foreign: (String) -> String = { $0 }) -> ExampleFacts {
        func ranking(_ ids: [Int], other: [Int], parts: Bool) -> [RankedDocument] {
            ids.enumerated().map { place, id in
                let parts = ScoreParts([
                    .init(source: .blackBox, value: 0.31 - 0.011 * Double(id % 7)),
                    .init(source: .local, value: 0.22 - 0.017 * Double(id % 5) - (id == 3 ? 0.3 : 0)),
                    .init(source: .bm25, value: 0.013 * Double(id % 3)),
                    .init(source: SourceName(rawValue: "query-memory-medium"), value: id % 4 == 0 ? 0.125 : 0),
                ])
                return RankedDocument(
                    id: "d\(id)", rank: place + 1, score: parts.total, parts: parts,
                    grade: id % 4 == 0 ? 2 : id % 4 == 1 ? 0 : nil,
                    otherRank: other.firstIndex(of: id).map { $0 + 1 } ?? 40 + id)
            }
        }
        func example(_ index: Int, _ before: Double, _ after: Double) -> QueryExample {
            let (first, second) = (Array(1...10), [8, 1, 12, 4, 2, 11, 3, 5, 16, 13])
            let documents = Dictionary(
                uniqueKeysWithValues: Set(first + second).map { id in
                    (
                        "d\(id)",
                        DocumentText(
                            title: id % 3 == 0 ? "" : foreign("Passage \(id)"),
                            text: foreign("The text of passage \(id), which says what there is to say."),
                            omittedCharacters: id == 5 ? 1234 : nil)
                    )
                })
            let pieces: [ScoreAttribution.Piece] = [
                .init(text: foreign("which"), contribution: -0.0123), .init(text: " "),
                .init(text: foreign("passage"), contribution: 0.0874), .init(text: "?", contribution: 0.0001),
            ]
            return QueryExample(
                queryId: "q\(index)", query: foreign("which passage answers question \(index)?"), baselineValue: before,
                systemValue: after, relevantDocuments: 3, baselineRanking: ranking(first, other: second, parts: false),
                systemRanking: ranking(second, other: first, parts: true), documents: documents,
                attributions: index == 1
                    ? [
                        DocumentAttribution(
                            documentId: "d8",
                            query: .init(method: .leaveOneOut, side: .query, score: 0.1534, pieces: pieces),
                            document: .init(method: .leaveOneOut, side: .document, score: 0.1534, pieces: pieces))
                    ] : nil)
        }
        return ExampleFacts(
            system: "mafin", baseline: "black-box", metric: nDCG, depth: 10,
            balance: Balance(differences: [0.5, 0.2, 0, -0.25]),
            wins: [example(1, 0.1312, 0.8631), example(2, 0, 0.6309)], losses: [example(3, 1, 0.3562)])
    }

    private static func addCourse(to facts: inout ComparisonFacts) {
        facts.trainingCurves = ["mafin", "mafin-bm25"].flatMap { name in
            (1...2).map { seed in
                TrainingCurve(
                    system: name, seed: UInt64(seed),
                    loss: course(1, from: 5.1, to: 3.1 + 0.1 * Double(seed), every: 3),
                    development: course(0, from: 0.331, to: 0.371 - 0.002 * Double(seed), every: 2), metric: "nDCG@10",
                    keptStep: 350)
            }
        }
        facts.lambdaSweeps = [
            LambdaSweepFacts(
                system: "mafin", split: "dev",
                sweep: LambdaSweep(metric: "nDCG@10") { 0.329 + 0.19 * Double($0 * (1 - $0)) }, chosen: 0.4520,
                choice: "fitted by likelihood on dev")
        ]
        func point(_ queries: Int, _ width: Double) -> LearningCurveFacts.Point {
            let gain = 0.06 - 0.35 / Double(queries).squareRoot()
            return .init(queries: queries, gain: gain, low: gain - width, high: gain + width)
        }
        facts.learningCurve = LearningCurveFacts(
            system: "mafin", metric: nDCG, measured: [50, 100, 200, 500, 1000].map { point($0, 0.0192) },
            foreseen: [1000, 2000, 4000].map { point($0, 0.0047) }, model: "gain = a − b / √n",
            expectation: "With twice the labels, expect +.052.")
        facts.scoreHistograms = [
            ScoreHistogramFacts(
                title: "Black box",
                groups: [
                    ("relevant", (0..<200).map { 0.4 + 0.1 * sin(Double($0)) }),
                    ("other", (0..<900).map { 0.2 + 0.15 * sin(Double($0) * 1.3) }),
                ], bins: 20)
        ].compactMap(\.self)
    }

    /// A curve that approaches `last`.
    private static func course(_ start: Int, from first: Double, to last: Double, every scale: Double)
        -> [TrainingCurve.Point]
    {
        (start...8).map { index in
            TrainingCurve.Point(step: index * 50, value: last + (first - last) * exp(-Double(index) / scale))
        }
    }

    private static func addData(to facts: inout ComparisonFacts, _ foreign: (String) -> String) {
        facts.data = DataFacts(
            name: foreign("made-up"), documents: 3633, queries: 3237,
            documentWords: .init([12, 143, 230, 951]), queryWords: .init([1, 3, 4]),
            splits: [
                .init(
                    name: "train", queries: 2590, labels: 110_575, relevantDocuments: .init([1, 20, 61]),
                    grades: ["1": 106_535, "2": 4040]),
                .init(
                    name: "test", queries: 323, labels: 12_334, relevantDocuments: .init([1, 15, 47]),
                    grades: ["1": 11_758, "2": 576, "0": 7]),
            ], warnings: ["corpus.jsonl:17: the document has no text (id \"d17\")"])
        facts.leaks = LeakFacts(
            method: "Queries were compared by shingles of five words.", found: 7,
            findings: [
                .init(
                    kind: .query, trainingId: "t1", testId: "q1", trainingText: foreign("What is a statin?"),
                    testText: foreign("what is a statin"), similarity: 0.93)
            ], isAllowed: true)
        facts.suspectedFalseNegatives = SuspectFacts(
            method: "Documents that both halves rank first and nobody judged.", found: 41,
            suspects: [
                .init(
                    queryId: "q9", query: foreign("how do statins work"), documentId: "d77",
                    document: DocumentText(title: foreign("Statins"), text: foreign("They block an enzyme.")),
                    blackBoxRank: 1, localRank: 2)
            ])
        var provenance = ProvenanceFacts()
        provenance.command = "mafin compare --data DATA --time 30m --seeds 3"
        provenance.configuration = [
            .init(title: "Training", settings: [.init("learningRate", "0.00015"), .init("batch", "64")])
        ]
        (provenance.seeds, provenance.versions) = (["training": 1, "split": 2], [.init("mafin", "0.1.0")])
        provenance.inputs = [
            .init(role: "corpus", name: "corpus.jsonl", sha256: String(repeating: "a1", count: 32), count: 3633)
        ]
        (provenance.machine, provenance.seconds) = ("two cores", 1630)
        facts.provenance = provenance
    }
}

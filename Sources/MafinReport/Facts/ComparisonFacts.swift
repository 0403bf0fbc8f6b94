import MafinMethod
import MafinRetrieval

/// Everything that a comparison found out: the facts behind its page, its Markdown and its JSON.
///
/// Plain values; whoever measures fills them in. Sections that were not measured are `nil` and simply absent, and
/// ``omissions`` says why. The JSON holds all fields of an ``MafinRetrieval/EvaluationReport`` under the same names, so what reads
/// that reads this too.
public struct ComparisonFacts: Sendable, Equatable, Codable {
    /// What ``schema`` holds.
    public static let schemaName = "mafin-comparison"
    /// The version that this library writes, and the newest that it reads.
    public static let currentSchemaVersion = 1

    /// Says what the JSON is.
    public private(set) var schema = schemaName
    /// Version of the JSON's layout.
    public private(set) var schemaVersion = currentSchemaVersion

    /// What was compared, in a few words: the heading of the page.
    public var title: String
    /// When, as ISO 8601 writes it.
    public var created: String?
    /// The split that was measured.
    public var split: String
    /// Name of the system to which differences are taken.
    public var baseline: String
    /// The metric that decides.
    public var metric: Metric
    /// Number of queries in every mean.
    public var queries: Int
    /// Judged queries left out because nothing is relevant for them.
    public var queriesWithoutRelevantDocument: Int
    /// The contenders, the baseline among them, in the order in which they are shown.
    public var systems: [SystemFacts]

    /// Whether it pays, and what it costs.
    public var verdict: VerdictFacts?
    /// The system that is best on dev against every other one.
    public var headToHead: HeadToHeadFacts?
    /// How differences were tested.
    public var statistics: StatisticsFacts?
    /// Groups of queries that are reported apart.
    public var subsets: [QuerySubset]?
    /// Every query's values.
    public var perQuery: PerQueryFacts?
    /// Loss and dev metric in the course of training.
    public var trainingCurves: [TrainingCurve]?
    /// The metric by the share of the local half.
    public var lambdaSweeps: [LambdaSweepFacts]?
    /// The gain by the number of labelled queries.
    public var learningCurve: LearningCurveFacts?
    /// Queries that gained and lost most.
    public var examples: ExampleFacts?
    /// How scores are distributed.
    public var scoreHistograms: [ScoreHistogramFacts]?
    /// What the collection is like.
    public var data: DataFacts?
    /// Texts that stand in training and in test.
    public var leaks: LeakFacts?
    /// Documents that nobody judged and that look relevant.
    public var suspectedFalseNegatives: SuspectFacts?
    /// How the figures came about.
    public var provenance: ProvenanceFacts?
    /// What was left out, and why.
    public var omissions: [Omission]?

    /// The facts that there always are; all others are set afterwards.
    public init(
        title: String, split: String, baseline: String, metric: Metric = .nDCG(cutoff: 10), queries: Int,
        queriesWithoutRelevantDocument: Int = 0, systems: [SystemFacts]
    ) {
        self.title = title
        self.split = split
        self.baseline = baseline
        self.metric = metric
        self.queries = queries
        self.queriesWithoutRelevantDocument = queriesWithoutRelevantDocument
        self.systems = systems
    }

    /// The facts of an evaluation: its systems and their differences.
    public init(title: String, _ report: EvaluationReport, metric: Metric = .nDCG(cutoff: 10)) {
        self.init(
            title: title, split: report.split, baseline: report.baseline, metric: metric, queries: report.queries,
            queriesWithoutRelevantDocument: report.queriesWithoutRelevantDocument,
            systems: report.systems.map {
                SystemFacts(name: $0.name, metrics: $0.metrics, difference: $0.difference)
            })
    }

    /// The system of a name.
    public func system(named name: String) -> SystemFacts? { systems.first { $0.name == name } }

    /// The metrics that any system has: the one that decides, those of the standard table in its order, all others by name.
    public var metrics: [Metric] {
        let found = Set(systems.flatMap(\.metrics.keys))
        let others = found.subtracting(Metric.standard).sorted { $0.description < $1.description }
        let all = Metric.standard.filter(found.contains) + others
        return all.filter { $0 == metric } + all.filter { $0 != metric }
    }
}

/// Something that is not in the report.
public struct Omission: Sendable, Equatable, Codable {
    /// A contender, a section, or whatever was expected.
    public var what: String
    /// Why, in a sentence.
    public var reason: String

    /// An omission.
    public init(what: String, reason: String) {
        self.what = what
        self.reason = reason
    }
}

import Foundation
import MafinRetrieval

/// The results of a comparison: the facts behind its page, its Markdown and its JSON.
///
/// They are plain values. Sections that were not measured are `nil`, and ``omissions`` says why. The JSON holds all fields of an
/// `EvaluationReport` under the same names, so a program that reads one reads the other.
public struct ComparisonFacts: Sendable, Equatable, Codable {
    /// The value of ``schema``.
    public static let schemaName = "mafin-comparison"
    /// The version that this library writes, and the newest that it reads. Since version 2 the verdict has its own tests, and intervals and p of
    /// systems with several seeds include the variance between seeds. Since version 3 systems have `known` and `new`, which were two of the
    /// `subsets` before, and the report has `chosen` and `newDocuments`.
    public static let currentSchemaVersion = 3

    /// Marks the JSON as a report of this schema.
    public private(set) var schema = schemaName
    /// Version of the JSON's layout.
    public private(set) var schemaVersion = currentSchemaVersion

    /// What was compared, in a few words: the heading of the page.
    public var title: String
    /// When it was made, in the format of ISO 8601.
    public var created: String?
    /// The split that was measured.
    public var split: String
    /// Name of the system to which differences are taken.
    public var baseline: String
    /// The metric that decides.
    public var metric = Metric.nDCG(cutoff: 10)
    /// Number of queries in every mean.
    public var queries: Int
    /// Judged queries left out because nothing is relevant for them.
    public var queriesWithoutRelevantDocument = 0
    /// The systems, the baseline included, in the order in which they are shown.
    public var systems: [SystemFacts]

    /// The system that was chosen on dev and is shipped; `nil` if there is none.
    public var chosen: ChosenFacts?
    /// The verdict, and what the artefact costs.
    public var verdict: VerdictFacts?
    /// What is lost and saved if the black box is asked for nothing; `nil` if no such system was measured.
    public var offline: OfflineFacts?
    /// What known and new documents are, and how many queries ask for each; `nil` if it is not known.
    public var newDocuments: NewDocumentFacts?
    /// The chosen system, or else the one that is best on dev, against every other one.
    public var headToHead: HeadToHeadFacts?
    /// How differences were tested.
    public var statistics: StatisticsFacts?
    /// Further groups of queries that have figures of their own.
    public var subsets: [QuerySubset]?
    /// Every query's values.
    public var perQuery: PerQueryFacts?
    /// Loss and dev metric in the course of training.
    public var trainingCurves: [TrainingCurve]?
    /// The metric by λ.
    public var lambdaSweeps: [LambdaSweepFacts]?
    /// The gain by the number of labelled queries.
    public var learningCurve: LearningCurveFacts?
    /// The queries that gained and lost most.
    public var examples: ExampleFacts?
    /// How scores are distributed.
    public var scoreHistograms: [ScoreHistogramFacts]?
    /// Facts about the collection.
    public var data: DataFacts?
    /// Texts that are both in training and in the measured split.
    public var leaks: LeakFacts?
    /// Documents without a label that look relevant.
    public var suspectedFalseNegatives: SuspectFacts?
    /// How the figures were made.
    public var provenance: ProvenanceFacts?
    /// What was left out, and why.
    public var omissions: [Omission]?
}

extension ComparisonFacts {
    /// The facts of an evaluation: its systems and their differences.
    public init(title: String, _ report: EvaluationReport, metric: Metric = .nDCG(cutoff: 10)) {
        self.init(
            title: title, split: report.split, baseline: report.baseline, metric: metric, queries: report.queries,
            queriesWithoutRelevantDocument: report.queriesWithoutRelevantDocument,
            systems: report.systems.map {
                SystemFacts(name: $0.name, metrics: $0.metrics, difference: $0.difference)
            })
    }

    /// The verdict's answer in a few words, such as `Ship Mafin + BM25`; `nil` without a verdict.
    public var answer: String? {
        verdict.map { VerdictFacts.answer($0.decision, title(of: $0.system)) }
    }

    /// A sentence on whether intervals and p include the variance between seeds; `nil` if nothing was trained.
    var seedNote: String? {
        guard trainingCurves != nil || systems.contains(where: { $0.seeds != nil }) else { return nil }
        return systems.contains { $0.seeds != nil }
            ? "Intervals and p of systems with several seeds include the variance between seeds."
            : "Each method was trained with one seed: the variance between seeds is not included."
    }

    /// The facts without texts, curves and values of single queries: the part that programs need first.
    public var summary: ComparisonFacts {
        var facts = self
        facts.perQuery = nil
        facts.examples = nil
        facts.scoreHistograms = nil
        facts.trainingCurves = nil
        facts.lambdaSweeps = nil
        facts.suspectedFalseNegatives?.suspects = []
        facts.leaks?.findings = []
        return facts
    }

    /// The table alone.
    public var evaluation: EvaluationReport {
        EvaluationReport(
            split: split, baseline: baseline, queries: queries,
            queriesWithoutRelevantDocument: queriesWithoutRelevantDocument,
            systems: systems.map { SystemEvaluation(name: $0.name, metrics: $0.metrics, difference: $0.difference) })
    }

    /// The system with this name.
    public func system(named name: String) -> SystemFacts? { systems.first { $0.name == name } }

    func title(of name: String) -> String { system(named: name)?.displayName ?? name }

    /// Why the examples are those of another system than the chosen one; `nil` if they are its own.
    var exampleSystemNote: String? {
        guard let examples, let chosen, chosen.name != examples.system else { return nil }
        return "\(title(of: chosen.name)) changes no query, so \(title(of: examples.system)) is shown."
    }

    /// The metrics that any system has: the one that decides, those of the standard table in its order, all others by name.
    public var metrics: [Metric] {
        let all = EvaluationSummary(evaluation).metrics
        return all.filter { $0 == metric } + all.filter { $0 != metric }
    }
}

/// Something that is not in the report.
public struct Omission: Sendable, Equatable, Codable {
    /// A system, or a part of the report.
    public var what: String
    /// Why, in a sentence.
    public var reason: String
}

extension ComparisonFacts {
    /// The facts as JSON at full precision, keys sorted.
    /// - Throws: `EncodingError` if a number is not finite.
    public func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
    }

    /// The fields that every version has.
    struct Head: Decodable {
        var schema: String?
        var schemaVersion: Int?
    }

    /// Reads what ``json()`` wrote.
    /// - Parameter path: where the JSON was, for errors.
    /// - Throws: ``ReportError`` if the data is not JSON or not a report, or if it has a version that this library does not know.
    public init(json data: Data, path: String) throws {
        let decoder = JSONDecoder()
        guard let head = try? decoder.decode(Head.self, from: data) else {
            throw ReportError.notAReport(path: path, found: "no JSON object")
        }
        guard head.schema == Self.schemaName, let version = head.schemaVersion else {
            throw ReportError.notAReport(path: path, found: "JSON without \"schema\": \"\(Self.schemaName)\"")
        }
        guard (1...Self.currentSchemaVersion).contains(version) else {
            throw ReportError.unknownVersion(path: path, found: version, newest: Self.currentSchemaVersion)
        }
        do {
            self = try decoder.decode(Self.self, from: data)
            if version < 3 { readGroupsOfVersion2() }
        } catch let error as DecodingError {
            throw ReportError(error, path: path)
        }
    }
}

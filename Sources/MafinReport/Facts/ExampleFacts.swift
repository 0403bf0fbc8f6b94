import MafinMethod
import MafinPipeline
import MafinRetrieval

/// Queries that gained and lost most, with both rankings.
public struct ExampleFacts: Sendable, Equatable, Codable {
    /// Name of the system.
    public var system: String
    /// Name of the system that it is compared with.
    public var baseline: String
    /// The metric by which queries are won and lost.
    public var metric: Metric
    /// Documents shown of each ranking.
    public var depth: Int
    /// How many queries won, tied and lost in all.
    public var balance: Balance
    /// The biggest gains, the biggest first.
    public var wins: [QueryExample]
    /// The biggest losses, the biggest first.
    public var losses: [QueryExample]

    /// The sources of the scores, in their order; empty if parts are not known.
    var sources: [SourceName] {
        var sources: [SourceName] = []
        for entry in (wins + losses).flatMap({ $0.systemRanking + $0.baselineRanking }) {
            for part in entry.parts?.parts ?? [] where !sources.contains(part.source) { sources.append(part.source) }
        }
        return sources
    }
}

/// One query with both rankings.
public struct QueryExample: Sendable, Equatable, Codable {
    /// The query.
    public var queryId: String
    /// Its text.
    public var query: String
    /// Its image, as a data URL; `nil` for a text.
    public var image: String?
    /// The metric with the baseline.
    public var baselineValue: Double
    /// The metric with the system.
    public var systemValue: Double
    /// How many documents are relevant.
    public var relevantDocuments: Int
    /// The baseline's ranking, cut.
    public var baselineRanking: [RankedDocument]
    /// The system's ranking, cut.
    public var systemRanking: [RankedDocument]
    /// The texts of all documents of both rankings, by identifier.
    public var documents: [String: DocumentText]
    /// How each word contributes to the local encoder's score of a document.
    public var attributions: [DocumentAttribution]?

    /// System minus baseline.
    public var change: Double { systemValue - baselineValue }

    /// The query's text, or its identifier for an image alone.
    var name: String { query.isEmpty ? queryId : query }

    /// Title or start of a document's text on one line; its identifier if it has neither.
    func line(of document: String, _ limit: Int) -> String {
        let text = documents[document].map { $0.title.isEmpty ? $0.text : $0.title } ?? ""
        let line = singleLine(text, limit)
        return line.isEmpty ? document : line
    }
}

/// One document of a ranking.
public struct RankedDocument: Sendable, Equatable, Codable {
    /// The document.
    public var id: String
    /// Its place, from 1.
    public var rank: Int
    /// The score that it is ranked by.
    public var score: Double?
    /// What each source adds to the system's score.
    public var parts: ScoreParts?
    /// Its grade; `nil` if it was not judged.
    public var grade: Int?
    /// Its rank in the other ranking, from 1; `nil` if it is not in that ranking.
    public var otherRank: Int?

    /// Whether it was judged relevant.
    public var isRelevant: Bool { (grade ?? 0) > 0 }
}

/// The text of a document, for the report.
public struct DocumentText: Sendable, Equatable, Codable {
    /// The title; empty if it has none.
    public var title: String
    /// The text, or its start.
    public var text: String
    /// Characters of the text that were cut off; `nil`: none.
    public var omittedCharacters: Int?
    /// The image, as a data URL; `nil` for a text.
    public var image: String?
}

extension DocumentText {
    /// A document. Its text is cut after `limit` characters.
    public init(_ document: Document, limit: Int) {
        let start = document.text.prefix(limit)
        let omitted = document.text[start.endIndex...].count
        self.init(title: document.title, text: String(start), omittedCharacters: omitted > 0 ? omitted : nil)
    }
}

/// How each word contributes to the local encoder's score of one document.
public struct DocumentAttribution: Sendable, Equatable, Codable {
    /// The document.
    public var documentId: String
    /// The words of the query.
    public var query: ScoreAttribution
    /// The words of the document.
    public var document: ScoreAttribution?
}

extension ExampleFacts {
    /// How much is shown.
    public struct Limits: Sendable {
        /// Wins, and as many losses.
        public var count = 20
        /// Documents of each ranking.
        public var depth = 10
        /// Characters of a document's text; those beyond are only counted.
        public var textLength = 4_000

        /// 20 wins and losses, 10 documents, 4,000 characters.
        public init() {}
    }

    /// A system's name and its rankings.
    public typealias System = (name: String, run: Run)

    /// The queries whose metric changed most between two systems, with both rankings.
    ///
    /// Equal changes are in the order of the labels. A query that does not change is not an example, so there may be fewer than requested.
    /// - Parameters:
    ///   - query: the text of a query; `nil` if it is not known, and then its identifier is shown.
    ///   - document: a document, likewise.
    ///   - parts: what each source adds to the system's score.
    public init(
        system: System, baseline: System, qrels: Qrels, metric: Metric, limits: Limits = Limits(),
        query: (_ id: String) -> String? = { _ in nil }, document: (_ id: String) -> Document? = { _ in nil },
        parts: (_ query: String, _ document: String) -> ScoreParts? = { _, _ in nil }
    ) {
        let mine = evaluate(system.run, against: qrels, metrics: [metric])
        let theirs = evaluate(baseline.run, against: qrels, metrics: [metric])
        let differences = mine.differences(from: theirs, in: metric)
        func example(_ index: Int) -> QueryExample {
            let id = mine.queryIds[index]
            func ranked(_ run: Run, beside other: Run) -> [RankedDocument] {
                let others = (other[id] ?? []).ranks
                return (run[id] ?? []).prefix(limits.depth).enumerated().map { place, entry in
                    RankedDocument(
                        id: entry.id, rank: place + 1, score: Double(entry.score), parts: parts(id, entry.id),
                        grade: qrels.grade(query: id, document: entry.id), otherRank: others[entry.id])
                }
            }
            let (before, after) = (ranked(baseline.run, beside: system.run), ranked(system.run, beside: baseline.run))
            let documents = Set((before + after).map(\.id)).compactMap { id in
                document(id).map { (id, DocumentText($0, limit: limits.textLength)) }
            }
            return QueryExample(
                queryId: id, query: query(id) ?? id, baselineValue: theirs.values[metric]?[index] ?? 0,
                systemValue: mine.values[metric]?[index] ?? 0,
                relevantDocuments: qrels.relevantDocuments(of: id).count, baselineRanking: before,
                systemRanking: after, documents: Dictionary(uniqueKeysWithValues: documents))
        }
        /// The largest changes in the direction of a sign. Ties are put in the order of the labels, because `sort` need not be stable.
        func examples(_ sign: Double) -> [QueryExample] {
            differences.indices.filter { sign * differences[$0] > Balance.tolerance }
                .sorted { (-sign * differences[$0], $0) < (-sign * differences[$1], $1) }
                .prefix(limits.count).map(example)
        }
        self.init(
            system: system.name, baseline: baseline.name, metric: metric, depth: limits.depth,
            balance: Balance(differences: differences), wins: examples(1), losses: examples(-1))
    }
}

extension [ScoredDocument] {
    var ranks: [String: Int] {
        Dictionary(enumerated().map { ($1.id, $0 + 1) }, uniquingKeysWith: { first, _ in first })
    }
}

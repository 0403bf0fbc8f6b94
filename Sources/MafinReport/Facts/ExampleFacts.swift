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
}

/// One query with both rankings.
public struct QueryExample: Sendable, Equatable, Codable {
    /// The query.
    public var queryId: String
    /// Its text.
    public var query: String
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

    /// Title or start of a document's text on one line; its identifier where there is neither.
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
    /// The score that placed it.
    public var score: Double?
    /// What the black box and the local encoder add to the joined score.
    public var parts: ScoreParts?
    /// Its grade; `nil` if it was not judged.
    public var grade: Int?
    /// Its place in the other ranking, from 1; `nil` where that does not hold it.
    public var otherRank: Int?

    /// Whether it was judged relevant.
    public var isRelevant: Bool { (grade ?? 0) > 0 }
}

/// The text of a document, for the report.
public struct DocumentText: Sendable, Equatable, Codable {
    /// Empty where it has none.
    public var title: String
    /// The text, or its start.
    public var text: String
    /// Characters of the text that were cut off; `nil`: none.
    public var omittedCharacters: Int?
}

extension DocumentText {
    /// A document, its text cut where it has more than `limit` characters.
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

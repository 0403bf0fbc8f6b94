import MafinMethod
import MafinPipeline
import MafinRetrieval

/// Queries that gained and lost most, with both rankings.
public struct ExampleFacts: Sendable, Equatable, Codable {
    /// Name of the system that is looked at.
    public var system: String
    /// Name of the system that it is compared with.
    public var baseline: String
    /// The metric that says who won.
    public var metric: Metric
    /// Documents shown of each ranking.
    public var depth: Int
    /// How many queries won, tied and lost in all.
    public var balance: Balance
    /// The biggest gains, the biggest first.
    public var wins: [QueryExample]
    /// The biggest losses, the biggest first.
    public var losses: [QueryExample]

    /// Examples from their parts.
    public init(
        system: String, baseline: String, metric: Metric, depth: Int, balance: Balance, wins: [QueryExample],
        losses: [QueryExample]
    ) {
        self.system = system
        self.baseline = baseline
        self.metric = metric
        self.depth = depth
        self.balance = balance
        self.wins = wins
        self.losses = losses
    }
}

/// One query with both rankings.
public struct QueryExample: Sendable, Equatable, Codable {
    /// The query.
    public var queryId: String
    /// What is asked.
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
    /// Which words carried the local half's score of a document.
    public var attributions: [DocumentAttribution]?

    /// System minus baseline.
    public var change: Double { systemValue - baselineValue }

    /// An example from its parts.
    public init(
        queryId: String, query: String, baselineValue: Double, systemValue: Double, relevantDocuments: Int,
        baselineRanking: [RankedDocument], systemRanking: [RankedDocument], documents: [String: DocumentText],
        attributions: [DocumentAttribution]? = nil
    ) {
        self.queryId = queryId
        self.query = query
        self.baselineValue = baselineValue
        self.systemValue = systemValue
        self.relevantDocuments = relevantDocuments
        self.baselineRanking = baselineRanking
        self.systemRanking = systemRanking
        self.documents = documents
        self.attributions = attributions
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
    /// What each half adds to the joined score.
    public var parts: ScoreParts?
    /// Its grade; `nil` where nobody judged it.
    public var grade: Int?
    /// Its place in the other ranking, from 1; `nil` where that does not hold it.
    public var otherRank: Int?

    /// A document of a ranking.
    public init(
        id: String, rank: Int, score: Double? = nil, parts: ScoreParts? = nil, grade: Int? = nil, otherRank: Int? = nil
    ) {
        self.id = id
        self.rank = rank
        self.score = score
        self.parts = parts
        self.grade = grade
        self.otherRank = otherRank
    }

    /// Whether somebody judged it relevant.
    public var isRelevant: Bool { (grade ?? 0) > 0 }
}

/// What can be read of a document.
public struct DocumentText: Sendable, Equatable, Codable {
    /// Empty where it has none.
    public var title: String
    /// The text, or its start.
    public var text: String
    /// Characters of the text that were cut off; `nil`: none.
    public var omittedCharacters: Int?

    /// A text from its parts.
    public init(title: String, text: String, omittedCharacters: Int? = nil) {
        self.title = title
        self.text = text
        self.omittedCharacters = omittedCharacters
    }

    /// A document, its text cut where it has more than `limit` characters.
    public init(_ document: Document, limit: Int) {
        let start = document.text.prefix(limit)
        let omitted = document.text[start.endIndex...].count
        self.init(title: document.title, text: String(start), omittedCharacters: omitted > 0 ? omitted : nil)
    }
}

/// Which words carried the local half's score of one document.
public struct DocumentAttribution: Sendable, Equatable, Codable {
    /// The document.
    public var documentId: String
    /// The words of the query.
    public var query: ScoreAttribution
    /// The words of the document.
    public var document: ScoreAttribution?

    /// An attribution of one document's score.
    public init(documentId: String, query: ScoreAttribution, document: ScoreAttribution? = nil) {
        self.documentId = documentId
        self.query = query
        self.document = document
    }
}

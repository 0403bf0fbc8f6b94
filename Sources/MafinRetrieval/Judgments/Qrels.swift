/// Relevance judgments: for each judged query, the grade of each judged document.
///
/// A document is relevant if its grade is 1 or more (trec_eval's `-l 1`). An unjudged document counts as grade 0.
/// Queries keep the order in which they were first named, so that everything derived from qrels is reproducible.
public struct Qrels: Sendable, Equatable {
    /// The judged queries, in the order of their first label.
    public private(set) var queryIds: [String]
    private var grades: [String: [String: Int]]

    /// No judgments.
    public init() {
        queryIds = []
        grades = [:]
    }

    /// Judgments from `(query, document, grade)`. A later grade of the same pair replaces the earlier one.
    public init(_ labels: [(query: String, document: String, grade: Int)]) {
        self.init()
        for label in labels { insert(query: label.query, document: label.document, grade: label.grade) }
    }

    /// Sets the grade of one document for one query.
    /// - Returns: the grade that the pair had before; `nil` if there was none.
    @discardableResult
    public mutating func insert(query: String, document: String, grade: Int) -> Int? {
        if let previous = grades[query, default: [:]].updateValue(grade, forKey: document) { return previous }
        if grades[query]?.count == 1 { queryIds.append(query) }
        return nil
    }

    /// The grades of one query's judged documents; `nil` for a query without judgments.
    public subscript(queryId: String) -> [String: Int]? { grades[queryId] }

    /// The grade of a document for a query; `nil` if the pair is not judged.
    public func grade(query: String, document: String) -> Int? { grades[query]?[document] }

    /// The relevant documents (grade ≥ 1) of a query, by grade, descending, then by identifier.
    public func relevantDocuments(of queryId: String) -> [(document: String, grade: Int)] {
        (grades[queryId] ?? [:]).filter { $0.value > 0 }
            .map { (document: $0.key, grade: $0.value) }
            .sorted { ($1.grade, $0.document) < ($0.grade, $1.document) }
    }

    /// Whether a query has at least one relevant document.
    public func hasRelevantDocument(_ queryId: String) -> Bool {
        grades[queryId]?.values.contains { $0 > 0 } ?? false
    }

    /// Number of judged pairs of all queries.
    public var pairCount: Int { grades.values.reduce(0) { $0 + $1.count } }

    /// Whether nothing is judged.
    public var isEmpty: Bool { queryIds.isEmpty }

    /// The judgments of the queries for which `isIncluded` returns `true`, in the same order.
    public func filter(_ isIncluded: (_ queryId: String) throws -> Bool) rethrows -> Qrels {
        var kept = Qrels()
        kept.queryIds = try queryIds.filter(isIncluded)
        for query in kept.queryIds { kept.grades[query] = grades[query] }
        return kept
    }
}

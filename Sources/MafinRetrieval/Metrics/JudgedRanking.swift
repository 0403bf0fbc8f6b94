/// One query's ranking as the metrics need it: the grade at each rank, and the grades of all relevant documents.
public struct JudgedRanking: Sendable {
    /// `grades[i]` is the grade of the document at rank `i + 1`; 0 if it is not judged.
    public let grades: [Int]
    /// All positive grades of the query's judgments, best first: the ideal ranking.
    public let idealGrades: [Int]

    /// Number of documents that are relevant for the query, retrieved or not.
    public var relevantCount: Int { idealGrades.count }

    /// The ranking of one query against its judgments.
    /// - Parameters:
    ///   - documents: the ranking, best first; empty for a query without a result list.
    ///   - judgments: the grade of each judged document.
    public init(_ documents: some Sequence<ScoredDocument>, judgments: [String: Int]) {
        grades = documents.map { judgments[$0.id] ?? 0 }
        idealGrades = judgments.values.filter { $0 > 0 }.sorted(by: >)
    }

    /// A ranking from the grade at each rank and the grades of all judged documents.
    public init(grades: [Int], judgedGrades: [Int]) {
        self.grades = grades
        idealGrades = judgedGrades.filter { $0 > 0 }.sorted(by: >)
    }

    /// Number of relevant documents among the first `cutoff` ranks.
    func relevantRetrieved(cutoff: Int) -> Int {
        grades.prefix(cutoff).reduce(0) { $1 > 0 ? $0 + 1 : $0 }
    }
}

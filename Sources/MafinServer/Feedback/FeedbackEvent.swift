import Foundation

/// One line of `marks.jsonl`: somebody made a mark of relevance or took it back.
struct FeedbackEvent: Codable, Equatable, Sendable {
    /// When it was made, in UTC, in the format of RFC 3339.
    var time = Date().ISO8601Format(.init(includingFractionalSeconds: true))
    /// Name of the key that it was made with; `nil` without keys.
    var key: String?
    var query: String
    /// Id of the document.
    var document: String
    /// 1 for relevant, 0 for wrong; `nil` takes the mark back.
    var grade: Int?
    /// SHA-256 of the `index.json` that was searched.
    var index: String
}

/// The marks that result from a sequence of events: the last grade that each key gave, for each query and document.
struct FeedbackMarks {
    /// The marks of one query.
    struct Query {
        /// The query as it was first marked.
        var text: String
        /// Grades in the order in which they were made, by document.
        var grades: [String: [(key: String?, grade: Int)]] = [:]
    }

    /// By their text without needless white space.
    private(set) var queries: [String: Query] = [:]
    private(set) var order: [String] = []

    mutating func apply(_ event: FeedbackEvent) {
        let name = Self.folded(event.query)
        if queries[name] == nil {
            order.append(name)
            queries[name] = Query(text: event.query)
        }
        var grades = queries[name]?.grades[event.document] ?? []
        grades.removeAll { $0.key == event.key }
        if let grade = event.grade { grades.append((event.key, grade)) }
        queries[name]?.grades[event.document] = grades.isEmpty ? nil : grades
    }

    /// The grades that one key gave for a query, by document.
    func grades(of query: String, by key: String?) -> [String: Int] {
        (queries[Self.folded(query)]?.grades ?? [:]).compactMapValues { $0.last { $0.key == key }?.grade }
    }

    /// One grade of a document: the grade that most keys gave; in a tie, the latest.
    static func grade(_ grades: [(key: String?, grade: Int)]) -> Int? {
        let relevant = grades.count { $0.grade == 1 }
        if 2 * relevant == grades.count { return grades.last?.grade }
        return 2 * relevant > grades.count ? 1 : 0
    }

    private static func folded(_ text: String) -> String {
        text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}

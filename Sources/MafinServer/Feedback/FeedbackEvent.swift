import Foundation

/// A mark of relevance as somebody made it, or took it back: one line of `marks.jsonl`.
struct FeedbackEvent: Codable, Equatable, Sendable {
    /// When, in UTC as RFC 3339 writes it.
    var time = Date().ISO8601Format(.init(includingFractionalSeconds: true))
    /// Name of the key that it was made with; `nil` without keys.
    var key: String?
    var query: String
    /// Id of the document.
    var document: String
    /// 1 relevant, 0 wrong; `nil`: the mark is taken back.
    var grade: Int?
    /// SHA-256 of the `index.json` that was searched.
    var index: String
}

/// The marks that events leave: of each query and document the last grade of each key.
struct FeedbackMarks {
    /// The marks of one query.
    struct Query {
        /// As it was asked first.
        var text: String
        /// Grades in the order in which they were made, by document.
        var grades: [String: [(key: String?, grade: Int)]] = [:]
    }

    /// In the order in which they were marked first, by their text without needless white space.
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

    /// One grade of a document: what most keys say, and the latest of them where as many say the other.
    static func grade(_ grades: [(key: String?, grade: Int)]) -> Int? {
        let relevant = grades.count { $0.grade == 1 }
        if 2 * relevant == grades.count { return grades.last?.grade }
        return 2 * relevant > grades.count ? 1 : 0
    }

    private static func folded(_ text: String) -> String {
        text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}

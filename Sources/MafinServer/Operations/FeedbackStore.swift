import Foundation
import MafinBlackBox
import MafinNumerics
import MafinRetrieval

/// Marks of relevance that people made, as a BEIR folder that `mafin train --data` reads: labels that grow from use.
///
/// `queries.jsonl` holds the queries that somebody marked a result of, `qrels/train.tsv` the marks (1 relevant, 0 wrong), and
/// `corpus.jsonl` is a link to the index's. Each mark is on disk when it has been answered.
actor FeedbackStore {
    private let folder: URL
    private var queries: [(id: String, text: String)] = []
    /// Grade by document, by query.
    private var grades: [String: [String: Int]] = [:]

    /// Opens the folder, and makes it where it is not there.
    /// - Throws: `RetrievalError` for files that are not as this wrote them; file errors.
    init(_ folder: URL, index: SearchIndex?) throws {
        self.folder = folder
        try FileManager.default.createDirectory(
            at: folder.appendingPathComponent("qrels"), withIntermediateDirectories: true)
        let corpus = folder.appendingPathComponent(SearchIndex.corpusFile)
        if let index, (try? FileManager.default.attributesOfItem(atPath: corpus.path)) == nil {
            try FileManager.default.createSymbolicLink(
                at: corpus,
                withDestinationURL: index.folder.standardizedFileURL.appendingPathComponent(SearchIndex.corpusFile))
        }
        let queries = folder.appendingPathComponent("queries.jsonl")
        if FileManager.default.fileExists(atPath: queries.path) {
            var lines = try JSONLines(contentsOf: queries, fields: ["_id", "text"])
            while let line = try lines.next() {
                self.queries.append((try line.string("_id"), try line.string("text")))
            }
        }
        let labels = Self.labels(folder)
        if FileManager.default.fileExists(atPath: labels.path) {
            let qrels = try Qrels(contentsOf: labels)
            for id in qrels.queryIds { grades[id] = qrels[id] ?? [:] }
        }
    }

    /// Marks a document for a query, or takes its mark back.
    /// - Parameter grade: 1 relevant, 0 wrong; `nil`: no mark.
    /// - Returns: the grades of the query by document.
    func mark(query text: String, document: String, grade: Int?) throws -> [String: Int] {
        let id = Self.id(of: text)
        let before = (queries, grades)
        if let grade {
            grades[id, default: [:]][document] = grade
            if !queries.contains(where: { $0.id == id }) { queries.append((id, text)) }
        } else {
            grades[id]?[document] = nil
            if grades[id]?.isEmpty ?? false {
                grades[id] = nil
                queries.removeAll { $0.id == id }
            }
        }
        do {
            try write()
        } catch {
            (queries, grades) = before
            throw error
        }
        return grades[id] ?? [:]
    }

    /// The grades of a query by document.
    func grades(of text: String) -> [String: Int] { grades[Self.id(of: text)] ?? [:] }

    /// All labels, and of how many queries.
    var counts: (labels: Int, queries: Int) { (grades.values.reduce(0) { $0 + $1.count }, queries.count) }

    private func write() throws {
        var lines = ""
        for query in queries {
            lines += "{\"_id\":\(JSONText.quoted(query.id)),\"text\":\(JSONText.quoted(query.text))}\n"
        }
        // Queries first: labels never name one that is not there.
        let labels = Qrels(
            queries.flatMap { query in
                (grades[query.id] ?? [:]).map { (query: query.id, document: $0.key, grade: $0.value) }
            })
        if labels.queryIds.isEmpty {
            try labels.write(to: Self.labels(folder))
            return try AtomicFile.write(Data(lines.utf8), to: folder.appendingPathComponent("queries.jsonl"))
        }
        try AtomicFile.write(Data(lines.utf8), to: folder.appendingPathComponent("queries.jsonl"))
        try labels.write(to: Self.labels(folder))
    }

    private static func labels(_ folder: URL) -> URL { folder.appendingPathComponent("qrels/train.tsv") }

    private static func id(of text: String) -> String {
        let folded = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return "asked-" + ContentHash.sha256(of: folded).prefix(12)
    }
}

import Foundation
import MafinNumerics

extension Run {
    /// Reads a TREC run file (plain or gzip). A line is `query Q0 document rank score tag`.
    ///
    /// As in trec_eval, scores determine the ranking; ranks and the order of lines are ignored.
    /// - Throws: ``RetrievalError`` with file and line, for a missing file, a line that does not have six columns, a
    ///   score that is not a finite number, or a document that is listed twice for a query.
    public init(contentsOf url: URL) throws {
        var answers: [String: [ScoredDocument]] = [:]
        var seen: [String: Set<String>] = [:]
        var order: [String] = []
        try Self.forEachLine(in: url) { path, line, query, document, score in
            if answers[query] == nil { order.append(query) }
            guard seen[query, default: []].insert(document).inserted else {
                throw try ColumnReader.duplicatePair(query, document, path: path, line: line) { body in
                    try Self.forEachLine(in: url) { _, line, query, document, _ in body(line, query, document) }
                }
            }
            answers[query, default: []].append(ScoredDocument(id: document, score: score))
        }
        self.init()
        for query in order { setRanking(answers[query] ?? [], for: query) }
    }

    private static func forEachLine(in url: URL, _ body: (String, Int, String, String, Float) throws -> Void) throws {
        let expected = "query, Q0, document, rank, score and tag"
        var reader = try ColumnReader(contentsOf: url, expected: "a TREC run: \(expected)")
        while let columns = try reader.next() {
            guard columns.count == 6 else { throw reader.malformed(expected, columns) }
            guard let score = Float(columns[4]), score.isFinite else {
                throw RetrievalError.invalidScore(path: reader.path, line: reader.line, found: columns[4])
            }
            try body(reader.path, reader.line, columns[0], columns[2], score)
        }
    }

    /// Writes a TREC run file, whole or not at all. A line is `query Q0 document rank score tag`, with ranks from 1.
    ///
    /// Scores have enough digits that reading gives the same `Float`.
    /// - Parameter tag: name of the system; one word.
    /// - Throws: ``RetrievalError/unwritableIdentifier(identifier:)``, or `NumericsError` if the file cannot be
    ///   written.
    public func write(to url: URL, tag: String = "mafin") throws {
        try requireWritable(tag)
        try AtomicFile.write(to: url) { writer in
            var text = ""
            for query in queryIds {
                try requireWritable(query)
                for (index, document) in (self[query] ?? []).enumerated() {
                    try requireWritable(document.id)
                    text += "\(query) Q0 \(document.id) \(index + 1) \(document.score) \(tag)\n"
                }
                // The lines of one query are written at a time, so that a long run is not in memory twice.
                try writer.write(Data(text.utf8))
                text.removeAll(keepingCapacity: true)
            }
        }
    }
}

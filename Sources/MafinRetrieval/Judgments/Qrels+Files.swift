import Foundation
import MafinNumerics

extension Qrels {
    /// Reads qrels from a plain or gzip file.
    ///
    /// A line has BEIR's three columns `query document grade` or TREC's four columns `query iteration document grade`,
    /// separated by tabs or white space. BEIR's header line is optional.
    /// - Throws: ``RetrievalError`` with file and line, for a missing file, a line with too few or too many columns, a
    ///   grade that is not an integer, or a pair that is listed twice.
    public init(contentsOf url: URL) throws {
        try self.init(contentsOf: url) { _, _, _, _, _ in }
    }

    /// The same. `check` is called for each label before it is kept.
    init(
        contentsOf url: URL,
        check: (_ path: String, _ line: Int, _ query: String, _ document: String, _ grade: Int) throws -> Void
    ) throws {
        self.init()
        try Self.forEachLabel(in: url) { path, line, query, document, grade in
            try check(path, line, query, document, grade)
            if insert(query: query, document: document, grade: grade) != nil {
                throw try ColumnReader.duplicatePair(query, document, path: path, line: line) { body in
                    try Self.forEachLabel(in: url) { _, line, query, document, _ in body(line, query, document) }
                }
            }
        }
    }

    /// Names of the third column in a header line.
    private static let headerNames: Set<String> = ["score", "grade", "rel", "relevance", "label"]

    private static func forEachLabel(
        in url: URL, _ body: (String, Int, String, String, Int) throws -> Void
    ) throws {
        let expected = "query, document and grade, or query, iteration, document and grade"
        var reader = try ColumnReader(contentsOf: url, expected: "qrels: \(expected)")
        var isFirst = true
        while let columns = try reader.next() {
            defer { isFirst = false }
            guard columns.count == 3 || columns.count == 4, let last = columns.last else {
                throw reader.malformed(expected, columns)
            }
            guard let grade = Int(last) else {
                // The header that BEIR writes: `query-id corpus-id score`.
                if isFirst, columns.count == 3, headerNames.contains(last.lowercased()) { continue }
                throw RetrievalError.invalidGrade(path: reader.path, line: reader.line, found: last)
            }
            let query = columns[0]
            let document = columns[columns.count - 2]
            guard !query.isEmpty, !document.isEmpty else { throw reader.malformed(expected, columns) }
            try body(reader.path, reader.line, query, document, grade)
        }
    }

    /// The format of a qrels file.
    public enum FileFormat: Sendable {
        /// `query <tab> document <tab> grade`, with BEIR's header.
        case beir
        /// `query 0 document grade`.
        case trec
    }

    /// Writes qrels, whole or not at all. Queries keep their order. The documents of a query are sorted by grade,
    /// descending, then by identifier.
    /// - Throws: ``RetrievalError/unwritableIdentifier(identifier:)``, or `NumericsError` if the file cannot be
    ///   written.
    public func write(to url: URL, as format: FileFormat = .beir) throws {
        var text = format == .beir ? "query-id\tcorpus-id\tscore\n" : ""
        for query in queryIds {
            try requireWritable(query)
            let labels = (self[query] ?? [:]).sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            for (document, grade) in labels {
                try requireWritable(document)
                text +=
                    format == .beir ? "\(query)\t\(document)\t\(grade)\n" : "\(query) 0 \(document) \(grade)\n"
            }
        }
        try AtomicFile.write(Data(text.utf8), to: url)
    }
}

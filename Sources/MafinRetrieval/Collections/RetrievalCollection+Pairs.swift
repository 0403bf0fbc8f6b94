import Foundation
import MafinNumerics

extension RetrievalCollection {
    /// Reads lines of pairs, `{"query": text, "document": text}`.
    ///
    /// The document may also be called `positive` or `text`, with an optional `title`. A list stands for several
    /// documents. `query_id`, `document_id` and an integer `grade` (or `score`; 1 if both are absent) are optional.
    /// Without identifiers, equal texts count as one text, and texts are named `q1`, `q2`, … and `d1`, `d2`, … in the
    /// order of their first appearance.
    init(pairs url: URL) throws {
        var reader = PairsReader(path: url.path)
        var lines = try JSONLines(
            contentsOf: url,
            fields: [
                "query", "query_id", "document", "positive", "text", "title", "document_id", "grade", "score",
            ],
            expected: "pairs, one JSON object to a line")
        while let object = try lines.next() { try reader.add(object) }
        try reader.documents.requireAny()
        try reader.queries.requireAny()
        self.init(
            source: url, format: .pairs, documents: reader.documents, queries: reader.queries,
            warnings: reader.warnings, labels: [Self.wholeSplit: .value(reader.qrels)])
    }
}

private struct PairsReader {
    let path: String
    var documents: TextTable<Document>
    var queries: TextTable<Query>
    var qrels = Qrels()
    var warnings: [CollectionWarning] = []
    private var queryIdOfText: [String: String] = [:]
    private var documentIdOfText: [DocumentText: String] = [:]
    /// Line of each label, for the error if another label contradicts it.
    private var labelLines: [LabelKey: Int] = [:]

    private struct DocumentText: Hashable {
        let title: String
        let text: String
    }

    private struct LabelKey: Hashable {
        let query: String
        let document: String
    }

    init(path: String) {
        self.path = path
        documents = TextTable(path: path)
        queries = TextTable(path: path)
    }

    mutating func add(_ object: JSONLines.Object) throws {
        let (line, question) = (object.line, try object.string("query"))
        let query = try queries.keep(
            try object.optionalIdentifier("query_id"), orNamed: "q", known: &queryIdOfText[question], line: line,
            warnings: &warnings
        ) { Query(id: $0, text: question) }
        let texts = try documentTexts(object)
        let given = try object.optionalIdentifier("document_id")
        if let given, texts.count > 1 {
            throw RetrievalError.wrongType(
                path: path, line: line, field: "document_id", expected: "absent beside a list of documents",
                found: "\"\(given)\"")
        }
        let grade = try self.grade(object)
        let title = try object.optionalString("title") ?? ""
        for text in texts {
            let document = try documents.keep(
                given, orNamed: "d", known: &documentIdOfText[DocumentText(title: title, text: text)], line: line,
                warnings: &warnings
            ) { Document(id: $0, title: title, text: text) }
            let key = LabelKey(query: query, document: document)
            let previous = qrels.insert(query: query, document: document, grade: grade)
            if previous == grade {
                warnings.append(.init(path: path, line: line, kind: .repeatedPair, identifier: query))
            } else if previous != nil {
                throw RetrievalError.duplicatePair(
                    path: path, line: line, query: query, document: document, firstLine: labelLines[key] ?? line)
            } else {
                labelLines[key] = line
            }
        }
    }

    private func documentTexts(_ object: JSONLines.Object) throws -> [String] {
        guard let field = ["document", "positive", "text"].first(where: { object[$0] != nil }),
            let value = object[field]
        else { throw object.missing("document") }
        guard case .array(let elements) = value else { return [try object.string(field)] }
        return try elements.map { element in
            guard case .string(let text) = element else {
                throw object.wrongType(field, expected: "a string or a list of strings", element)
            }
            return text
        }
    }

    private func grade(_ object: JSONLines.Object) throws -> Int {
        guard let value = object["grade"] ?? object["score"] else { return 1 }
        guard case .number(let text) = value, let grade = Int(text) else {
            throw RetrievalError.invalidGrade(path: path, line: object.line, found: value.identifier ?? value.kind)
        }
        return grade
    }
}

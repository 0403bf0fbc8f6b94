import Foundation
import MafinNumerics

extension RetrievalCollection {
    /// Reads lines of pairs, `{"query": text, "document": text}`.
    ///
    /// The document may also be called `positive` or `text`, with an optional `title`; a list gives several documents.
    /// `query_id`, `document_id` and an integer `grade` (or `score`, 1 where absent) are optional. Without identifiers equal
    /// texts are one text, named `q1`, `q2`, … and `d1`, `d2`, … in the order of their first appearance.
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
            warnings: reader.warnings, qrels: reader.qrels)
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
    /// Lines of the labels, for the error where one contradicts another.
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
        documents = TextTable(path: path, kind: .document)
        queries = TextTable(path: path, kind: .query)
    }

    mutating func add(_ object: JSONLines.Object) throws {
        let query = try queryId(
            text: try object.string("query"), given: try object.optionalIdentifier("query_id"), object)
        let texts = try documentTexts(object)
        let given = try object.optionalIdentifier("document_id")
        if let given, texts.count > 1 {
            throw RetrievalError.wrongType(
                path: path, line: object.line, field: "document_id", expected: "absent beside a list of documents",
                found: "\"\(given)\"")
        }
        let grade = try self.grade(object)
        let title = try object.optionalString("title") ?? ""
        for text in texts {
            let document = try documentId(DocumentText(title: title, text: text), given: given, object)
            let key = LabelKey(query: query, document: document)
            let previous = qrels.insert(query: query, document: document, grade: grade)
            if previous == grade {
                warnings.append(.init(path: path, line: object.line, kind: .repeatedPair, identifier: query))
            } else if previous != nil {
                throw RetrievalError.duplicatePair(
                    path: path, line: object.line, query: query, document: document,
                    firstLine: labelLines[key] ?? object.line)
            } else {
                labelLines[key] = object.line
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

    /// The identifier under which a query is kept; a text without one gets the next free name.
    private mutating func queryId(text: String, given: String?, _ object: JSONLines.Object) throws -> String {
        if let given {
            if let row = queries.index[given], queries.texts[row].text == text { return given }
            try queries.append(Query(id: given, text: text), line: object.line, warnings: &warnings)
            return given
        }
        if let known = queryIdOfText[text] { return known }
        let name = Self.freeName("q", queries.index)
        queryIdOfText[text] = name
        try queries.append(Query(id: name, text: text), line: object.line, warnings: &warnings)
        return name
    }

    private mutating func documentId(
        _ text: DocumentText, given: String?, _ object: JSONLines.Object
    ) throws -> String {
        func document(_ id: String) -> Document { Document(id: id, title: text.title, text: text.text) }
        if let given {
            if let row = documents.index[given], documents.texts[row] == document(given) { return given }
            try documents.append(document(given), line: object.line, warnings: &warnings)
            return given
        }
        if let known = documentIdOfText[text] { return known }
        let name = Self.freeName("d", documents.index)
        documentIdOfText[text] = name
        try documents.append(document(name), line: object.line, warnings: &warnings)
        return name
    }

    /// `prefix` and the number of the next text, counted on where a given identifier took that name.
    private static func freeName(_ prefix: String, _ taken: [String: Int]) -> String {
        var number = taken.count + 1
        while taken["\(prefix)\(number)"] != nil { number += 1 }
        return "\(prefix)\(number)"
    }
}

/// Texts with unique identifiers, and the line each was read from.
struct TextTable<Text: Identifiable> where Text.ID == String {
    let path: String
    let kind: RetrievalError.TextKind
    private(set) var texts: [Text] = []
    private(set) var index: [String: Int] = [:]
    private var lines: [Int] = []

    init(path: String, kind: RetrievalError.TextKind) {
        self.path = path
        self.kind = kind
    }

    /// - Throws: ``RetrievalError/duplicateIdentifier(path:line:kind:identifier:firstLine:)``.
    mutating func append(_ text: Text, line: Int) throws {
        if let first = index.updateValue(texts.count, forKey: text.id) {
            throw RetrievalError.duplicateIdentifier(
                path: path, line: line, kind: kind, identifier: text.id, firstLine: lines[first])
        }
        texts.append(text)
        lines.append(line)
    }

    /// The line that a text was read from; `nil` for an unknown one.
    func line(of identifier: String) -> Int? { index[identifier].map { lines[$0] } }

    /// - Throws: ``RetrievalError/emptyCollection(path:kind:)`` where there is no text at all.
    func requireAny() throws {
        guard !texts.isEmpty else { throw RetrievalError.emptyCollection(path: path, kind: kind) }
    }
}

extension TextTable<Document> {
    /// Adds a document, and a warning if it is empty.
    mutating func append(_ document: Document, line: Int, warnings: inout [CollectionWarning]) throws {
        try append(document, line: line)
        if document.textForEncoding.isEmpty {
            warnings.append(.init(path: path, line: line, kind: .emptyDocument, identifier: document.id))
        }
    }
}

extension TextTable<Query> {
    /// Adds a query, and a warning if it is empty.
    mutating func append(_ query: Query, line: Int, warnings: inout [CollectionWarning]) throws {
        try append(query, line: line)
        if query.text.trimmedWhitespace.isEmpty {
            warnings.append(.init(path: path, line: line, kind: .emptyQuery, identifier: query.id))
        }
    }
}

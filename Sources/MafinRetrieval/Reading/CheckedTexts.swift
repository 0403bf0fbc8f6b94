import Foundation

/// The documents or queries of a file one at a time, checked as those of a collection are: no identifier twice, empty texts noticed.
///
/// Memory is that of the identifiers, whatever the texts are.
/// ```swift
/// var texts = try CheckedTexts(documents: url)
/// while let text = try texts.next() { print(texts.line, text.id) }
/// ```
public struct CheckedTexts {
    /// A text and its identifier.
    public struct Text: Sendable {
        /// The identifier.
        public var id: String
        /// What an encoder reads: of a document its title too.
        public var text: String
    }

    private enum Reader {
        case documents(DocumentReader)
        case queries(QueryReader)
    }

    private let path: String
    private var reader: Reader
    private var lines: [String: Int] = [:]
    /// Line of the text returned last, from 1.
    public private(set) var line = 0
    /// What was noticed so far that is no error.
    public private(set) var warnings: [CollectionWarning] = []
    /// Number of texts so far.
    public var count: Int { lines.count }

    /// Opens a file of documents, or the corpus of a BEIR folder.
    /// - Throws: ``RetrievalError/missingFile(path:expected:)``, ``RetrievalError/unreadableFile(path:reason:)``.
    public init(documents url: URL) throws {
        let file = url.isFolder ? url.plainOrCompressed("corpus.jsonl") : url
        path = file.path
        reader = .documents(try DocumentReader(contentsOf: file))
    }

    /// Opens a file of queries, or the queries of a BEIR folder.
    /// - Throws: ``RetrievalError/missingFile(path:expected:)``, ``RetrievalError/unreadableFile(path:reason:)``.
    public init(queries url: URL) throws {
        let file = url.isFolder ? url.plainOrCompressed("queries.jsonl") : url
        path = file.path
        reader = .queries(try QueryReader(contentsOf: file))
    }

    /// The next text; `nil` at the end of the file.
    /// - Throws: ``RetrievalError`` for a malformed line, a missing field, an identifier that was used before, and at the end of a file
    ///   without any text.
    public mutating func next() throws -> Text? {
        let kind: RetrievalError.TextKind
        let text: Text?
        let isEmpty: Bool
        switch reader {
        case .documents(var documents):
            kind = .document
            text = try documents.next().map { Text(id: $0.id, text: $0.textForEncoding) }
            isEmpty = text?.text.isEmpty ?? false
            line = documents.line
            reader = .documents(documents)
        case .queries(var queries):
            kind = .query
            text = try queries.next().map { Text(id: $0.id, text: $0.text) }
            isEmpty = text?.text.trimmedWhitespace.isEmpty ?? false
            line = queries.line
            reader = .queries(queries)
        }
        guard let text else {
            if lines.isEmpty { throw RetrievalError.emptyCollection(path: path, kind: kind) }
            return nil
        }
        if let first = lines.updateValue(line, forKey: text.id) {
            throw RetrievalError.duplicateIdentifier(
                path: path, line: line, kind: kind, identifier: text.id, firstLine: first)
        }
        if isEmpty {
            warnings.append(
                CollectionWarning(
                    path: path, line: line, kind: kind == .document ? .emptyDocument : .emptyQuery,
                    identifier: text.id))
        }
        return text
    }
}

import Foundation
import MafinImages

/// Reads the documents of a `corpus.jsonl` (or `.jsonl.gz`) one at a time, so that a corpus of any size takes bounded
/// memory.
///
/// The fields are `_id`, `text` and optionally `title` and `image`. A row with an image needs no text. Repeated identifiers are not
/// detected, because that takes memory for each of them. ``RetrievalCollection`` and ``CheckedTexts`` detect them.
public struct DocumentReader {
    private var lines: JSONLines
    /// Line of the last returned document, from 1.
    public private(set) var line = 0

    /// Opens a file, or the corpus of a BEIR folder.
    /// - Throws: ``RetrievalError/missingFile(path:expected:)``, ``RetrievalError/unreadableFile(path:reason:)``.
    public init(contentsOf url: URL) throws {
        lines = try Document.lines(of: url)
    }

    /// The next document; `nil` at the end of the file.
    /// - Throws: ``RetrievalError`` for a malformed line or a missing field.
    public mutating func next() throws -> Document? {
        guard let object = try lines.next() else { return nil }
        line = object.line
        return try Document(object)
    }
}

extension Document: CollectionText {
    static var kind: RetrievalError.TextKind { .document }
    var isEmpty: Bool { image == nil && textForEncoding.isEmpty }

    static func lines(of url: URL) throws -> JSONLines {
        try JSONLines(contentsOf: file(of: url), fields: fields, expected: expected)
    }

    /// The file of JSON lines: `url` itself, or the one in a BEIR folder.
    static func file(of url: URL) -> URL { url.isFolder ? url.plainOrCompressed("corpus.jsonl") : url }

    static let fields = ["_id", "title", "text", "image"]
    static let expected = "a corpus, one JSON object to a line"

    init(_ object: JSONLines.Object) throws {
        let image = try object.image()
        self.init(
            id: try object.identifier("_id"), title: try object.optionalString("title") ?? "",
            text: image == nil ? try object.string("text") : try object.optionalString("text") ?? "", image: image)
    }
}

/// Reads the queries of a `queries.jsonl` (or `.jsonl.gz`) one at a time. The fields are `_id`, `text` and optionally
/// `date` and `image`. A row with an image needs no text.
public struct QueryReader {
    private var lines: JSONLines
    /// Line of the last returned query, from 1.
    public private(set) var line = 0

    /// Opens a file, or the queries of a BEIR folder.
    /// - Throws: ``RetrievalError/missingFile(path:expected:)``, ``RetrievalError/unreadableFile(path:reason:)``.
    public init(contentsOf url: URL) throws {
        lines = try Query.lines(of: url)
    }

    /// The next query; `nil` at the end of the file.
    /// - Throws: ``RetrievalError`` for a malformed line or a missing field.
    public mutating func next() throws -> Query? {
        guard let object = try lines.next() else { return nil }
        line = object.line
        return try Query(object)
    }
}

extension Query: CollectionText {
    static var kind: RetrievalError.TextKind { .query }
    var isEmpty: Bool { image == nil && text.trimmedWhitespace.isEmpty }

    static func lines(of url: URL) throws -> JSONLines {
        try JSONLines(contentsOf: file(of: url), fields: fields, expected: expected)
    }

    /// The file of JSON lines: `url` itself, or the one in a BEIR folder.
    static func file(of url: URL) -> URL { url.isFolder ? url.plainOrCompressed("queries.jsonl") : url }

    static let fields = ["_id", "text", "date", "image"]
    static let expected = "queries, one JSON object to a line"

    init(_ object: JSONLines.Object) throws {
        let image = try object.image()
        self.init(
            id: try object.identifier("_id"),
            text: image == nil ? try object.string("text") : try object.optionalString("text") ?? "",
            date: object.date("date"), image: image)
    }
}

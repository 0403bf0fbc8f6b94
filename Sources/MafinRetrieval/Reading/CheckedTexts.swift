import Foundation
import MafinImages

/// Reads the documents or queries of a file one at a time, with the checks of a collection: repeated identifiers are
/// errors, empty texts are warnings.
///
/// The file has JSON lines, or it is a Parquet file with the columns `_id` (or `id`) and `text`, and perhaps `title` and `image`. Its rows
/// count as lines, from 1. What is damaged in it is a `NumericsError` that names row group and column.
///
/// Memory: the identifiers, but not the texts.
/// ```swift
/// var texts = try CheckedTexts(documents: url)
/// while let text = try texts.next() { print(texts.line, text.id) }
/// ```
public struct CheckedTexts {
    /// A text and its identifier.
    public struct Text: Sendable {
        /// The identifier.
        public var id: String
        /// The text that an encoder reads. For a document it includes the title.
        public var text: String
        /// The image; `nil` for a text.
        public var image: ItemImage?
    }

    private enum Objects {
        case lines(JSONLines)
        case rows(ParquetRows)

        var path: String {
            switch self {
            case .lines(let lines): lines.path
            case .rows(let rows): rows.path
            }
        }

        mutating func next() throws -> JSONLines.Object? {
            switch self {
            case .lines(var lines):
                defer { self = .lines(lines) }
                return try lines.next()
            case .rows(let rows): return try rows.next()
            }
        }
    }

    private let kind: RetrievalError.TextKind
    private var objects: Objects
    private var lines: [String: Int] = [:]
    /// Line of the last returned text, from 1.
    public private(set) var line = 0
    /// Whether having no text is no error: a part of a file may be empty.
    private let mayBeEmpty: Bool
    /// Warnings so far.
    public private(set) var warnings: [CollectionWarning] = []
    /// Number of texts that were read so far.
    public var count: Int { lines.count }

    /// Opens a file of documents, or the corpus of a BEIR folder.
    /// - Throws: ``RetrievalError/missingFile(path:expected:)``, ``RetrievalError/unreadableFile(path:reason:)``; `NumericsError` for a
    ///   Parquet file that is damaged or lacks columns.
    public init(documents url: URL) throws { try self.init(url, bytes: nil, as: .document) }

    /// Opens a file of queries, or the queries of a BEIR folder.
    /// - Throws: as ``init(documents:)``.
    public init(queries url: URL) throws { try self.init(url, bytes: nil, as: .query) }

    /// Opens a part of a plain file, or of the corpus or the queries of a BEIR folder. Identifiers are unique within the part.
    /// - Parameter bytes: from ``TextCut``.
    /// - Throws: as ``init(documents:)``; ``RetrievalError/unreadableFile(path:reason:)`` also for a compressed file.
    public init(partOf url: URL, bytes: Range<Int>, as kind: RetrievalError.TextKind) throws {
        try self.init(url, bytes: bytes, as: kind)
    }

    private init(_ url: URL, bytes: Range<Int>?, as kind: RetrievalError.TextKind) throws {
        self.kind = kind
        mayBeEmpty = bytes != nil
        let file = Self.file(of: url, as: kind)
        let (fields, expected) =
            kind == .document ? (Document.fields, Document.expected) : (Query.fields, Query.expected)
        if ParquetRows.isParquet(file) {
            objects = .rows(try ParquetRows(contentsOf: file, bytes: bytes, fields: fields))
        } else if let bytes {
            objects = .lines(try JSONLines(contentsOf: file, bytes: bytes, fields: fields, expected: expected))
        } else {
            objects = .lines(try JSONLines(contentsOf: file, fields: fields, expected: expected))
        }
    }

    /// The file that texts are read from: `url` itself, or the file of JSON lines in a BEIR folder.
    public static func file(of url: URL, as kind: RetrievalError.TextKind) -> URL {
        // A folder of Parquet files is no BEIR folder; reading it says so.
        if url.pathExtension.lowercased() == "parquet" { return url }
        return kind == .document ? Document.file(of: url) : Query.file(of: url)
    }

    /// The next text; `nil` at the end of the file.
    /// - Throws: ``RetrievalError`` for a malformed line, a missing field, a repeated identifier, and at the end of a
    ///   file without any text.
    public mutating func next() throws -> Text? {
        guard let object = try objects.next() else {
            if lines.isEmpty, !mayBeEmpty { throw RetrievalError.emptyCollection(path: objects.path, kind: kind) }
            return nil
        }
        let text: Text
        switch kind {
        case .document:
            let document = try Document(object)
            text = Text(id: document.id, text: document.textForEncoding, image: document.image)
        case .query:
            let query = try Query(object)
            text = Text(id: query.id, text: query.text, image: query.image)
        }
        line = object.line
        if let first = lines.updateValue(line, forKey: text.id) {
            throw RetrievalError.duplicateIdentifier(
                path: object.path, line: line, kind: kind, identifier: text.id, firstLine: first)
        }
        if text.image == nil, text.text.trimmedWhitespace.isEmpty {
            warnings.append(CollectionWarning(path: object.path, line: line, kind: .empty(kind), identifier: text.id))
        }
        return text
    }
}

import Foundation

/// A test collection: documents, queries and their labels.
///
/// The format follows from the path: a BEIR folder, a `.json` file of LlamaIndex, or a `.jsonl` file of pairs. Files
/// may be compressed (`.gz`). Labels are loaded split by split with ``qrels(split:)``.
public struct RetrievalCollection: Sendable {
    /// The formats that are read.
    public enum Format: String, Sendable, Codable {
        /// A folder with `corpus.jsonl`, `queries.jsonl` and `qrels/{split}.tsv`.
        case beir
        /// One object with `queries`, `corpus` and `relevant_docs`.
        case llamaIndex = "llama-index"
        /// Lines of `{"query": …, "document": …}`.
        case pairs
        /// Made in memory.
        case memory
    }

    /// The file or folder that it was read from; `nil` for a collection made in memory.
    public let source: URL?
    /// The format of the source.
    public let format: Format
    /// The corpus, in the order of its file.
    public let documents: [Document]
    /// The queries of all splits, in the order of their file.
    public let queries: [Query]
    /// Things that are not errors, but that the user should know: empty texts, repeated labels.
    public let warnings: [CollectionWarning]
    /// Names of the splits that have labels: `train`, `dev` and `test` first, then the others by name. A single file
    /// has one split, `all`.
    public let splits: [String]
    /// Row of each document.
    public let documentIndex: [String: Int]
    /// Row of each query.
    public let queryIndex: [String: Int]

    private let labels: [String: Labels]

    /// The place of the labels of a split.
    enum Labels: Sendable {
        case file(URL)
        case value(Qrels)
    }

    /// Name of the only split of a single-file collection.
    public static let wholeSplit = "all"

    /// Reads a collection. The format follows from the path.
    /// - Throws: ``RetrievalError`` with file, line and identifier, for a missing or damaged file, malformed JSON, a
    ///   missing field, an identifier that is used twice, a label of an unknown text, or an empty corpus.
    public init(contentsOf url: URL) throws {
        var name = url.lastPathComponent.lowercased()
        if name.hasSuffix(".gz") { name.removeLast(3) }
        if url.isFolder {
            try self.init(beirFolder: url)
        } else if !url.exists {
            throw RetrievalError.missingFile(
                path: url.path, expected: "a folder or file of documents, queries and labels")
        } else if name.hasSuffix(".jsonl") || name.hasSuffix(".ndjson") {
            try self.init(pairs: url)
        } else if name.hasSuffix(".json") {
            try self.init(llamaIndex: url)
        } else {
            throw RetrievalError.unknownFormat(path: url.path, found: "a file of an unknown kind")
        }
    }

    /// A collection in memory.
    /// - Parameter qrels: labels by name of their split.
    /// - Precondition: identifiers are unique, and labels name texts of the collection.
    public init(documents: [Document], queries: [Query], qrels: [String: Qrels]) {
        self.init(
            source: nil, format: .memory, documents: documents, queries: queries,
            documentIndex: Dictionary(uniqueKeysWithValues: documents.enumerated().map { ($1.id, $0) }),
            queryIndex: Dictionary(uniqueKeysWithValues: queries.enumerated().map { ($1.id, $0) }),
            warnings: [], labels: qrels.mapValues(Labels.value))
        for qrels in qrels.values {
            for query in qrels.queryIds {
                precondition(queryIndex[query] != nil, "labels of an unknown query \(query)")
                for document in (qrels[query] ?? [:]).keys {
                    precondition(documentIndex[document] != nil, "a label of an unknown document \(document)")
                }
            }
        }
    }

    init(
        source: URL, format: Format, documents: TextTable<Document>, queries: TextTable<Query>,
        warnings: [CollectionWarning], labels: [String: Labels]
    ) {
        self.init(
            source: source, format: format, documents: documents.texts, queries: queries.texts,
            documentIndex: documents.index, queryIndex: queries.index, warnings: warnings, labels: labels)
    }

    private init(
        source: URL?, format: Format, documents: [Document], queries: [Query], documentIndex: [String: Int],
        queryIndex: [String: Int], warnings: [CollectionWarning], labels: [String: Labels]
    ) {
        self.source = source
        self.format = format
        self.documents = documents
        self.queries = queries
        self.documentIndex = documentIndex
        self.queryIndex = queryIndex
        self.warnings = warnings
        self.labels = labels
        func place(_ name: String) -> Int { ["train", "dev", "test"].firstIndex(of: name) ?? 3 }
        splits = labels.keys.sorted { (place($0), $0) < (place($1), $1) }
    }
}

extension RetrievalCollection {
    /// The labels of a split.
    /// - Throws: ``RetrievalError/unknownSplit(path:split:available:)``; ``RetrievalError/noJudgedQueries(path:)`` if
    ///   no label is relevant; for files also what `Qrels(contentsOf:)` throws, and
    ///   ``RetrievalError/unknownIdentifier(path:line:kind:identifier:)`` for a label of a text that the collection
    ///   does not have.
    public func qrels(split: String) throws -> Qrels {
        let qrels: Qrels
        switch labels[split] {
        case .value(let value): qrels = value
        case .file(let url): qrels = try self.qrels(contentsOf: url)
        case nil:
            throw RetrievalError.unknownSplit(path: source?.path ?? "the collection", split: split, available: splits)
        }
        guard qrels.queryIds.contains(where: { qrels.hasRelevantDocument($0) }) else {
            throw RetrievalError.noJudgedQueries(path: file(ofSplit: split)?.path ?? "the split \(split)")
        }
        return qrels
    }

    /// Reads qrels from any file, and checks them against this collection.
    /// - Throws: what `Qrels(contentsOf:)` throws, and ``RetrievalError/unknownIdentifier(path:line:kind:identifier:)``
    ///   for a label of a text that the collection does not have.
    public func qrels(contentsOf url: URL) throws -> Qrels {
        try Qrels(contentsOf: url) { path, line, query, document, _ in
            guard queryIndex[query] != nil else {
                throw RetrievalError.unknownIdentifier(path: path, line: line, kind: .query, identifier: query)
            }
            guard documentIndex[document] != nil else {
                throw RetrievalError.unknownIdentifier(path: path, line: line, kind: .document, identifier: document)
            }
        }
    }

    /// The file that holds a split's labels. For a single-file collection it is the source itself. `nil` for a
    /// collection in memory, and for an unknown split of a BEIR folder.
    public func file(ofSplit split: String) -> URL? {
        if case .file(let url) = labels[split] { return url }
        return format == .beir ? nil : source
    }

    /// All files of the collection, in a fixed order.
    public var sourceFiles: [URL] {
        guard let source else { return [] }
        guard format == .beir else { return [source] }
        return [source.plainOrCompressed("corpus.jsonl"), source.plainOrCompressed("queries.jsonl")]
            + splits.compactMap { file(ofSplit: $0) }
    }

    /// The queries that a split judges, in the order of the collection.
    public func queries(judgedIn qrels: Qrels) -> [Query] { queries.filter { qrels[$0.id] != nil } }

    /// Whether some document or query has an image.
    public var hasImages: Bool { documents.contains { $0.image != nil } || queries.contains { $0.image != nil } }

    /// Whether some document and some query have a text. Only then can a lexical source rank anything.
    public var documentsHaveText: Bool {
        documents.contains { !$0.textForEncoding.isEmpty } && queries.contains { !$0.text.trimmedWhitespace.isEmpty }
    }

    /// The identifiers of all documents, row by row.
    public var documentIds: [String] { documents.map(\.id) }
}

import Foundation
import MafinNumerics

extension RetrievalCollection {
    /// Reads LlamaIndex's `EmbeddingQAFinetuneDataset`:
    /// `{"queries": {id: text}, "corpus": {id: text}, "relevant_docs": {query id: [document id, …]}}`. The three
    /// members may be in any order, and other members are ignored. Every listed document has grade 1. Texts keep the
    /// order of the file.
    init(llamaIndex url: URL) throws {
        let bytes = try LineReader.contents(of: url, expected: "a JSON file of queries, corpus and relevant_docs")
        var reader = LlamaIndexReader(path: url.path)
        try bytes.withUnsafeBufferPointer { try reader.read($0) }
        let qrels = try reader.qrels()
        self.init(
            source: url, format: .llamaIndex, documents: reader.documents, queries: reader.queries,
            warnings: reader.warnings, labels: [Self.wholeSplit: .value(qrels)])
    }
}

private struct LlamaIndexReader {
    let path: String
    var documents: TextTable<Document>
    var queries: TextTable<Query>
    var warnings: [CollectionWarning] = []
    private var labels: [(query: String, document: String, line: Int)] = []
    private var sections: Set<String> = []
    private var lines = LineCounter()

    init(path: String) {
        self.path = path
        documents = TextTable(path: path)
        queries = TextTable(path: path)
    }

    mutating func read(_ bytes: UnsafeBufferPointer<UInt8>) throws {
        var scanner = JSONScanner(bytes)
        do {
            try scanner.members { scanner, section in
                guard ["corpus", "queries", "relevant_docs"].contains(section) else {
                    return try scanner.skipValue()
                }
                guard sections.insert(section).inserted else {
                    throw scanner.failure("the member \"\(section)\" appears twice")
                }
                try scanner.members { scanner, identifier in
                    let line = lines.line(at: scanner.offset, in: bytes)
                    switch section {
                    case "corpus":
                        let document = Document(id: identifier, text: try scanner.string())
                        try documents.append(document, line: line, warnings: &warnings)
                    case "queries":
                        try queries.append(
                            Query(id: identifier, text: try scanner.string()), line: line, warnings: &warnings)
                    default:
                        try scanner.elements { scanner in
                            guard let document = try scanner.value().identifier else {
                                throw scanner.failure("expected the id of a document")
                            }
                            labels.append((identifier, document, lines.line(at: scanner.offset, in: bytes)))
                        }
                    }
                }
            }
            try scanner.finish()
        } catch let error as JSONSyntaxError {
            let before = bytes[..<min(error.offset, bytes.count)]
            let column = error.offset - (before.lastIndex(of: 10) ?? -1)
            throw RetrievalError.malformedJSON(
                path: path, line: before.count { $0 == 10 } + 1, column: column, reason: error.reason)
        }
        for section in ["corpus", "queries", "relevant_docs"] where !sections.contains(section) {
            throw RetrievalError.missingField(path: path, line: 1, field: section)
        }
        try documents.requireAny()
        try queries.requireAny()
    }

    mutating func qrels() throws -> Qrels {
        var qrels = Qrels()
        for label in labels {
            guard queries.index[label.query] != nil else {
                throw RetrievalError.unknownIdentifier(
                    path: path, line: label.line, kind: .query, identifier: label.query)
            }
            guard documents.index[label.document] != nil else {
                throw RetrievalError.unknownIdentifier(
                    path: path, line: label.line, kind: .document, identifier: label.document)
            }
            if qrels.insert(query: label.query, document: label.document, grade: 1) != nil {
                warnings.append(.init(path: path, line: label.line, kind: .repeatedPair, identifier: label.query))
            }
        }
        return qrels
    }
}

/// Line numbers of ascending offsets. Each byte is read once.
private struct LineCounter {
    private var counted = 0
    private var line = 1

    mutating func line(at offset: Int, in bytes: UnsafeBufferPointer<UInt8>) -> Int {
        if offset > counted {
            line += bytes[counted..<offset].count { $0 == 10 }
            counted = offset
        }
        return line
    }
}

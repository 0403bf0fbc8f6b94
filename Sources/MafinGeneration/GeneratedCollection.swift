import Foundation
import MafinNumerics
import MafinRetrieval

/// Generated queries as a BEIR collection, for training and measuring.
public struct GeneratedCollection: Sendable {
    /// Which passages are pieces of one document. All pieces of a document go to the same part of a split.
    public enum Grouping: String, Sendable, Codable, CaseIterable {
        /// Each passage is a document of its own.
        case passage
        /// Passages with the same title.
        case title
        /// Passages whose ids are equal except for a number at the end: `report-7#12`, `report-7#13`.
        case id
    }

    /// The sizes of the parts, relative to each other.
    public struct Shares: Sendable, Hashable, Codable {
        /// For training.
        public var train: Double
        /// For choosing among models.
        public var dev: Double
        /// For measuring; 0 if the collection has test queries of its own.
        public var test: Double

        /// Shares, relative to each other.
        public init(train: Double = 0.7, dev: Double = 0.15, test: Double = 0.15) {
            self.train = train
            self.dev = dev
            self.test = test
        }
    }

    /// The documents.
    public let documents: [Document]
    /// Generated queries, and the collection's own that were kept.
    public let queries: [Query]
    /// Labels by split.
    public let qrels: [String: Qrels]
    private let origins: [String: GeneratedQuery.Origin]

    /// Splits generated queries by document.
    /// - Parameters:
    ///   - own: the collection's own queries and labels, which stay as they are; generated queries do not go to these splits.
    /// - Throws: ``GenerationError/tooFewQueries(kept:rejected:reasons:)`` if a part would be empty.
    public init(
        _ filtering: QueryFiltering, documents: [Document], grouping: Grouping = .passage, shares: Shares = Shares(),
        own: (queries: [Query], qrels: [String: Qrels]) = ([], [:]), seed: UInt64
    ) throws {
        let parts = [("train", shares.train), ("dev", shares.dev), ("test", shares.test)]
            .filter { $0.1 > 0 && own.qrels[$0.0] == nil }
            .map { (name: $0.0, share: $0.1) }
        let kept = filtering.kept
        func tooFew() -> GenerationError {
            let reasons = RejectionReason.allCases.compactMap { reason in
                filtering.rejections[reason].map { "\($0) \(reason.rawValue)" }
            }
            return .tooFewQueries(
                kept: kept.count, rejected: filtering.rejected.count,
                reasons: reasons.isEmpty ? "none was made" : reasons.joined(separator: ", "))
        }
        guard !kept.isEmpty, !parts.isEmpty else { throw tooFew() }
        // Passages of one group stay in one part, and so do passages and queries with the same text.
        let surrogate = Qrels(
            kept.flatMap { query in
                let passage = documents[query.passage]
                return [passage.id, "group " + Self.group(passage, grouping)]
                    .map { (query: query.id, document: $0, grade: 1) }
            })
        let identity = ContentIdentity(
            queries: kept.map { Query(id: $0.id, text: $0.text) },
            documents: Set(kept.map(\.passage)).sorted().map { documents[$0] })
        let split: [String: Qrels]
        do {
            split = try surrogate.split(into: parts, identity: identity, seed: seed)
        } catch is RetrievalError {
            throw tooFew()
        }
        let passages = Dictionary(uniqueKeysWithValues: kept.map { ($0.id, documents[$0.passage].id) })
        var qrels = own.qrels
        for (name, part) in split {
            qrels[name] = Qrels(
                part.queryIds.compactMap { id in passages[id].map { (query: id, document: $0, grade: 1) } })
        }
        self.qrels = qrels
        self.documents = documents
        queries = kept.map { Query(id: $0.id, text: $0.text) } + own.queries
        origins = Dictionary(uniqueKeysWithValues: kept.map { ($0.id, $0.origin) })
    }

    private static func group(_ document: Document, _ grouping: Grouping) -> String {
        switch grouping {
        case .passage: document.id
        case .title: document.title.isEmpty ? "id " + document.id : "title " + document.title.oneLine
        case .id: document.id.firstMatch(of: /^(.+?)[^A-Za-z0-9]+[0-9]+$/).map { String($0.1) } ?? document.id
        }
    }

    /// Queries and passages of each split.
    public var sizes: [String: SplitSize] {
        qrels.mapValues { qrels in
            var passages = Set<String>()
            for query in qrels.queryIds { passages.formUnion(qrels.relevantDocuments(of: query).map(\.document)) }
            return SplitSize(queries: qrels.queryIds.count, passages: passages.count)
        }
    }

    /// The size of a split.
    public struct SplitSize: Sendable, Codable, Hashable {
        /// Queries with labels.
        public var queries: Int
        /// Passages that are relevant to one of them.
        public var passages: Int
    }

    /// Writes the folder, whole or not at all: `corpus.jsonl`, `queries.jsonl`, `qrels/`, `rejected.jsonl`, `generation.json`.
    /// - Parameter corpus: a file with exactly these documents, which is copied as it is; nil: the documents are written.
    /// - Throws: `NumericsError`, `RetrievalError`
    public func write(
        to folder: URL, rejected: [RejectedQuery], report: GenerationReport, corpus: URL? = nil
    ) throws {
        try AtomicFile.replaceDirectory(at: folder) { folder in
            func file(_ name: String) -> URL { folder.appendingPathComponent(name) }
            if let corpus {
                let name = corpus.pathExtension == "gz" ? "corpus.jsonl.gz" : "corpus.jsonl"
                try FileManager.default.copyItem(at: corpus, to: file(name))
            } else {
                try Self.write(documents, to: file("corpus.jsonl")) {
                    ["_id": $0.id, "title": $0.title, "text": $0.text]
                }
            }
            try Self.write(queries, to: file("queries.jsonl")) { query in
                QueryLine(_id: query.id, text: query.text, metadata: origins[query.id].map { ["origin": $0.rawValue] })
            }
            try Self.write(rejected, to: file("rejected.jsonl")) {
                [
                    "_id": $0.query.id, "text": $0.query.text, "document": documents[$0.query.passage].id,
                    "origin": $0.query.origin.rawValue, "reason": $0.reason.rawValue, "detail": $0.detail,
                ]
            }
            let labels = file("qrels")
            try FileManager.default.createDirectory(at: labels, withIntermediateDirectories: true)
            for (name, qrels) in qrels { try qrels.write(to: labels.appendingPathComponent("\(name).tsv")) }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try AtomicFile.write(try encoder.encode(report), to: file(GenerationReport.fileName))
        }
    }

    private struct QueryLine: Encodable {
        var _id: String
        var text: String
        var metadata: [String: String]?
    }

    private static func write<Element, Line: Encodable>(
        _ elements: [Element], to url: URL, _ line: (Element) -> Line
    ) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try AtomicFile.write(to: url) { writer in
            for element in elements { try writer.write(try encoder.encode(line(element)) + Data("\n".utf8)) }
        }
    }
}

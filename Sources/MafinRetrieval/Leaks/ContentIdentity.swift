import MafinImages

/// Tells which queries and which documents have the same content under different identifiers.
///
/// Images have the same content if their files have the same bytes, and the texts beside them have. Texts that differ only in case,
/// punctuation and white space (``TextShingles/normalized(_:)``) have the same content. A text without any word has the same content as no
/// other text.
public struct ContentIdentity: Sendable {
    private let queries: [String: Int]
    private let documents: [String: Int]

    /// A key that is equal for equal contents.
    package enum Key: Hashable {
        case content(Int)
        /// For a text that is unknown or has no word, the identifier.
        case identifier(String)
    }

    /// The contents of these texts.
    public init(queries: [Query], documents: [Document]) {
        self.queries = Self.numbers(queries.lazy.map { ($0.id, $0.text, $0.image) })
        self.documents = Self.numbers(documents.lazy.map { ($0.id, $0.textForEncoding, $0.image) })
    }

    /// The contents of those queries and documents of a collection that these labels name.
    public init(_ collection: RetrievalCollection, labelledBy qrels: [Qrels]) {
        var documents = Set<String>()
        for labels in qrels {
            for query in labels.queryIds { documents.formUnion((labels[query] ?? [:]).keys) }
        }
        self.init(
            queries: collection.queries.filter { query in qrels.contains { $0[query.id] != nil } },
            documents: collection.documents.filter { documents.contains($0.id) })
    }

    package func query(_ id: String) -> Key { queries[id].map(Key.content) ?? .identifier(id) }

    package func document(_ id: String) -> Key { documents[id].map(Key.content) ?? .identifier(id) }

    private static func numbers(
        _ items: some Sequence<(id: String, text: String, image: ItemImage?)>
    ) -> [String: Int] {
        var numberOfText: [String: Int] = [:]
        var numbers: [String: Int] = [:]
        for (id, text, image) in items {
            let normalized = ItemContent.normalized(text: text, image: image)
            guard !normalized.isEmpty else { continue }
            let next = numberOfText.count
            numbers[id] = numberOfText[normalized, default: next]
            numberOfText[normalized] = numbers[id]
        }
        return numbers
    }
}

import MafinNumerics

/// Stored answers, looked up by text. Stored answers have ids only, and requests have texts only; a collection connects the two.
///
/// It answers for the texts of its collection and refuses all others.
package struct KnownTexts: BlackBox {
    package var identity: BlackBoxIdentity { base.identity }
    private let base: any BlackBox
    private let queries: [String: String]
    private let documents: [String: String]
    private let refusal: any Error

    /// - Parameters:
    ///   - base: answers by id.
    ///   - queries: id and text of each query.
    ///   - documents: id and text of each document, as it is embedded.
    ///   - refusal: thrown for a text that is not in the collection.
    package init(
        _ base: any BlackBox, queries: [(id: String, text: String)], documents: [(id: String, text: String)],
        refusal: any Error
    ) {
        (self.base, self.refusal) = (base, refusal)
        self.queries = Dictionary(queries.map { (Self.folded($0.text), $0.id) }) { first, _ in first }
        self.documents = Dictionary(documents.map { (Self.folded($0.text), $0.id) }) { first, _ in first }
    }

    /// The stored vectors of the items' texts. The items' ids are ignored.
    package func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        let ids = role == .query ? queries : documents
        let known = try items.map { item in
            guard item.image == nil, let id = ids[Self.folded(item.text)] else { throw refusal }
            return EmbeddingItem(id: id, text: item.text)
        }
        return try await base.embed(known, as: role)
    }

    private static func folded(_ text: String) -> String {
        text.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}

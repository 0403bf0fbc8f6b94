import MafinImages
import MafinNumerics

/// Stored answers, looked up by text or image. Stored answers have ids only, and requests have texts and images only; a collection connects
/// the two.
///
/// It answers for the items of its collection and refuses all others. Texts are the same if they differ in case and white space only, images
/// if their files have the same bytes.
package struct KnownTexts: BlackBox {
    package var identity: BlackBoxIdentity { base.identity }
    private let base: any BlackBox
    private let queries: [String: String]
    private let documents: [String: String]
    private let refusal: any Error

    /// - Parameters:
    ///   - base: answers by id.
    ///   - queries: the queries of the collection.
    ///   - documents: the documents of the collection, as they are embedded.
    ///   - refusal: thrown for an item that is not in the collection.
    package init(
        _ base: any BlackBox, queries: [EmbeddingItem], documents: [EmbeddingItem], refusal: any Error
    ) {
        (self.base, self.refusal) = (base, refusal)
        self.queries = Dictionary(queries.map { (Self.folded($0), $0.id) }) { first, _ in first }
        self.documents = Dictionary(documents.map { (Self.folded($0), $0.id) }) { first, _ in first }
    }

    /// The stored vectors of the items' texts and images. The items' ids are ignored.
    package func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        let ids = role == .query ? queries : documents
        let known = try items.map { item in
            guard let id = ids[Self.folded(item)] else { throw refusal }
            return EmbeddingItem(id: id, text: item.text, image: item.image)
        }
        return try await base.embed(known, as: role)
    }

    private static func folded(_ item: EmbeddingItem) -> String {
        let text = item.text.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return Item(text, image: item.image).content
    }
}

import MafinBlackBox
import MafinNumerics

/// Stored answers, asked by text: for a black box that is a file and knows its texts by id only.
///
/// It answers the texts of its own collection, and refuses all others in words.
public struct KnownTexts: BlackBox {
    /// That of the stored answers.
    public var identity: BlackBoxIdentity { base.identity }
    private let base: any BlackBox
    private let queries: [String: String]
    private let documents: [String: String]

    /// - Parameters:
    ///   - base: answers by id.
    ///   - queries: id and text of each query.
    ///   - documents: id and text of each document, as it is embedded.
    public init(
        _ base: any BlackBox, queries: [(id: String, text: String)], documents: [(id: String, text: String)]
    ) {
        self.base = base
        self.queries = Dictionary(queries.map { (Self.folded($0.text), $0.id) }) { first, _ in first }
        self.documents = Dictionary(documents.map { (Self.folded($0.text), $0.id) }) { first, _ in first }
    }

    /// The stored vectors of the items' texts; ids are not looked at.
    /// - Throws: ``UpstreamFailure`` of kind ``UpstreamFailure/Kind/unknownText`` for a text that is not of the collection.
    public func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        let ids = role == .query ? queries : documents
        let known = try items.map { item in
            guard let id = ids[Self.folded(item.text)] else {
                throw UpstreamFailure(
                    .unknownText,
                    "the black box is a file of stored answers that does not hold this text; only texts of its collection can be asked"
                )
            }
            return EmbeddingItem(id: id, text: item.text)
        }
        return try await base.embed(known, as: role)
    }

    private static func folded(_ text: String) -> String {
        text.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}

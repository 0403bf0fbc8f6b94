import MafinImages

/// The role of a text in retrieval: query or document.
///
/// Many black boxes answer differently for the two (an input type, a prefix), so every call says which role its texts have.
public enum TextRole: String, Sendable, Codable, Hashable, CaseIterable {
    /// A text that searches.
    case query
    /// A text that is searched for.
    case document

    /// The plural, for messages.
    package var plural: String { self == .query ? "queries" : "documents" }
}

/// One text or image to be embedded, with the id under which the collection knows it.
///
/// Stored vectors answer by `id`, APIs by `text`; errors name the `id` in either case.
public struct EmbeddingItem: Sendable, Hashable {
    /// Id of the query or document in its collection.
    public let id: String
    /// The text itself, without any prefix: the black box adds its own. Empty for an image alone.
    public let text: String
    /// The image; `nil` for a text.
    public let image: ItemImage?

    /// An item of a collection.
    public init(id: String, text: String, image: ItemImage? = nil) {
        self.id = id
        self.text = text
        self.image = image
    }

    /// What an encoder reads.
    package var item: Item { Item(text, image: image) }

    /// Equal for items that get equal vectors.
    package var content: String { item.content }
}

import MafinImages

/// What a query or a document is to leak guards: its text and the hash of its image, as one text.
package enum ItemContent {
    /// A text without an image is itself. An image is its hash, which no text can be, before the text beside it.
    package static func identity(text: String, image: ItemImage?) -> String {
        Item(text, image: image).content
    }

    /// The same with the text normalised (``TextShingles/normalized(_:)``); empty if there is no word and no image.
    static func normalized(text: String, image: ItemImage?) -> String {
        identity(text: TextShingles.normalized(text), image: image)
    }
}

extension Query {
    /// Equal for queries of the same text and the same image, byte by byte. Without an image it is the text.
    package var contentForIdentity: String { ItemContent.identity(text: text, image: image) }
}

extension Document {
    /// Equal for documents of the same text and the same image, byte by byte. Without an image it is the text.
    package var contentForIdentity: String { ItemContent.identity(text: textForEncoding, image: image) }
}

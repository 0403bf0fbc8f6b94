/// What is embedded: a text, an image, or an image with a text.
///
/// An encoder or a black box reads the part that it can read.
public struct Item: Sendable, Hashable {
    /// The text; empty for an image alone.
    public var text: String
    /// The image; `nil` for a text.
    public var image: ItemImage?

    /// An item from its parts.
    public init(_ text: String = "", image: ItemImage? = nil) {
        (self.text, self.image) = (text, image)
    }

    /// Equal for items of equal content, different for others: the text, behind the hash of the image if there is one.
    public var content: String {
        if let image { return "\u{0}image \(image.contentHash)\n\(text)" }
        // A text that begins as an image's content does is another item.
        return text.utf8.first == 0 ? "\u{0}text\n\(text)" : text
    }
}

extension Item: ExpressibleByStringLiteral {
    /// A text.
    public init(stringLiteral text: String) { self.init(text) }
}

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
    public var content: String { image.map { "\u{0}image \($0.contentHash)\n\(text)" } ?? text }
}

extension Item: ExpressibleByStringLiteral {
    /// A text.
    public init(stringLiteral text: String) { self.init(text) }
}

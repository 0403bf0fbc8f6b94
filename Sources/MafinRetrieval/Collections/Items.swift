import MafinImages

extension Document {
    /// What is embedded: the image, or ``textForEncoding``.
    public var item: Item { Item(textForEncoding, image: image) }
}

extension Query {
    /// What is embedded: the image, or the text.
    public var item: Item { Item(text, image: image) }
}

import MafinImages

extension Document {
    /// What is embedded: the image, or ``textForEncoding``.
    public var item: Item { Item(textForEncoding, image: image) }
}

extension Query {
    /// What is embedded: the image, or the text.
    public var item: Item { Item(text, image: image) }
}

extension RetrievalCollection {
    /// Whether a document has a text. Without one there is nothing for lexical sources.
    public var documentsHaveText: Bool { documents.contains { !$0.textForEncoding.isEmpty } }
}

import MafinBlackBox
import MafinImages
import MafinRetrieval

extension EmbeddingItem {
    /// A document, as black boxes are asked for it.
    package init(_ document: Document) {
        self.init(id: document.id, text: document.textForEncoding, image: document.image)
    }

    /// A query, as black boxes are asked for it.
    package init(_ query: Query) {
        self.init(id: query.id, text: query.text, image: query.image)
    }

    /// What an encoder reads.
    package var item: Item { Item(text, image: image) }
}

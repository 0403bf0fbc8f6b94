import MafinBlackBox
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
}

import MafinImages
import MafinText

/// Turns items into an encoder's inputs.
public struct ItemReader: Sendable {
    /// What is read.
    public enum Kind: Sendable {
        /// Text to token ids.
        case texts(any Tokenizer)
        /// Image to pixels.
        case images(ImageProcessor)
    }

    /// What is read, and how.
    public let kind: Kind
    /// Longer texts are cut to this many tokens. For images: the rows that each of them takes.
    public let maximumLength: Int
    /// How training changes images at random.
    public var augmentation = ImageAugmentation.off

    init(_ kind: Kind, maximumLength: Int) {
        (self.kind, self.maximumLength) = (kind, maximumLength)
    }

    /// Whether it reads images, and not texts.
    public var readsImages: Bool {
        if case .images = kind { true } else { false }
    }

    /// Whether it can read an item: of images needs an image, of texts a text, even an empty one, without an image.
    public func reads(_ item: Item) -> Bool {
        readsImages ? item.image != nil : item.image == nil || !item.text.isEmpty
    }

    /// The encoder's inputs of items, with a prefix in front of texts. Images are read when they are encoded, and again for each pass of
    /// training: reading a small image takes a few per cent of the time of encoding it, and a store of pixels would take memory or disk.
    /// - Throws: ``EncoderError/input(row:expected:found:)`` for an item that it cannot read.
    public func inputs(of items: [Item], prefix: String) throws -> ItemBatch {
        if let row = items.firstIndex(where: { !reads($0) }) {
            throw EncoderError.input(
                row: row, expected: readsImages ? "an image" : "a text", found: readsImages ? "a text" : "an image")
        }
        switch kind {
        case .texts(let tokenizer):
            let texts = items.map { prefix.isEmpty ? $0.text : prefix + $0.text }
            return .tokens(tokenizer.batchEncode(texts, maxLength: maximumLength))
        case .images(let processor):
            let augmentation = augmentation
            let rows = items.compactMap(\.image).map { image in
                ImageBatch.Row(content: image.contentHash) { seed in
                    let pixels = try image.pixels()
                    return processor.tensor(of: seed.map { augmentation.augmented(pixels, seed: $0) } ?? pixels)
                }
            }
            return .images(ImageBatch(rows, tokensPerImage: maximumLength, isAugmented: !augmentation.isOff))
        }
    }
}

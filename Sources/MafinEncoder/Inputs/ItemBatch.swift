import MafinText

/// The inputs of an encoder, one row an item: texts as token ids, or images.
public enum ItemBatch: Sendable {
    case tokens(TokenBatch)
    case images(ImageBatch)

    /// Number of items.
    public var count: Int {
        switch self {
        case .tokens(let batch): batch.count
        case .images(let batch): batch.rows.count
        }
    }

    /// The cost of all items; see ``length(of:)``.
    public var tokenCount: Int {
        switch self {
        case .tokens(let batch): batch.tokenCount
        case .images(let batch): batch.rows.count * batch.tokensPerImage
        }
    }

    /// The cost of encoding an item: its tokens, or an image's patches and its class token.
    public func length(of row: Int) -> Int {
        switch self {
        case .tokens(let batch): batch.length(of: row)
        case .images(let batch): batch.tokensPerImage
        }
    }

    /// Whether training changes the inputs at random, beyond dropout.
    public var isAugmented: Bool {
        if case .images(let batch) = self { batch.isAugmented } else { false }
    }

    /// Calls `body` with bytes that determine an item and are the same on every machine: its token ids, little-endian, or the hash of its image.
    public func withContent(of row: Int, _ body: (UnsafeRawBufferPointer) -> Void) {
        switch self {
        case .tokens(let batch): batch[row].map(\.littleEndian).withUnsafeBytes(body)
        case .images(let batch): Array(batch.rows[row].content.utf8).withUnsafeBytes(body)
        }
    }

    /// The given rows, in the given order. A row may be named more than once.
    public func selecting(rows: [Int]) -> ItemBatch {
        switch self {
        case .tokens(let batch): .tokens(batch.selecting(rows: rows[...]))
        case .images(let batch): .images(batch.selecting(rows: rows))
        }
    }

    /// The rows of all parts, in order.
    /// - Precondition: all parts that have rows are of one kind.
    public static func concatenating(_ parts: [ItemBatch]) -> ItemBatch {
        let filled = parts.filter { $0.count > 0 }
        guard let first = filled.first else { return parts.first ?? .tokens(TokenBatch()) }
        switch first {
        case .tokens:
            var all = TokenBatch()
            for part in filled {
                guard case .tokens(let batch) = part else { preconditionFailure("texts and images in one batch") }
                all.append(contentsOf: batch)
            }
            return .tokens(all)
        case .images(var all):
            for part in filled.dropFirst() {
                guard case .images(let batch) = part else { preconditionFailure("texts and images in one batch") }
                all.rows += batch.rows
            }
            return .images(all)
        }
    }
}

/// Images that an encoder reads when it needs them, so that a batch of any size takes little memory.
public struct ImageBatch: Sendable {
    /// One image.
    public struct Row: Sendable {
        /// Determines the pixels, apart from augmentation: equal contents have equal pixels.
        public let content: String
        /// Normalised pixels, `(3, side, side)`; changed at random, by the seed, if one is given. The same seed gives the same pixels.
        public let pixels: @Sendable (_ augmentation: UInt64?) throws -> [Float]

        /// An image that `pixels` reads.
        public init(content: String, pixels: @escaping @Sendable (_ augmentation: UInt64?) throws -> [Float]) {
            self.content = content
            self.pixels = pixels
        }
    }

    /// The images.
    public internal(set) var rows: [Row]
    /// Rows of an encoder's stream that an image takes: its patches and the class token.
    public let tokensPerImage: Int
    /// Whether training changes the pixels at random.
    public let isAugmented: Bool

    /// - Parameter tokensPerImage: ``ImageShape/tokens`` of the encoder.
    public init(_ rows: [Row], tokensPerImage: Int, isAugmented: Bool = false) {
        (self.rows, self.tokensPerImage, self.isAugmented) = (rows, tokensPerImage, isAugmented)
    }

    func selecting(rows wanted: [Int]) -> ImageBatch {
        var selected = self
        selected.rows = wanted.map { rows[$0] }
        return selected
    }
}

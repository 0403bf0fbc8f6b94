import Foundation
import MafinImages
import MafinNumerics
import MafinText

/// A checkpoint with everything that its items need: for texts a tokenizer and prefixes, for images their processor.
public final class TextEncoder {
    /// Version of the computation of vectors. It is part of the key under which vectors are cached, and every index records it.
    ///
    /// Raise it with every change that alters vectors by more than rounding. A test pins it to vectors.
    public static let encodingVersion = 2

    /// The folder it was loaded from.
    public let folder: URL
    /// Items to inputs.
    public private(set) var reader: ItemReader
    /// Inputs to vectors.
    public let encoder: TransformerEncoder
    /// Text in front of queries and documents. Images have none.
    public let prefixes: TextPrefixes
    /// Longer texts are cut to this many tokens. The final special token is kept. For images: the rows that each of them takes.
    public var maximumLength: Int { reader.maximumLength }
    /// How training changes images at random.
    public var augmentation: ImageAugmentation {
        get { reader.augmentation }
        set { reader.augmentation = newValue }
    }

    /// The largest number of tokens of a text unless another is given: the time of a text grows with its square.
    public static let standardLength = 1024

    /// Loads a checkpoint folder. Whether it reads texts or images follows from its architecture.
    /// - Parameters:
    ///   - prefixes: the prefixes; `nil`: those of the checkpoint.
    ///   - maximumLength: largest number of tokens of a text; `nil`: that of the checkpoint, at most ``standardLength``. It is limited to the
    ///     number of positions.
    ///   - imageSide: pixels of a side of the images; `nil`: as the checkpoint's `preprocessor_config.json` says.
    ///   - trained: which weights are trained.
    /// - Throws: ``EncoderError``, `TokenizerError`, `ImageError` or `NumericsError` with the file.
    public init(
        modelFolder: URL, prefixes: TextPrefixes? = nil, maximumLength: Int? = nil, imageSide: Int? = nil,
        trained: TrainedPart = TrainedPart()
    ) throws {
        folder = modelFolder
        guard try Architecture.read(modelFolder: modelFolder).images == nil else {
            let processor = try ImageProcessor(folder: modelFolder)
            let side = imageSide ?? processor.side
            encoder = try TransformerEncoder(modelFolder: modelFolder, trained: trained, imageSide: side)
            reader = ItemReader(
                .images(side == processor.side ? processor : processor.withSide(side)),
                maximumLength: encoder.configuration.maximumPositions)
            self.prefixes = TextPrefixes()
            return
        }
        guard imageSide == nil else {
            throw EncoderError.configuration(
                path: modelFolder.path, key: "side of images", expected: "an encoder that reads images",
                found: "one that reads texts")
        }
        let tokenizer = try readTokenizer(modelFolder: modelFolder)
        encoder = try TransformerEncoder(modelFolder: modelFolder, trained: trained)
        self.prefixes = try prefixes ?? TextPrefixes(modelFolder: modelFolder)
        let length = min(
            maximumLength ?? min(tokenizer.maxLength, Self.standardLength), encoder.configuration.maximumPositions)
        reader = ItemReader(.texts(tokenizer), maximumLength: length)
        let special = tokenizer.encode("", maxLength: .max).count
        guard length > special else {
            throw EncoderError.configuration(
                path: modelFolder.path, key: "maximum length", expected: "more than its \(special) special tokens",
                found: "\(length)")
        }
    }

    /// Whether it reads images, and not texts.
    public var readsImages: Bool { reader.readsImages }

    /// Pixels of a side of the images that it reads; `nil`: it reads texts.
    public var imageSide: Int? { encoder.imageShape?.side }

    /// Text to token ids.
    /// - Precondition: it reads texts.
    public var tokenizer: any Tokenizer {
        guard case .texts(let tokenizer) = reader.kind else {
            preconditionFailure("an encoder of images has no tokenizer")
        }
        return tokenizer
    }

    /// The tokens of texts with a prefix in front (``TextPrefixes/query`` or ``TextPrefixes/document``).
    /// - Precondition: it reads texts.
    public func tokens(of texts: [String], prefix: String) -> TokenBatch {
        tokenizer.batchEncode(prefix.isEmpty ? texts : texts.map { prefix + $0 }, maxLength: maximumLength)
    }

    /// The encoder's inputs of items, with a prefix in front of texts; see ``ItemReader/inputs(of:prefix:)``.
    /// - Throws: ``EncoderError/input(row:expected:found:)`` for an item that it cannot read.
    public func inputs(of items: [Item], prefix: String) throws -> ItemBatch {
        try reader.inputs(of: items, prefix: prefix)
    }

    /// Vectors of unit length, `(items.count, dimension)`.
    ///
    /// - Parameters:
    ///   - prefix: ``TextPrefixes/query`` or ``TextPrefixes/document``.
    ///   - isCancelled: called between pieces of the work.
    ///   - progress: receives the number of items done.
    /// - Throws: `CancellationError` when cancelled; as ``inputs(of:prefix:)``; what reading an image throws.
    public func embed(
        _ items: [Item], prefix: String, isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws -> Matrix {
        try embedUnnormalized(items, prefix: prefix, isCancelled: isCancelled, progress: progress).normalizedRows()
            .matrix
    }

    /// The same for texts.
    public func embed(
        _ texts: [String], prefix: String, isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws -> Matrix {
        try embed(texts.map { Item($0) }, prefix: prefix, isCancelled: isCancelled, progress: progress)
    }

    /// The vectors before they are scaled to unit length, `(items.count, dimension)`.
    /// - Throws: as `embed`.
    public func embedUnnormalized(
        _ items: [Item], prefix: String, isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws -> Matrix {
        var values: [Float] = []
        values.reserveCapacity(items.count * encoder.dimension)
        // Pieces bound the memory for tokens and let progress be reported.
        for start in stride(from: 0, to: items.count, by: 256) {
            if isCancelled() { throw CancellationError() }
            let end = min(start + 256, items.count)
            values += try encoder.embed(inputs(of: Array(items[start..<end]), prefix: prefix)).values
            progress(end)
        }
        return Matrix(rows: items.count, columns: encoder.dimension, values: values)
    }

    /// The same for texts.
    public func embedUnnormalized(
        _ texts: [String], prefix: String, isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws -> Matrix {
        try embedUnnormalized(texts.map { Item($0) }, prefix: prefix, isCancelled: isCancelled, progress: progress)
    }

    /// Writes the checkpoint into an existing folder, in the sentence-transformers layout; an encoder of images in that of transformers, with
    /// the processor of its images.
    /// - Parameter normalizes: whether the layout ends with a module that scales vectors to unit length; not for images.
    /// - Throws: ``EncoderError``, `ImageError` or `NumericsError` with the file.
    public func save(to target: URL, normalizes: Bool = true) throws {
        try encoder.save(to: target, tokenizerFrom: folder, normalizes: normalizes)
        if case .images(let processor) = reader.kind { try processor.write(to: target) }
    }
}

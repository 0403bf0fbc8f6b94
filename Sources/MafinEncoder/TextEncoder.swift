import Foundation
import MafinNumerics
import MafinText

/// A checkpoint ready for texts: its tokenizer, its encoder and its prefixes.
public final class TextEncoder {
    /// Version of the computation from a text to its vector: part of the key under which vectors are cached, and recorded in every index.
    ///
    /// Raise it with every change that moves vectors by more than rounding; a test pins it to vectors.
    public static let encodingVersion = 2

    /// The folder it was loaded from.
    public let folder: URL
    /// Text to token ids.
    public let tokenizer: WordPieceTokenizer
    /// Token ids to vectors.
    public let encoder: BERTEncoder
    /// Text in front of queries and documents.
    public let prefixes: TextPrefixes
    /// Texts of more tokens are cut to this many, the final special token kept.
    public let maximumLength: Int

    /// Loads a checkpoint folder.
    /// - Parameters:
    ///   - prefixes: `nil`: those of the checkpoint.
    ///   - maximumLength: the most tokens of a text; `nil`: the checkpoint's. At most the number of its positions.
    ///   - frozenLayers: the lowest layers whose parameters do not train.
    ///   - freezesEmbeddings: whether the embeddings do not train.
    /// - Throws: ``EncoderError``, `TokenizerError` or `NumericsError`, naming the file.
    public init(
        modelFolder: URL, prefixes: TextPrefixes? = nil, maximumLength: Int? = nil, frozenLayers: Int = 0,
        freezesEmbeddings: Bool = false
    ) throws {
        folder = modelFolder
        tokenizer = try WordPieceTokenizer(modelFolder: modelFolder)
        encoder = try BERTEncoder(
            modelFolder: modelFolder, frozenLayers: frozenLayers, freezesEmbeddings: freezesEmbeddings)
        self.prefixes = try prefixes ?? TextPrefixes(modelFolder: modelFolder)
        self.maximumLength = min(maximumLength ?? tokenizer.maxLength, encoder.configuration.maximumPositions)
    }

    /// The tokens of texts with a prefix in front (``TextPrefixes/query`` or ``TextPrefixes/document``).
    public func tokens(of texts: [String], prefix: String) -> TokenBatch {
        tokenizer.batchEncode(prefix.isEmpty ? texts : texts.map { prefix + $0 }, maxLength: maximumLength)
    }

    /// Vectors of unit length, `(texts.count, dimension)`.
    ///
    /// - Parameters:
    ///   - prefix: ``TextPrefixes/query`` or ``TextPrefixes/document``.
    ///   - isCancelled: asked between pieces of the work.
    ///   - progress: called with the number of texts done.
    /// - Throws: `CancellationError` when cancelled.
    public func embed(
        _ texts: [String], prefix: String, isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws -> Matrix {
        try embedUnnormalized(texts, prefix: prefix, isCancelled: isCancelled, progress: progress).normalizedRows()
            .matrix
    }

    /// The vectors as the encoder computes them, before they are scaled to unit length.
    /// - Throws: `CancellationError` when cancelled.
    public func embedUnnormalized(
        _ texts: [String], prefix: String, isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws -> Matrix {
        var values: [Float] = []
        values.reserveCapacity(texts.count * encoder.dimension)
        // Pieces bound the memory for tokens and let progress be reported.
        for start in stride(from: 0, to: texts.count, by: 256) {
            if isCancelled() { throw CancellationError() }
            let end = min(start + 256, texts.count)
            let batch = tokens(of: Array(texts[start..<end]), prefix: prefix)
            values += try encoder.embed(batch).values
            progress(end)
        }
        return Matrix(rows: texts.count, columns: encoder.dimension, values: values)
    }
}

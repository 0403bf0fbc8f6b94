import Foundation
import MafinNumerics
import MafinText

/// A checkpoint with everything that texts need: tokenizer, encoder and prefixes.
public final class TextEncoder {
    /// Version of the computation of vectors. It is part of the key under which vectors are cached, and every index records it.
    ///
    /// Raise it with every change that alters vectors by more than rounding. A test pins it to vectors.
    public static let encodingVersion = 2

    /// The folder it was loaded from.
    public let folder: URL
    /// Text to token ids.
    public let tokenizer: any Tokenizer
    /// Token ids to vectors.
    public let encoder: TransformerEncoder
    /// Text in front of queries and documents.
    public let prefixes: TextPrefixes
    /// Longer texts are cut to this many tokens. The final special token is kept.
    public let maximumLength: Int

    /// The largest number of tokens of a text unless another is given: the time of a text grows with its square.
    public static let standardLength = 1024

    /// Loads a checkpoint folder.
    /// - Parameters:
    ///   - prefixes: the prefixes; `nil`: those of the checkpoint.
    ///   - maximumLength: largest number of tokens of a text; `nil`: that of the checkpoint, at most ``standardLength``. It is limited to the
    ///     number of positions.
    ///   - trained: which weights are trained.
    /// - Throws: ``EncoderError``, `TokenizerError` or `NumericsError` with the file.
    public init(
        modelFolder: URL, prefixes: TextPrefixes? = nil, maximumLength: Int? = nil,
        trained: TrainedPart = TrainedPart()
    ) throws {
        folder = modelFolder
        tokenizer = try readTokenizer(modelFolder: modelFolder)
        encoder = try TransformerEncoder(modelFolder: modelFolder, trained: trained)
        self.prefixes = try prefixes ?? TextPrefixes(modelFolder: modelFolder)
        self.maximumLength = min(
            maximumLength ?? min(tokenizer.maxLength, Self.standardLength), encoder.configuration.maximumPositions)
        let special = tokenizer.encode("", maxLength: .max).count
        guard self.maximumLength > special else {
            throw EncoderError.configuration(
                path: modelFolder.path, key: "maximum length", expected: "more than its \(special) special tokens",
                found: "\(self.maximumLength)")
        }
    }

    /// The tokens of texts with a prefix in front (``TextPrefixes/query`` or ``TextPrefixes/document``).
    public func tokens(of texts: [String], prefix: String) -> TokenBatch {
        tokenizer.batchEncode(prefix.isEmpty ? texts : texts.map { prefix + $0 }, maxLength: maximumLength)
    }

    /// Vectors of unit length, `(texts.count, dimension)`.
    ///
    /// - Parameters:
    ///   - prefix: ``TextPrefixes/query`` or ``TextPrefixes/document``.
    ///   - isCancelled: called between pieces of the work.
    ///   - progress: receives the number of texts done.
    /// - Throws: `CancellationError` when cancelled.
    public func embed(
        _ texts: [String], prefix: String, isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws -> Matrix {
        try embedUnnormalized(texts, prefix: prefix, isCancelled: isCancelled, progress: progress).normalizedRows()
            .matrix
    }

    /// The vectors before they are scaled to unit length, `(texts.count, dimension)`.
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

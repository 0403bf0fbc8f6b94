import Foundation
import MafinNumerics
import MafinText

/// What is put in front of a text before it is encoded, as some checkpoints were trained with (`query: `, `passage: `).
public struct TextPrefixes: Sendable, Codable, Equatable {
    /// In front of queries.
    public var query: String
    /// In front of documents.
    public var document: String

    /// No prefix unless given.
    public init(query: String = "", document: String = "") {
        self.query = query
        self.document = document
    }

    /// The prompts that a checkpoint's `config_sentence_transformers.json` names `query` and `document` (or `passage`).
    /// - Throws: ``EncoderError`` where the file is there and is no JSON object.
    public init(modelFolder: URL) throws {
        let url = modelFolder.appendingPathComponent("config_sentence_transformers.json")
        self.init()
        guard FileManager.default.fileExists(atPath: url.path) else { return }
        guard let prompts = try JSONFile(url).object["prompts"] as? [String: String] else { return }
        query = prompts["query"] ?? ""
        document = prompts["document"] ?? prompts["passage"] ?? ""
    }

    /// The prefixes given; one that is not given is the checkpoint's. Nil where neither is given.
    package init?(query: String?, document: String?, elseOf modelFolder: URL) throws {
        guard query != nil || document != nil else { return nil }
        let own = try TextPrefixes(modelFolder: modelFolder)
        self.init(query: query ?? own.query, document: document ?? own.document)
    }
}

/// A checkpoint ready for texts: its tokenizer, its encoder and its prefixes.
public final class TextEncoder {
    /// The folder it was loaded from.
    public let folder: URL
    /// Text to token ids.
    public let tokenizer: WordPieceTokenizer
    /// Token ids to vectors.
    public let encoder: BERTEncoder
    /// What is put in front of texts.
    public let prefixes: TextPrefixes
    /// Texts of more tokens are cut to this many, the final special token kept.
    public let maximumLength: Int

    /// Loads a checkpoint folder.
    /// - Parameters:
    ///   - prefixes: `nil`: what the checkpoint says.
    ///   - maximumLength: tokens at most; `nil`: what the checkpoint says. Never more than it has positions for.
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

    /// The tokens of texts behind a prefix (``TextPrefixes/query`` or ``TextPrefixes/document``).
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

    /// The same vectors as the encoder emits them, before they are brought to unit length.
    /// - Throws: `CancellationError` when cancelled.
    public func embedUnnormalized(
        _ texts: [String], prefix: String, isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws -> Matrix {
        var values: [Float] = []
        values.reserveCapacity(texts.count * encoder.dimension)
        // Pieces bound the memory for tokens, and give progress something to say.
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

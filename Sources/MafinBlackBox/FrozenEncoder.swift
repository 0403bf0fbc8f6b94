import Foundation
import MafinEncoder
import MafinImages
import MafinNumerics
import MafinText

/// An encoder on this machine that is never trained: a stronger model as the black box, without a network.
///
/// It reads images where its checkpoint does, and texts otherwise. Texts that are too long are cut as the checkpoint says. Batches are computed one after the other, each on all cores.
public struct FrozenEncoder: BlackBox {
    /// Provider `local`. The content hash covers weights, settings and vocabulary.
    public let identity: BlackBoxIdentity
    /// Numbers in a vector.
    public let dimension: Int
    private let engine: Engine
    private let path: String

    /// Texts in a batch.
    private static let batchSize = 512

    /// The files that determine a vector, if they exist.
    private static let files: [String] = {
        // Their order is part of the hash, so new names come last.
        let first = [
            "config.json", "model.safetensors", "modules.json", "1_Pooling/config.json", "sentence_bert_config.json",
            "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt",
        ]
        return first + TokenizerFiles.names.filter { !first.contains($0) } + [ImageProcessor.fileName]
    }()

    /// Loads a checkpoint folder.
    /// - Parameters:
    ///   - modelFolder: in the sentence-transformers layout.
    ///   - name: for the identity; nil: the folder's name.
    ///   - prefixes: put before queries and documents; nil: those of the checkpoint.
    ///   - maximumLength: tokens at most; nil: what the checkpoint says.
    /// - Throws: what `TextEncoder` throws, naming the file; ``BlackBoxError/unreadable(path:reason:)``
    public init(
        modelFolder: URL, name: String? = nil, prefixes: TextPrefixes? = nil, maximumLength: Int? = nil
    ) async throws {
        engine = try Engine(modelFolder: modelFolder, prefixes: prefixes, maximumLength: maximumLength)
        path = modelFolder.path
        let facts = await engine.facts
        dimension = facts.dimension
        var digests: [String] = []
        for file in Self.files {
            let url = modelFolder.appendingPathComponent(file)
            guard FileManager.default.fileExists(atPath: url.path) else { continue }
            do {
                digests.append("\(file) \(try ContentHash.sha256(of: url))")
            } catch {
                throw BlackBoxError.unreadable(path: url.path, reason: "its content cannot be hashed")
            }
        }
        identity = BlackBoxIdentity(
            provider: "local", model: name ?? modelFolder.lastPathComponent, dimension: facts.dimension,
            queryPrefix: facts.prefixes.query, documentPrefix: facts.prefixes.document, normalisation: .unit,
            truncation: facts.imageSide.map { "images of \($0) pixels" } ?? "\(facts.maximumLength) tokens",
            contentHash: ContentHash.sha256(of: digests.joined(separator: "\n")))
    }

    /// Unit vectors of the items' texts or images, in order.
    /// - Throws: ``BlackBoxError`` for an item that it cannot read, and where the weights give no finite vector; `CancellationError`
    public func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        let vectors = try await engine.embed(
            items, prefix: identity.prefix(for: role), path: path)
        try VectorCheck.require(vectors, path: path) { items[$0].id }
        return vectors
    }

    /// Unit vectors of the items' texts or images, in batches of 512.
    /// - Throws: ``BlackBoxError`` where the weights give no finite vector; `CancellationError`
    public func embed(
        _ items: [EmbeddingItem], as role: TextRole, answered: @escaping @Sendable (AnsweredRows) async throws -> Void
    ) async throws {
        for start in stride(from: 0, to: items.count, by: Self.batchSize) {
            let batch = start..<min(start + Self.batchSize, items.count)
            let vectors = try await embed(Array(items[batch]), as: role)
            try await answered(AnsweredRows(indices: Array(batch), vectors: vectors))
        }
    }

    /// Serializes calls of the encoder, because its buffers serve one computation at a time.
    private actor Engine {
        private let encoder: TextEncoder

        init(modelFolder: URL, prefixes: TextPrefixes?, maximumLength: Int?) throws {
            encoder = try TextEncoder(modelFolder: modelFolder, prefixes: prefixes, maximumLength: maximumLength)
        }

        var facts: (dimension: Int, prefixes: TextPrefixes, maximumLength: Int, imageSide: Int?) {
            (encoder.encoder.dimension, encoder.prefixes, encoder.maximumLength, encoder.imageSide)
        }

        func embed(_ items: [EmbeddingItem], prefix: String, path: String) throws -> Matrix {
            let model = "the encoder \(path)"
            if encoder.readsImages {
                try BlackBoxError.refuseTexts(items, model: model)
            } else {
                try BlackBoxError.refuseImages(items, model: model)
            }
            return try encoder.embed(items.map { Item($0.text, image: $0.image) }, prefix: prefix)
        }
    }
}

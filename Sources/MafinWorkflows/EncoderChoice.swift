import Foundation
import MafinEncoder
import MafinPipeline

/// Which open encoder is trained, how it reads texts, and how much of it may change.
package struct EncoderChoice: Sendable {
    /// The default encoder: 22 M parameters, 384 dimensions, fast on a CPU.
    package static let standardName = "sentence-transformers/all-MiniLM-L6-v2"

    /// `ORGANISATION/NAME` of the model hub, or a folder.
    package var name = Self.standardName
    /// Branch, tag or commit; nil for `main`.
    package var revision: String?
    /// Text before each query; nil for the checkpoint's prompt.
    package var queryPrefix: String?
    /// Text before each document; nil for the checkpoint's prompt.
    package var documentPrefix: String?
    /// Texts are cut to this many tokens; nil for the checkpoint's limit.
    package var maximumLength: Int?
    /// Pixels of a side of the images; nil as the checkpoint says.
    package var imageSide: Int?
    /// Which weights are trained.
    package var trained = TrainedPart()

    package init() {}

    /// Finds the encoder on this machine and reads its prefixes. The network is not used.
    /// - Throws: `ModelError.notFound`, which says what to pull; `EncoderError` for a damaged file of prompts.
    package func resolve(in folders: ModelFolders = ModelFolders()) throws -> ReleasedEncoder {
        let folder = try folders.resolve(name, revision: revision ?? "main")
        return try ReleasedEncoder(
            name: name, revision: revision, folder: folder,
            prefixes: TextPrefixes(query: queryPrefix, document: documentPrefix, elseOf: folder),
            maximumLength: maximumLength, imageSide: imageSide)
    }

    /// The encoder, ready to train.
    func load(_ released: ReleasedEncoder) throws -> TextEncoder {
        try released.load(trained)
    }
}

extension LocalVectorCache {
    /// The cache of the local encoder's vectors of documents. It lies beside the cache of paid vectors (see `MAFIN_CACHE`).
    package static var shared: LocalVectorCache {
        LocalVectorCache(folder: UserFolder.caches().appendingPathComponent("local-vectors"))
    }
}

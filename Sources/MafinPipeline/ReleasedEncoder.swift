import Foundation
import MafinEncoder
import MafinNumerics

/// A released checkpoint that training begins with: where it lies, and how its texts are made.
public struct ReleasedEncoder: Sendable {
    /// Repository id or folder, as the user named it.
    public let name: String
    /// Revision of the repository, where one was asked for.
    public let revision: String?
    /// The folder with its files.
    public let folder: URL
    /// What is put in front of texts; `nil`: what the checkpoint says.
    public let prefixes: TextPrefixes?
    /// Tokens at most; `nil`: what the checkpoint says.
    public let maximumLength: Int?
    /// SHA-256 of its weights.
    public let weightsHash: String

    /// - Throws: `BlackBoxError` or a file error where the weights cannot be read.
    public init(
        name: String, revision: String? = nil, folder: URL, prefixes: TextPrefixes? = nil, maximumLength: Int? = nil
    ) throws {
        self.name = name
        self.revision = revision
        self.folder = folder
        self.prefixes = prefixes
        self.maximumLength = maximumLength
        let weights = folder.appendingPathComponent("model.safetensors")
        guard FileManager.default.fileExists(atPath: weights.path) else {
            throw EncoderError.file(path: weights.path, reason: "no such file; only safetensors weights are read")
        }
        weightsHash = try ContentHash.sha256(of: weights)
    }

    /// The checkpoint loaded, ready to be trained.
    /// - Throws: what `TextEncoder` throws, naming the file.
    public func load(frozenLayers: Int = 0, freezesEmbeddings: Bool = false) throws -> TextEncoder {
        try TextEncoder(
            modelFolder: folder, prefixes: prefixes, maximumLength: maximumLength, frozenLayers: frozenLayers,
            freezesEmbeddings: freezesEmbeddings)
    }

    /// - Parameter saved: the folder inside the artefact where trained weights are saved; `nil`: the checkpoint as released.
    func record(of encoder: TextEncoder, saved: String?) -> EncoderRecord {
        let isFolder = FileManager.default.fileExists(atPath: name)
        return EncoderRecord(
            name: name, revision: revision, path: isFolder ? folder.standardizedFileURL.path : nil, folder: saved,
            weightsSHA256: saved == nil ? weightsHash : "",
            dimension: encoder.encoder.dimension, pooling: encoder.encoder.pooling.rawValue,
            queryPrefix: encoder.prefixes.query, documentPrefix: encoder.prefixes.document,
            maximumLength: encoder.maximumLength)
    }
}

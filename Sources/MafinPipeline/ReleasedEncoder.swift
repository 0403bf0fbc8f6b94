import Foundation
import MafinEncoder
import MafinNumerics

/// The released checkpoint with which training begins, and how its input texts are made.
public struct ReleasedEncoder: Sendable {
    /// Repository id or folder, as given by the user.
    public let name: String
    /// Revision of the repository, if one was asked for.
    public let revision: String?
    /// The folder with its files.
    public let folder: URL
    /// Prefixes of texts; `nil`: those of the checkpoint.
    public let prefixes: TextPrefixes?
    /// Largest number of tokens of a text; `nil`: that of the checkpoint.
    public let maximumLength: Int?
    /// Pixels of a side of the images; `nil`: as the checkpoint says, or it reads texts.
    public let imageSide: Int?
    /// SHA-256 of its weights.
    public let weightsHash: String

    /// - Throws: `EncoderError.file` if the folder has no `model.safetensors`, or a file error if it cannot be read.
    public init(
        name: String, revision: String? = nil, folder: URL, prefixes: TextPrefixes? = nil, maximumLength: Int? = nil,
        imageSide: Int? = nil
    ) throws {
        self.name = name
        self.revision = revision
        self.folder = folder
        self.prefixes = prefixes
        self.maximumLength = maximumLength
        self.imageSide = imageSide
        let weights = folder.appendingPathComponent("model.safetensors")
        guard FileManager.default.fileExists(atPath: weights.path) else {
            throw EncoderError.file(path: weights.path, reason: "no such file; only safetensors weights are read")
        }
        weightsHash = try ContentHash.sha256(of: weights)
    }

    /// Loads the checkpoint, ready to be trained.
    /// - Throws: whatever `TextEncoder` throws, with the file.
    public func load(_ trained: TrainedPart = TrainedPart()) throws -> TextEncoder {
        try TextEncoder(
            modelFolder: folder, prefixes: prefixes, maximumLength: maximumLength, imageSide: imageSide,
            trained: trained
        )
    }

    /// - Parameter saved: the folder inside the artefact to which trained weights are saved; `nil`: the released
    ///   checkpoint itself.
    func record(of encoder: TextEncoder, saved: String?) -> EncoderRecord {
        let isFolder = FileManager.default.fileExists(atPath: name)
        return EncoderRecord(
            name: name, revision: revision, path: isFolder ? folder.standardizedFileURL.path : nil, folder: saved,
            weightsSHA256: saved == nil ? weightsHash : "",
            dimension: encoder.encoder.dimension, pooling: encoder.encoder.pooling.rawValue,
            queryPrefix: encoder.prefixes.query, documentPrefix: encoder.prefixes.document,
            maximumLength: encoder.readsImages ? nil : encoder.maximumLength, imageSide: encoder.imageSide)
    }
}

import Foundation
import MafinBlackBox
import MafinEncoder

/// A local encoder of queries, of documents or of both, with everything that determines its vectors.
public struct EncoderRecord: Sendable, Codable, Hashable {
    /// The checkpoint, or for a trained encoder the checkpoint with which training began: an id such as
    /// `sentence-transformers/all-MiniLM-L6-v2`, or a folder's name.
    public var name: String
    /// Revision of the repository; `nil` if it is not known.
    public var revision: String?
    /// Path of the folder ``name`` when the artefact was written. A reader looks there first, and compares the hash to
    /// see whether it is still the same.
    public var path: String?
    /// The folder inside the artefact that holds the encoder. `nil` if the encoder is the unchanged released checkpoint
    /// ``name``; the artefact has no copy of it, so the reader has to find it.
    public var folder: String?
    /// The file with the weights, inside the encoder's folder.
    public var weightsFile = "model.safetensors"
    /// SHA-256 of ``weightsFile`` in lower-case hexadecimal. ``Artefact`` fills it in for an encoder that it saves.
    public var weightsSHA256 = ""
    /// Dimension of its vectors.
    public var dimension: Int
    /// How token vectors are pooled (`mean`, `cls`); `nil` for an encoder without pooling.
    public var pooling: String?
    /// Text in front of each query.
    public var queryPrefix = ""
    /// Text in front of each document.
    public var documentPrefix = ""
    /// Number of tokens to which texts are cut; `nil` if inputs have no length.
    public var maximumLength: Int?
    /// Pixels of a side of the images that it reads; `nil` for an encoder of texts.
    public var imageSide: Int?

    /// The folder of the encoder of documents, or of both if one encoder serves both.
    public static let documentFolder = "document-encoder"
    /// The folder of the encoder of a ``StandIn``.
    public static let standInFolder = "stand-in"
    /// The folder of the encoder of queries, if it differs from the encoder of documents.
    public static let queryFolder = "query-encoder"

    /// Loads the encoder.
    /// - Parameter precision: in which it embeds.
    func load(from folder: URL, precision: Precision) throws -> TextEncoder {
        let encoder = try TextEncoder(
            modelFolder: folder, prefixes: TextPrefixes(query: queryPrefix, document: documentPrefix),
            maximumLength: maximumLength, imageSide: imageSide)
        encoder.encoder.precision = precision
        return encoder
    }
}

extension TextPrefixes {
    /// The prefix of queries or of documents.
    subscript(role: TextRole) -> String { role == .query ? query : document }
}

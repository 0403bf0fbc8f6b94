import Foundation
import MafinBlackBox
import MafinEncoder

/// The local encoder of queries, of documents or of both, and everything that determines its vectors.
public struct EncoderRecord: Sendable, Codable, Hashable {
    /// The checkpoint, or the one that training began with: an id such as `sentence-transformers/all-MiniLM-L6-v2`, or a folder's name.
    public var name: String
    /// Revision of the repository, where it is known.
    public var revision: String?
    /// Where the folder ``name`` lay when the artefact was written: the first place to look. Its hash says whether it is still the same.
    public var path: String?
    /// The folder inside the artefact that holds the encoder; `nil` where it is the released checkpoint ``name`` as it is,
    /// which is not copied and has to be found by whoever reads the artefact.
    public var folder: String?
    /// The file with the weights, inside the encoder's folder.
    public var weightsFile = "model.safetensors"
    /// SHA-256 of ``weightsFile``, lower-case hexadecimal. Filled in by ``Artefact`` for an encoder that it saves.
    public var weightsSHA256 = ""
    /// Numbers in a vector.
    public var dimension: Int
    /// How token vectors become one (`mean`, `cls`); `nil` where there is no such thing.
    public var pooling: String?
    /// Put before each query.
    public var queryPrefix = ""
    /// Put before each document.
    public var documentPrefix = ""
    /// Texts are cut to so many tokens; `nil` where the inputs have no length.
    public var maximumLength: Int?

    /// The folder of the encoder of documents (and of queries, where both towers are one).
    public static let documentFolder = "document-encoder"
    /// The folder of the encoder of queries, where training made the towers differ.
    public static let queryFolder = "query-encoder"

    func load(from folder: URL) throws -> TextEncoder {
        try TextEncoder(
            modelFolder: folder, prefixes: TextPrefixes(query: queryPrefix, document: documentPrefix),
            maximumLength: maximumLength)
    }
}

extension TextPrefixes {
    /// The one in front of queries, or of documents.
    subscript(role: TextRole) -> String { role == .query ? query : document }
}

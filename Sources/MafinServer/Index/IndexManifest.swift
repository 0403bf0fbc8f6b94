import MafinBlackBox
import MafinPipeline

/// What an index is, and which artefacts it can be searched with: `index.json`.
///
/// | file | holds |
/// |---|---|
/// | `black-box.npy` | the black box's unit vectors of the documents, one a row |
/// | `local.npy` | the local encoder's unit vectors, in the same order |
/// | `corpus.jsonl` | a line `{"_id", "title", "text"}` for each document, as BEIR writes them |
/// | `corpus.offsets` | where each line begins, and the file's length: 64-bit little-endian |
/// | `corpus.lookup` | hash of the id and row, 64-bit little-endian each, by ascending hash |
///
/// The halves lie apart and unweighted, so that any λ ranks them without touching the index.
public struct IndexManifest: Sendable, Codable, Equatable {
    /// Name of the manifest's file.
    public static let fileName = "index.json"
    /// The format that is written, and the newest that is read.
    public static let currentFormatVersion = 1

    /// Version of the folder's format.
    public var formatVersion: Int
    /// What wrote it.
    public var library: LibraryVersion
    /// SHA-256 of the manifest of the artefact that it was made with.
    public var artefactSHA256: String
    /// Whose vectors `black-box.npy` holds.
    public var blackBox: BlackBoxIdentity
    /// Whose vectors `local.npy` holds.
    public var documentEncoder: EncoderRecord
    /// `float32` or `float16`.
    public var element: String
    /// Number of documents.
    public var documents: Int
    /// Numbers in a vector of the black box.
    public var blackBoxDimension: Int
    /// Numbers in a local vector.
    public var localDimension: Int
    /// Name of the collection; no path of the machine.
    public var collection: String
    /// Every other file of the folder.
    public var files: [File]

    /// One file of the folder.
    public struct File: Sendable, Codable, Equatable {
        /// Its name.
        public var path: String
        /// Length.
        public var bytes: Int
        /// SHA-256 of the content, lower-case hexadecimal.
        public var sha256: String
    }

    /// In what the vectors of documents that an artefact makes differ from those in the index; empty where there is nothing.
    ///
    /// Trained anew beside the same black box and with the same encoder of documents (the query tower), an artefact fits an
    /// index that was made before.
    public func differences(from artefact: ArtefactManifest) -> [String] {
        var found = blackBox.differences(from: artefact.blackBox)
        func compare(_ name: String, _ mine: String, _ theirs: String) {
            if mine != theirs { found.append("\(name) \(mine) instead of \(theirs)") }
        }
        let (mine, theirs) = (documentEncoder, artefact.documentEncoder)
        compare("weights of the document encoder", mine.weightsSHA256, theirs.weightsSHA256)
        compare("document prefix", "'\(mine.documentPrefix)'", "'\(theirs.documentPrefix)'")
        compare(
            "maximum length", mine.maximumLength.map(String.init) ?? "none",
            theirs.maximumLength.map(String.init) ?? "none")
        compare("black box dimension", "\(blackBoxDimension)", "\(artefact.blackBoxDimension)")
        return found
    }
}

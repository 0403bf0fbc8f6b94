import MafinBlackBox
import MafinEncoder
import MafinPipeline

/// `index.json`: what an index holds, and which artefacts can search it.
///
/// | file | holds |
/// |---|---|
/// | `black-box.npy` | the black box's unit vectors of the documents, one a row |
/// | `local.npy` | the local encoder's unit vectors, in the same order |
/// | `corpus.jsonl` | a line `{"_id", "title", "text"}` for each document, as BEIR writes them |
/// | `corpus.offsets` | where each line begins, and the file's length: 64-bit little-endian |
/// | `corpus.lookup` | hash of the id and row, 64-bit little-endian each, by ascending hash |
///
/// The vectors of both sources are stored separately and unweighted, so that any λ can rank them without a change of the index.
package struct IndexManifest: Sendable, Codable, Equatable {
    /// Name of the manifest's file.
    package static let fileName = "index.json"
    /// The format that is written, and the newest that is read.
    package static let currentFormatVersion = 1

    /// Version of the folder's format.
    package var formatVersion: Int
    /// The version of mafin that wrote it.
    package var library: LibraryVersion
    /// SHA-256 of the manifest of the artefact that made it.
    package var artefactSHA256: String
    /// The black box whose vectors `black-box.npy` holds.
    package var blackBox: BlackBoxIdentity
    /// The encoder whose vectors `local.npy` holds.
    package var documentEncoder: EncoderRecord
    /// `TextEncoder.encodingVersion` of the program that made the vectors; `nil`, in indexes that do not record it, means 1.
    package var encodingVersion: Int?
    /// `float32` or `float16`.
    package var element: String
    /// Number of documents.
    package var documents: Int
    /// Numbers in a vector of the black box.
    package var blackBoxDimension: Int
    /// Numbers in a local vector.
    package var localDimension: Int
    /// Name of the collection, without its path.
    package var collection: String
    /// Every other file of the folder.
    package var files: [ArtefactManifest.FileRecord]

    /// How an artefact's document vectors by this program differ from those in the index; empty if they are the same.
    ///
    /// An artefact that is trained again beside the same black box and with the same document encoder (as in query mode) still fits an
    /// index that was made before.
    package func differences(from artefact: ArtefactManifest) -> [String] {
        var found = blackBox.differences(from: artefact.blackBox)
        func compare(_ name: String, _ mine: String, _ theirs: String) {
            if mine != theirs { found.append("\(name) \(mine) instead of \(theirs)") }
        }
        let (mine, theirs) = (documentEncoder, artefact.documentEncoder)
        compare("weights of the document encoder", mine.weightsSHA256, theirs.weightsSHA256)
        compare("encoding version", "\(encodingVersion ?? 1)", "\(TextEncoder.encodingVersion)")
        compare("document prefix", "'\(mine.documentPrefix)'", "'\(theirs.documentPrefix)'")
        compare(
            "maximum length", mine.maximumLength.map(String.init) ?? "none",
            theirs.maximumLength.map(String.init) ?? "none")
        compare("black box dimension", "\(blackBoxDimension)", "\(artefact.blackBoxDimension)")
        return found
    }
}

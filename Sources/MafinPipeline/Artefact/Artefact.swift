import Foundation
import MafinBlackBox
import MafinNumerics
import MafinRetrieval

/// A trained joined embedding on disk: what `train` writes and everything else reads.
///
/// A folder of `manifest.json` and, unless they are released checkpoints named by id and hash, `document-encoder/` and
/// `query-encoder/`. It knows nothing of what is encoded: saving and loading encoders is left to whoever has them.
public struct Artefact: Sendable {
    /// The folder.
    public let folder: URL
    /// Its manifest.
    public let manifest: ArtefactManifest

    /// Name of the manifest's file.
    public static let manifestName = "manifest.json"
    /// Name of the file of ``knownQueries()``.
    public static let knownQueriesName = "known-queries.txt"

    /// How closely the files are looked at when an artefact is read.
    public enum Verification: Sendable {
        /// Every file is read and its SHA-256 compared: about a second for a gigabyte.
        case content
        /// Every file is there, with its length.
        case length
    }

    /// Reads the manifest of a folder and checks that the folder is as its manifest says.
    /// - Throws: ``ArtefactError``, naming the file or the field.
    public init(readingFrom folder: URL, verification: Verification = .content) throws {
        AtomicFile.recoverDirectory(at: folder)
        let url = folder.appendingPathComponent(Self.manifestName)
        guard let data = FileManager.default.contents(atPath: url.path) else {
            throw ArtefactError.notAnArtefact(path: folder.path)
        }
        self.folder = folder
        manifest = try Self.decode(data, path: url.path)
        for file in manifest.files { try file.verify(in: folder, verification, orThrow: ArtefactError.wrongFile) }
        for encoder in [manifest.documentEncoder, manifest.queryEncoder].compactMap({ $0 }) {
            guard let name = encoder.folder else { continue }
            let weights = "\(name)/\(encoder.weightsFile)"
            guard let record = manifest.files.first(where: { $0.path == weights }) else {
                throw ArtefactError.contradiction(
                    path: url.path, field: "files", expected: "a record of \(weights)", found: "none")
            }
            guard record.sha256 == encoder.weightsSHA256 else {
                throw ArtefactError.contradiction(
                    path: url.path, field: "files", expected: "\(weights) with SHA-256 \(encoder.weightsSHA256)",
                    found: record.sha256)
            }
        }
    }

    /// What it learned from and was chosen on; `nil` in artefacts that were written before that was recorded.
    /// - Throws: ``ArtefactError/wrongFile(path:expected:found:)`` or `RetrievalError.malformedLine` for a damaged file.
    public func knownQueries() throws -> KnownQueries? {
        guard let record = manifest.files.first(where: { $0.path == Self.knownQueriesName }) else { return nil }
        try record.verify(in: folder, .content, orThrow: ArtefactError.wrongFile)
        let url = folder.appendingPathComponent(record.path)
        return try KnownQueries(lines: try Data(contentsOf: url), path: url.path)
    }

    /// The record of the encoder of queries or of documents: one record where one encoder serves both.
    public func encoder(_ role: TextRole) -> EncoderRecord {
        role == .query ? manifest.queryEncoder ?? manifest.documentEncoder : manifest.documentEncoder
    }

    /// The folder to load the encoder of queries or of documents from.
    /// - Parameter released: finds a released checkpoint by name and revision, such as in the model hub's cache; its weights
    ///   are then compared with the recorded hash.
    /// - Throws: ``ArtefactError/wrongFile(path:expected:found:)`` for a released checkpoint that is not the recorded one; what `released`
    ///   throws.
    public func encoderFolder(_ role: TextRole, released: (EncoderRecord) throws -> URL) throws -> URL {
        let record = encoder(role)
        if let name = record.folder { return folder.appendingPathComponent(name, isDirectory: true) }
        return try Self.releasedFolder(of: record, released: released)
    }

    /// The folder of a released checkpoint, once its weights are known to be the recorded ones.
    /// - Throws: as ``encoderFolder(_:released:)``.
    static func releasedFolder(of record: EncoderRecord, released: (EncoderRecord) throws -> URL) throws -> URL {
        let found = try released(record)
        let weights = found.appendingPathComponent(record.weightsFile)
        let isThere = FileManager.default.fileExists(atPath: weights.path)
        let hash = isThere ? try ContentHash.sha256(of: weights) : "no file"
        guard hash == record.weightsSHA256 else {
            throw ArtefactError.wrongFile(
                path: weights.path, expected: "SHA-256 \(record.weightsSHA256)", found: hash)
        }
        return found
    }

    /// Checks that a black box is the one of the manifest.
    /// - Parameter dimension: numbers in its vectors, where an answer has been seen.
    /// - Throws: ``ArtefactError/otherBlackBox(path:differences:)`` or ``ArtefactError/dimension(path:of:expected:found:)``.
    public func require(blackBox: BlackBoxIdentity, dimension: Int? = nil) throws {
        let differences = blackBox.differences(from: manifest.blackBox)
        guard differences.isEmpty else {
            throw ArtefactError.otherBlackBox(path: folder.path, differences: differences)
        }
        if let dimension = dimension ?? blackBox.dimension { try require(blackBoxDimension: dimension) }
    }

    /// Checks that vectors of the black box are as wide as the manifest says.
    /// - Throws: ``ArtefactError/dimension(path:of:expected:found:)``.
    public func require(blackBoxDimension dimension: Int) throws {
        guard dimension == manifest.blackBoxDimension else {
            throw ArtefactError.dimension(
                path: folder.path, of: "the black box", expected: manifest.blackBoxDimension, found: dimension)
        }
    }

    /// Checks that a loaded encoder's vectors are as wide as the manifest says.
    /// - Throws: ``ArtefactError/dimension(path:of:expected:found:)``.
    public func require(encoderDimension dimension: Int, _ role: TextRole) throws {
        guard dimension == encoder(role).dimension else {
            throw ArtefactError.dimension(
                path: folder.path, of: "the \(role.rawValue) encoder", expected: encoder(role).dimension,
                found: dimension)
        }
    }

    private static func decode(_ data: Data, path: String) throws -> ArtefactManifest {
        struct Format: Decodable { let formatVersion: Int }
        let manifest: ArtefactManifest
        do {
            let version = try JSONDecoder().decode(Format.self, from: data).formatVersion
            guard (1...ArtefactManifest.currentFormatVersion).contains(version) else {
                throw ArtefactError.unknownFormat(
                    path: path, newestKnown: ArtefactManifest.currentFormatVersion, found: version)
            }
            manifest = try JSONDecoder().decode(ArtefactManifest.self, from: data)
        } catch let error as DecodingError {
            throw ArtefactError.malformedManifest(path: path, field: error.fault.field, reason: error.fault.reason)
        }
        if let (field, expected, found) = manifest.firstContradiction() {
            throw ArtefactError.contradiction(path: path, field: field, expected: expected, found: found)
        }
        return manifest
    }
}

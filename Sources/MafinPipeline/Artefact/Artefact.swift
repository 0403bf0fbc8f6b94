import Foundation
import MafinBlackBox
import MafinNumerics
import MafinRetrieval

/// Sources and their weights on disk. `train` and `ship` write it, and the other commands read it.
///
/// It is a folder with `manifest.json`, the folders `document-encoder/` and `query-encoder/`, and a folder for each other
/// source that has files (``SourceRecord/folder``). A released checkpoint has no folder; the manifest names it by id and
/// hash. This type does not save or load encoders; the caller does.
public struct Artefact: Sendable {
    /// The folder.
    public let folder: URL
    /// Its manifest.
    public let manifest: ArtefactManifest

    /// Name of the manifest's file.
    public static let manifestName = "manifest.json"
    /// Name of the file of ``knownQueries()``.
    public static let knownQueriesName = "known-queries.txt"

    /// How the files are checked when an artefact is read.
    public enum Verification: Sendable {
        /// Every file is read and its SHA-256 compared. This takes about a second per gigabyte.
        case content
        /// Every file must exist and have the recorded length.
        case length
    }

    /// Reads the manifest of a folder, and checks the folder against it.
    /// - Throws: ``ArtefactError`` with the file or the field.
    public init(readingFrom folder: URL, verification: Verification = .content) throws {
        AtomicFile.recoverDirectory(at: folder)
        let url = folder.appendingPathComponent(Self.manifestName)
        guard let data = FileManager.default.contents(atPath: url.path) else {
            throw ArtefactError.notAnArtefact(path: folder.path)
        }
        self.folder = folder
        manifest = try Self.decode(data, path: url.path)
        for file in manifest.files { try file.verify(in: folder, verification, orThrow: ArtefactError.wrongFile) }
        for encoder in [manifest.documentEncoder, manifest.queryEncoder, manifest.offline?.encoder].compactMap(\.self) {
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

    /// The queries that it learned from or was chosen on; `nil` for artefacts of versions that did not record them.
    /// - Throws: ``ArtefactError/wrongFile(path:expected:found:)`` or `RetrievalError.malformedLine` for a damaged file.
    public func knownQueries() throws -> KnownQueries? {
        guard let record = manifest.files.first(where: { $0.path == Self.knownQueriesName }) else { return nil }
        try record.verify(in: folder, .content, orThrow: ArtefactError.wrongFile)
        let url = folder.appendingPathComponent(record.path)
        return try KnownQueries(lines: try Data(contentsOf: url), path: url.path)
    }

    /// The record of the encoder of queries or of documents. If one encoder serves both, it is the same record. `nil` if no
    /// source is a local encoder.
    public func encoder(_ role: TextRole) -> EncoderRecord? {
        role == .query ? manifest.queryEncoder ?? manifest.documentEncoder : manifest.documentEncoder
    }

    /// How queries are answered without asking the black box.
    /// - Throws: ``ArtefactError/noStandIn(path:)``.
    @discardableResult
    public func requireOffline() throws -> ArtefactManifest.Offline {
        guard let offline = manifest.offline else { throw ArtefactError.noStandIn(path: folder.path) }
        return offline
    }

    /// Loads the sources, in the order of the manifest, with the reduction of their vectors if there is one. Encoders are
    /// not loaded.
    /// - Throws: ``ArtefactError`` for a source that cannot be used; file errors.
    public func sources() throws -> [any ScoreSource] {
        do {
            let sources = try manifest.allSources.map { try $0.load(in: folder, form: manifest.mixing.localForm) }
            guard let reduction = manifest.reduction else { return sources }
            let maps = try DimensionReduction(
                readingFrom: folder.appendingPathComponent(ReductionRecord.folder, isDirectory: true),
                dimension: reduction.dimension, joinedDimension: sources.joinedDimension)
            return try ReducedSource.reduce(sources, by: maps)
        } catch let fault as SourceFault {
            throw ArtefactError.contradiction(
                path: folder.appendingPathComponent(Self.manifestName).path, field: fault.field,
                expected: fault.expected, found: fault.found)
        }
    }

    /// The folder from which an encoder of the manifest is loaded.
    /// - Parameter released: finds a released checkpoint by name and revision, for instance in the model hub's cache.
    ///   Its weights are then compared with the recorded hash.
    /// - Throws: ``ArtefactError/wrongFile(path:expected:found:)`` for a released checkpoint that is not the recorded one;
    ///   whatever `released` throws.
    public func encoderFolder(
        of record: EncoderRecord, released: (EncoderRecord) throws -> URL
    ) throws -> URL {
        if let name = record.folder { return folder.appendingPathComponent(name, isDirectory: true) }
        return try Self.releasedFolder(of: record, released: released)
    }

    /// Finds the folder of a released checkpoint, and checks that its weights are the recorded ones.
    /// - Throws: as ``encoderFolder(of:released:)``.
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
    /// - Parameter dimension: the dimension of its vectors, if an answer has been seen.
    /// - Throws: ``ArtefactError/otherBlackBox(path:differences:)`` or ``ArtefactError/dimension(path:of:expected:found:)``.
    public func require(blackBox: BlackBoxIdentity, dimension: Int? = nil) throws {
        let differences = blackBox.differences(from: manifest.blackBox)
        guard differences.isEmpty else {
            throw ArtefactError.otherBlackBox(path: folder.path, differences: differences)
        }
        if let dimension = dimension ?? blackBox.dimension { try require(blackBoxDimension: dimension) }
    }

    /// Checks that vectors of the black box have the dimension of the manifest.
    /// - Throws: ``ArtefactError/dimension(path:of:expected:found:)``.
    public func require(blackBoxDimension dimension: Int) throws {
        guard dimension == manifest.blackBoxDimension else {
            throw ArtefactError.dimension(
                path: folder.path, of: "the black box", expected: manifest.blackBoxDimension, found: dimension)
        }
    }

    /// Checks that a loaded encoder's vectors have the dimension of the manifest.
    /// - Throws: ``ArtefactError/dimension(path:of:expected:found:)``.
    public func require(encoderDimension dimension: Int, _ role: TextRole) throws {
        let expected = encoder(role)?.dimension ?? 0
        guard dimension == expected else {
            throw ArtefactError.dimension(
                path: folder.path, of: "the \(role.rawValue) encoder", expected: expected, found: dimension)
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

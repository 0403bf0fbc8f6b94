import Foundation
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinRetrieval

/// Everything that is known about a trained joined embedding: `manifest.json` of an ``Artefact``.
///
/// Nothing that determines a vector or a figure is left to a default of the reader.
public struct ArtefactManifest: Sendable, Codable, Equatable {
    /// The format that this library writes, and the newest that it reads.
    ///
    /// 1 stored λ and τ beside the weights they follow from; 2 stores the weights alone (``Mixture``).
    public static let currentFormatVersion = 2

    /// Version of the folder's format.
    public var formatVersion = currentFormatVersion
    /// What wrote it.
    public var library = LibraryVersion.current
    /// What it was trained as.
    public var contender = Contender.mafin
    /// Whose vectors are the first part of joined ones.
    public var blackBox: BlackBoxIdentity
    /// How to reach the black box again, where that is known: no secret, and no part of what determines a vector.
    public var blackBoxSource: BlackBoxSource?
    /// Numbers in the black box's vectors: the width of the first part.
    public var blackBoxDimension: Int
    /// How the black box and the local encoder become one vector and one score.
    public var mixing: Mixture
    /// The encoder of documents; of queries too, where ``queryEncoder`` is `nil`.
    public var documentEncoder: EncoderRecord
    /// The encoder of queries, where the towers differ.
    public var queryEncoder: EncoderRecord?
    /// The checkpoint that training began with, as it was released: what "untrained" means in a comparison. ``EncoderRecord/folder`` is `nil`,
    /// and the hash that of the released weights. `nil` in manifests that were written before it was recorded; see ``releasedEncoder``.
    public var released: EncoderRecord?
    /// The training objective with every hyper-parameter; `nil` where nothing was trained.
    public var objective: LossSummary?
    /// How the encoder was trained; `nil` where nothing was trained.
    public var training: Training?
    /// The weights fitted on dev with the encoder as released: the untrained concatenation to compare with.
    public var untrainedScale: MixtureWeights?
    /// Every seed by what it was for.
    public var seeds: [String: UInt64] = [:]
    /// What it was trained, chosen and measured on.
    public var data: [DataRecord] = []
    /// Figures on dev, on which everything was chosen.
    public var development: EvaluationReport?
    /// Figures on test, looked at once.
    public var test: EvaluationReport?
    /// Whether it pays.
    public var verdict: Verdict
    /// Every file of the folder beside the manifest. Filled in by ``Artefact`` when it is written.
    public var files: [FileRecord] = []

    /// How the encoder was trained.
    public struct Training: Sendable, Codable, Equatable {
        /// `query`, `block` or `pair`.
        public var mode: String
        /// Updates of the weights in the state that was kept.
        public var steps: Int
        /// Every option by name, such as the trainer's options through ``ManifestValue/init(encoding:)``.
        public var hyperparameters: [String: ManifestValue]
    }

    /// One input of the run.
    public struct DataRecord: Sendable, Codable, Hashable {
        /// `corpus`, `queries`, `qrels/train`, …
        public var role: String
        /// Name of the file or data set; no path of the machine.
        public var name: String
        /// SHA-256 of its bytes, lower-case hexadecimal.
        public var sha256: String
        /// Number of documents, queries or labels.
        public var count: Int
    }

    /// One file of the folder.
    public struct FileRecord: Sendable, Codable, Hashable {
        /// Path inside the folder, parts separated by `/`.
        public var path: String
        /// Length.
        public var bytes: Int
        /// SHA-256 of the content, lower-case hexadecimal.
        public var sha256: String
    }

    /// Numbers in a joined vector.
    public var joinedDimension: Int { blackBoxDimension + documentEncoder.dimension }

    /// The checkpoint as released: ``released``, else the encoder of a tower that training left alone; `nil` where neither is known.
    public var releasedEncoder: EncoderRecord? {
        released ?? [documentEncoder, queryEncoder].compactMap { $0 }.first { $0.folder == nil }
    }
}

extension ArtefactManifest.FileRecord {
    /// The records of all files of a folder and its subfolders, by path.
    package static func all(in folder: URL) throws -> [Self] {
        try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted().compactMap { path in
            let url = folder.appendingPathComponent(path)
            guard let bytes = try length(ofRegularFile: url) else { return nil }
            return Self(path: path, bytes: bytes, sha256: try ContentHash.sha256(of: url))
        }
    }

    /// Checks that the file is there as recorded: its length, or all its content.
    /// - Throws: `error` of the file's path, what the record says, and what was found.
    package func verify<Failure: Error>(
        in folder: URL, _ verification: Artefact.Verification,
        orThrow error: (_ path: String, _ expected: String, _ found: String) -> Failure
    ) throws {
        let url = folder.appendingPathComponent(path)
        let length = try? Self.length(ofRegularFile: url)
        guard length == bytes else {
            throw error(url.path, "\(bytes) bytes", length.map { "\($0) bytes" } ?? "no file")
        }
        guard verification == .content else { return }
        let hash = try ContentHash.sha256(of: url)
        guard hash == sha256 else { throw error(url.path, "SHA-256 \(sha256)", hash) }
    }

    /// `nil` for a folder, a link or the like.
    private static func length(ofRegularFile url: URL) throws -> Int? {
        let attributes = try FileManager.default.attributesOfItem(atPath: url.path)
        guard attributes[.type] as? FileAttributeType == .typeRegular else { return nil }
        return (attributes[.size] as? NSNumber)?.intValue ?? 0
    }
}

extension ArtefactManifest.DataRecord {
    /// The record of a file, which is read for its hash.
    package init(role: String, file: URL, count: Int) throws {
        self.init(role: role, name: file.lastPathComponent, sha256: try ContentHash.sha256(of: file), count: count)
    }
}

extension ArtefactManifest {
    /// The first field that contradicts another or names a place outside of the artefact, as (field, expected, found).
    func firstContradiction() -> (field: String, expected: String, found: String)? {
        if blackBoxDimension < 1 { return ("blackBoxDimension", "at least 1", "\(blackBoxDimension)") }
        if let dimension = blackBox.dimension, dimension != blackBoxDimension {
            return ("blackBoxDimension", "\(dimension), the dimension of blackBox", "\(blackBoxDimension)")
        }
        for (field, encoder) in [
            ("documentEncoder", documentEncoder), ("queryEncoder", queryEncoder ?? documentEncoder),
        ] {
            if encoder.dimension < 1 { return ("\(field).dimension", "at least 1", "\(encoder.dimension)") }
            if encoder.dimension != documentEncoder.dimension {
                return ("\(field).dimension", "\(documentEncoder.dimension), as documents have", "\(encoder.dimension)")
            }
            if let folder = encoder.folder, !Self.isInside(folder) {
                return ("\(field).folder", "the name of a folder inside the artefact", "'\(folder)'")
            }
            if !Self.isInside(encoder.weightsFile) {
                return ("\(field).weightsFile", "the name of a file of the encoder", "'\(encoder.weightsFile)'")
            }
        }
        if let released {
            if let folder = released.folder { return ("released.folder", "none: it is not copied", "'\(folder)'") }
            if released.weightsSHA256.isEmpty { return ("released.weightsSHA256", "the hash of its weights", "none") }
            if !Self.isInside(released.weightsFile) {
                return ("released.weightsFile", "the name of a file of the encoder", "'\(released.weightsFile)'")
            }
        }
        if let folder = documentEncoder.folder, folder == queryEncoder?.folder {
            return ("queryEncoder.folder", "another folder than that of documents", "'\(folder)'")
        }
        for file in files where !Self.isInside(file.path) {
            return ("files", "paths inside the artefact", "'\(file.path)'")
        }
        return nil
    }

    /// Whether a relative path stays below the folder it is relative to.
    private static func isInside(_ path: String) -> Bool {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        return !path.isEmpty && parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." } && !path.contains("\0")
    }
}

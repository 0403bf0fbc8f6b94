import Foundation
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinRetrieval

/// The content of `manifest.json` of an ``Artefact``: everything that is known about its sources and their weights.
///
/// It states everything that determines a vector or a figure, so that nothing depends on defaults of the reader.
public struct ArtefactManifest: Sendable, Codable, Equatable {
    /// The format version that this library writes, and the newest that it reads.
    ///
    /// Format 1 stored λ and τ in addition to the weights that determine them. Format 2 stored only the weights of a
    /// black box and a local encoder. Format 3 has any sources, each with its weight.
    public static let currentFormatVersion = 3

    /// Format version of the artefact.
    public var formatVersion = currentFormatVersion
    /// The library that wrote it.
    public var library = LibraryVersion.current
    /// The method that its local encoder was trained with.
    public var contender = Contender.mafin
    /// The name that it had in the comparison that it was shipped from; `nil` if it was trained without a comparison.
    public var system: String?
    /// The black box, whose vectors are the first part of joined vectors.
    public var blackBox: BlackBoxIdentity
    /// How to reach the black box again, if that is known. It holds no secret, and it does not affect any vector.
    public var blackBoxSource: BlackBoxSource?
    /// Dimension of the black box's vectors, the first part of joined vectors.
    public var blackBoxDimension: Int
    /// How the vectors and the scores of the sources are combined. Its weights name the same sources as
    /// ``sources``, in the same order.
    public var mixing: Mixture
    /// The sources. `nil` in formats 1 and 2, where they are the black box and the local encoder; see
    /// ``allSources``.
    public var sources: [SourceRecord]?
    /// The encoder of documents, and of queries too if ``queryEncoder`` is `nil`. `nil` if no source is a local encoder.
    public var documentEncoder: EncoderRecord?
    /// The encoder of queries; `nil` if it is the encoder of documents.
    public var queryEncoder: EncoderRecord?
    /// How queries are answered without asking the black box; `nil` if the artefact has no ``StandIn``.
    public var offline: Offline?
    /// The released checkpoint with which training began; comparisons call it "untrained". Its ``EncoderRecord/folder``
    /// is `nil`, and its hash is that of the released weights. `nil` in manifests of versions that did not record it;
    /// see ``releasedEncoder``.
    public var released: EncoderRecord?
    /// The training objective with all hyper-parameters; `nil` if nothing was trained.
    public var objective: LossSummary?
    /// How the encoder was trained; `nil` if nothing was trained.
    public var training: Training?
    /// The weights fitted on dev with the encoder as released: the untrained concatenation to compare with.
    public var untrainedScale: MixtureWeights?
    /// All seeds, by their purpose.
    public var seeds: [String: UInt64] = [:]
    /// The data that it was trained, chosen and measured on.
    public var data: [DataRecord] = []
    /// Figures on dev, where everything was chosen.
    public var development: EvaluationReport?
    /// Figures on test, measured once.
    public var test: EvaluationReport?
    /// Whether the trained embedding is worth using, judged on dev.
    public var verdict: Verdict
    /// How joined vectors are reduced to fewer dimensions; `nil` if they are not.
    public var reduction: ReductionRecord?
    /// The precision in which its encoders embed, and why; `nil` if nothing but float32 was asked for.
    public var precision: PrecisionRecord?
    /// All files of the folder except the manifest. ``Artefact`` fills this in when it writes.
    public var files: [FileRecord] = []

    /// How queries are answered without asking the black box.
    public struct Offline: Sendable, Codable, Equatable {
        /// The encoder of the ``StandIn``.
        public var encoder: EncoderRecord
        /// How the scores are combined where the black box was not asked. Its weights name the same sources as
        /// ``ArtefactManifest/sources``, in the same order.
        public var mixing: Mixture
        /// How the stand-in was trained; `nil` if its heads alone were fitted.
        public var training: Training?
        /// Figures on dev.
        public var development: EvaluationReport?
        /// The deciding metric on dev as a function of the share of queries that the black box is asked for all the same.
        public var asking: [Sureness.Point]?

        /// All of it.
        public init(
            encoder: EncoderRecord, mixing: Mixture, training: Training? = nil, development: EvaluationReport? = nil,
            asking: [Sureness.Point]? = nil
        ) {
            (self.encoder, self.mixing, self.training) = (encoder, mixing, training)
            (self.development, self.asking) = (development, asking)
        }
    }

    /// How the encoder was trained.
    public struct Training: Sendable, Codable, Equatable {
        /// `query`, `block` or `pair`.
        public var mode: String
        /// Updates of the weights in the state that was kept.
        public var steps: Int
        /// All options by name, for instance the trainer's options by ``ManifestValue/init(encoding:)``.
        public var hyperparameters: [String: ManifestValue]
    }

    /// One input of the run.
    public struct DataRecord: Sendable, Codable, Hashable {
        /// `corpus`, `queries`, `qrels/train`, …
        public var role: String
        /// Name of the file or data set, without a path.
        public var name: String
        /// SHA-256 of its bytes in lower-case hexadecimal.
        public var sha256: String
        /// Number of documents, queries or labels.
        public var count: Int
    }

    /// One file of the folder.
    public struct FileRecord: Sendable, Codable, Hashable {
        /// Path relative to the folder, with `/` between its parts.
        public var path: String
        /// Length in bytes.
        public var bytes: Int
        /// SHA-256 of the content in lower-case hexadecimal.
        public var sha256: String
    }

    /// The sources of any format.
    public var allSources: [SourceRecord] {
        sources
            ?? [
                SourceRecord(name: .blackBox, kind: .blackBox, dimension: blackBoxDimension),
                SourceRecord(name: .local, kind: .local, dimension: documentEncoder?.dimension),
            ]
    }

    /// Whether some source needs the black box's vectors.
    public var asksBlackBox: Bool {
        allSources.contains { ![.local, .bm25].contains($0.kind) }
    }

    /// The weights for ranking of the sources that take part if the black box is asked, or if it is not. A source that has a
    /// weight in the other case alone is left out.
    /// - Precondition: there is an ``offline`` if `isOffline`.
    package func rankingWeights(offline isOffline: Bool) -> SourceWeights {
        guard let offline else {
            precondition(!isOffline, "the artefact has no stand-in")
            return mixing.rankingWeights
        }
        let (asking, standingIn) = (mixing.rankingWeights, offline.mixing.rankingWeights)
        let names = asking.sources.filter { name in
            isOffline
                ? standingIn[name] > 0 : asking[name] > 0 || standingIn[name] == 0 && name != .standIn
        }
        return SourceWeights(names.map { ($0, isOffline ? standingIn[$0] : asking[$0]) })
    }

    /// The released checkpoint: ``released`` if it is recorded, otherwise an encoder that training did not change.
    /// `nil` if neither is known.
    public var releasedEncoder: EncoderRecord? {
        released ?? [documentEncoder, queryEncoder].compactMap(\.self).first { $0.folder == nil }
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
    /// The record of a file. The file is read to compute its hash.
    package init(role: String, file: URL, count: Int) throws {
        self.init(role: role, name: file.lastPathComponent, sha256: try ContentHash.sha256(of: file), count: count)
    }
}

extension ArtefactManifest {
    /// The first field that contradicts another field, or names a path outside the artefact; `nil` if there is none.
    func firstContradiction() -> (field: String, expected: String, found: String)? {
        if blackBoxDimension < 1 { return ("blackBoxDimension", "at least 1", "\(blackBoxDimension)") }
        if let dimension = blackBox.dimension, dimension != blackBoxDimension {
            return ("blackBoxDimension", "\(dimension), the dimension of blackBox", "\(blackBoxDimension)")
        }
        if let fault = contradictionOfSources() ?? contradictionOfReduction() { return fault }
        for (field, encoder) in [("documentEncoder", documentEncoder), ("queryEncoder", queryEncoder)] {
            guard let encoder else { continue }
            if encoder.dimension < 1 { return ("\(field).dimension", "at least 1", "\(encoder.dimension)") }
            guard let documentEncoder else { return (field, "none without documentEncoder", "'\(encoder.name)'") }
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
        if let fault = contradictionOfOffline() { return fault }
        if let folder = documentEncoder?.folder, folder == queryEncoder?.folder {
            return ("queryEncoder.folder", "another folder than that of documents", "'\(folder)'")
        }
        for file in files where !Self.isInside(file.path) {
            return ("files", "paths inside the artefact", "'\(file.path)'")
        }
        return nil
    }

    /// The first contradiction between the sources, their weights and the encoder.
    private func contradictionOfSources() -> (field: String, expected: String, found: String)? {
        let records = allSources
        let names = records.map(\.name.rawValue).joined(separator: ", ")
        let weights = mixing.weights.sources.map(\.rawValue).joined(separator: ", ")
        if names != weights { return ("mixing.weights", "weights of \(names)", "weights of \(weights)") }
        if let fault = Self.contradiction(of: mixing.weights, field: "mixing.weights") { return fault }
        let hasLocal = records.contains { $0.kind == .local }
        if hasLocal != (documentEncoder != nil) {
            return ("documentEncoder", hasLocal ? "the encoder of the source local" : "none", hasLocal ? "none" : "one")
        }
        for record in records {
            // Exports name files, columns and lines of comments by it.
            let name = record.name.rawValue
            let isControl = name.unicodeScalars.contains { $0.properties.generalCategory == .control }
            if !Self.isInside(name) || name.contains("/") || isControl {
                return ("sources.name", "a name without '/' and line breaks", name.debugDescription)
            }
            let field = "sources.\(record.name)"
            // Sources of these kinds have the name of their kind, and the commands find them by it.
            let isReserved = [SourceName.blackBox, .local, .standIn, .bm25, BridgedDocuments.sourceName]
                .contains(record.name)
            if isReserved != [.blackBox, .local, .standIn, .bm25, .bridge].contains(record.kind)
                || isReserved && record.name.rawValue != record.kind.rawValue
            {
                return ("\(field).kind", isReserved ? record.name.rawValue : "another", record.kind.rawValue)
            }
            if let folder = record.folder, !Self.isInside(folder) || folder.contains("/") {
                return ("\(field).folder", "the name of a folder inside the artefact", "'\(folder)'")
            }
            let dimension: Int? =
                switch record.kind {
                case .bm25: nil
                case .local: documentEncoder?.dimension
                case .blackBox, .adapter, .movedDocuments, .queryMemory, .standIn: blackBoxDimension
                // With a map the documents may have any dimension, and the map takes queries of the black box.
                case .bridge:
                    BridgedDocuments.hasMap(record) ? max(1, record.dimension ?? 1) : blackBoxDimension
                }
            if let columns = record.settings[BridgedDocuments.queryDimension]?.number, record.kind == .bridge,
                columns != Double(blackBoxDimension)
            {
                return (
                    "\(field).settings.\(BridgedDocuments.queryDimension)", "\(blackBoxDimension)", "\(columns)"
                )
            }
            if record.dimension != dimension {
                return (
                    "\(field).dimension", dimension.map(String.init) ?? "none",
                    record.dimension.map(String.init) ?? "none"
                )
            }
        }
        return nil
    }

    /// Weights of very different sizes have ratios that are no numbers.
    private static func contradiction(
        of weights: SourceWeights, field: String
    ) -> (field: String, expected: String, found: String)? {
        zip(weights.sources, weights.values).first { $1 != 0 && !(1e-15...1e9).contains($1) }.map {
            (field, "0, or a number from 1e-15 to 1e9, for \($0)", "\($1)")
        }
    }

    /// The first contradiction between the stand-in and the sources.
    private func contradictionOfOffline() -> (field: String, expected: String, found: String)? {
        let standIn = allSources.first { $0.kind == .standIn }
        if (standIn != nil) != (offline != nil) {
            return (
                "offline", standIn == nil ? "none without a source stand-in" : "the source stand-in's",
                offline == nil ? "none" : "one"
            )
        }
        guard let standIn, let offline else { return nil }
        let names = allSources.map(\.name.rawValue).joined(separator: ", ")
        let weights = offline.mixing.weights.sources.map(\.rawValue).joined(separator: ", ")
        if names != weights { return ("offline.mixing.weights", "weights of \(names)", "weights of \(weights)") }
        if mixing.localForm != .unit || offline.mixing.localForm != .unit || offline.mixing.layout != .querySided {
            return ("offline.mixing", "query-sided weights", "another layout")
        }
        if let fault = Self.contradiction(of: offline.mixing.weights, field: "offline.mixing.weights") { return fault }
        if mixing.weights[.standIn] > 0 {
            return (
                "mixing.weights", "0 for stand-in, which ranks where the black box is not asked",
                "\(mixing.weights[.standIn])"
            )
        }
        if offline.mixing.weights[.blackBox] > 0 {
            return (
                "offline.mixing.weights", "0 for black-box, which is not asked", "\(offline.mixing.weights[.blackBox])"
            )
        }
        guard offline.encoder.folder == EncoderRecord.standInFolder, standIn.folder == EncoderRecord.standInFolder
        else {
            return ("offline.encoder.folder", EncoderRecord.standInFolder, offline.encoder.folder ?? "none")
        }
        if !Self.isInside(offline.encoder.weightsFile) {
            return (
                "offline.encoder.weightsFile", "the name of a file of the encoder", "'\(offline.encoder.weightsFile)'"
            )
        }
        guard standIn.settings["inputs"]?.number == Double(offline.encoder.dimension) else {
            return ("offline.encoder.dimension", "the inputs of the source stand-in", "\(offline.encoder.dimension)")
        }
        let local = standIn.settings["localDimension"]?.number ?? 0
        guard local == 0 || local == Double(documentEncoder?.dimension ?? 0) else {
            return ("sources.stand-in.settings.localDimension", "0, or that of documentEncoder", "\(local)")
        }
        return nil
    }

    /// Whether a relative path stays inside its base folder.
    private static func isInside(_ path: String) -> Bool {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        return !path.isEmpty && parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." } && !path.contains("\0")
    }
}

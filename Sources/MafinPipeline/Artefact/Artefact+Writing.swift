import Foundation
import MafinNumerics
import MafinRetrieval

extension Artefact {
    /// Writes an artefact whole or not at all. The files go to a temporary folder beside `folder`, are synced to disk,
    /// and the folder is then renamed.
    ///
    /// An existing artefact is replaced, but only once the new one is complete. The hashes of the files, and of the
    /// weights of saved encoders, are computed here.
    /// - Parameters:
    ///   - manifest: the manifest. An encoder that is not saved (``EncoderRecord/folder`` is `nil`) must already have
    ///     its hash.
    ///   - folder: the folder of the artefact. Its parent folders are made.
    ///   - sources: the sources of the manifest, in its order. Their files are written.
    ///   - knownQueries: the queries that it learned from or was chosen on. It must not be measured on them.
    ///   - saveDocumentEncoder, saveQueryEncoder, saveStandIn: write an encoder into the given empty folder. Needed if the manifest
    ///     names a folder for this encoder, and only then.
    /// - Throws: ``ArtefactError``, `NumericsError` if a file cannot be written, and whatever the closures throw.
    ///   `folder` is then unchanged.
    @discardableResult
    public static func write(
        _ manifest: ArtefactManifest, to folder: URL, sources: [any ScoreSource]? = nil,
        knownQueries: KnownQueries? = nil,
        saveDocumentEncoder: ((URL) throws -> Void)? = nil,
        saveQueryEncoder: ((URL) throws -> Void)? = nil,
        saveStandIn: ((URL) throws -> Void)? = nil
    ) throws -> Artefact {
        precondition(
            (manifest.documentEncoder?.folder != nil) == (saveDocumentEncoder != nil),
            "an encoder of documents is saved if, and only if, the manifest gives it a folder")
        precondition(
            (manifest.queryEncoder?.folder != nil) == (saveQueryEncoder != nil),
            "an encoder of queries is saved if, and only if, the manifest gives it a folder")
        precondition(
            (manifest.offline != nil) == (saveStandIn != nil), "a stand-in's encoder is saved if there is one")
        var written = manifest
        written.formatVersion = ArtefactManifest.currentFormatVersion
        written.sources = sources?.map(\.record) ?? manifest.allSources
        written.files = []
        let path = folder.appendingPathComponent(manifestName).path
        if let (field, expected, found) = written.firstContradiction() {
            throw ArtefactError.contradiction(path: path, field: field, expected: expected, found: found)
        }
        try requireReplaceable(folder)
        try AtomicFile.replaceDirectory(at: folder) { temporary in
            if var encoder = written.documentEncoder, let saveDocumentEncoder {
                try save(&encoder, in: temporary, final: folder, by: saveDocumentEncoder)
                written.documentEncoder = encoder
            }
            try ShippedSources.writeFiles(of: sources ?? [], to: temporary)
            if var encoder = written.queryEncoder, let saveQueryEncoder {
                try save(&encoder, in: temporary, final: folder, by: saveQueryEncoder)
                written.queryEncoder = encoder
            }
            if var encoder = written.offline?.encoder, let saveStandIn {
                try save(&encoder, in: temporary, final: folder, by: saveStandIn)
                written.offline?.encoder = encoder
            }
            if let knownQueries {
                try AtomicFile.write(knownQueries.lines, to: temporary.appendingPathComponent(knownQueriesName))
            }
            written.files = try ArtefactManifest.FileRecord.all(in: temporary)
            try write(written, into: temporary, path: path)
        }
        return Artefact(folder: folder, manifest: written)
    }

    /// Writes the manifest's file.
    /// - Parameter path: of the final file, for errors.
    private static func write(_ manifest: ArtefactManifest, into folder: URL, path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let data: Data
        do {
            data = try encoder.encode(manifest)
        } catch EncodingError.invalidValue(let value, let context) {
            throw ArtefactError.contradiction(
                path: path, field: context.codingPath.map(\.stringValue).joined(separator: "."),
                expected: "a number that JSON can hold", found: "\(value)")
        }
        try AtomicFile.write(data, to: folder.appendingPathComponent(manifestName))
    }

    /// Writes a copy of this artefact whose joined vectors are reduced, whole or not at all. Everything else stays as it is.
    /// - Parameters:
    ///   - queries: those that the maps were fitted to or measured on. They are added to the known ones, if those are recorded.
    ///   - target: may be the folder of this artefact. A reduction that it has is replaced.
    /// - Throws: ``ArtefactError``, `NumericsError`. `target` is then unchanged.
    @discardableResult
    public func write(
        _ reduction: DimensionReduction, _ record: ReductionRecord, fittedTo queries: KnownQueries, to target: URL
    ) throws -> Artefact {
        let known = try knownQueries()?.union(queries)
        var written = manifest
        written.library = .current
        written.formatVersion = ArtefactManifest.currentFormatVersion
        written.sources = manifest.allSources
        written.reduction = record
        // It was decided by rankings of the vectors before.
        written.precision = nil
        let path = target.appendingPathComponent(Self.manifestName).path
        if let (field, expected, found) = written.firstContradiction() {
            throw ArtefactError.contradiction(path: path, field: field, expected: expected, found: found)
        }
        try Self.requireReplaceable(target)
        let files = FileManager.default
        try AtomicFile.replaceDirectory(at: target) { temporary in
            try AtomicFile.copyContents(of: folder, to: temporary, except: [Self.manifestName, ReductionRecord.folder])
            let maps = temporary.appendingPathComponent(ReductionRecord.folder, isDirectory: true)
            try files.createDirectory(at: maps, withIntermediateDirectories: true)
            try reduction.write(to: maps)
            if let known {
                try AtomicFile.write(known.lines, to: temporary.appendingPathComponent(Self.knownQueriesName))
            }
            func isNew(_ file: ArtefactManifest.FileRecord) -> Bool {
                file.path.hasPrefix(ReductionRecord.folder + "/") || known != nil && file.path == Self.knownQueriesName
            }
            written.files =
                manifest.files.filter { !isNew($0) }
                + (try ArtefactManifest.FileRecord.all(in: temporary).filter(isNew))
            try Self.write(written, into: temporary, path: path)
        }
        return Artefact(folder: target, manifest: written)
    }

    /// Replaces the manifest in one step, if no other file changes.
    func replaceManifest(by written: ArtefactManifest) throws -> Artefact {
        let path = folder.appendingPathComponent(Self.manifestName).path
        if let (field, expected, found) = written.firstContradiction() {
            throw ArtefactError.contradiction(path: path, field: field, expected: expected, found: found)
        }
        try Self.write(written, into: folder, path: path)
        return Artefact(folder: folder, manifest: written)
    }

    private init(folder: URL, manifest: ArtefactManifest) {
        self.folder = folder
        self.manifest = manifest
    }

    /// Checks that an artefact may be written to a folder: only an artefact or an empty folder is replaced.
    /// - Throws: ``ArtefactError/occupied(path:)`` for any other folder, and for a file.
    public static func requireReplaceable(_ folder: URL) throws {
        guard try AtomicFile.canReplaceDirectory(at: folder, holding: manifestName) else {
            throw ArtefactError.occupied(path: folder.path)
        }
    }

    private static func save(
        _ encoder: inout EncoderRecord, in temporary: URL, final: URL, by save: (URL) throws -> Void
    ) throws {
        guard let name = encoder.folder else { return }
        let target = temporary.appendingPathComponent(name, isDirectory: true)
        try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
        try save(target)
        let weights = target.appendingPathComponent(encoder.weightsFile)
        guard FileManager.default.fileExists(atPath: weights.path) else {
            throw ArtefactError.incompleteEncoder(
                path: final.appendingPathComponent(name).path, missing: encoder.weightsFile)
        }
        encoder.weightsSHA256 = try ContentHash.sha256(of: weights)
    }
}

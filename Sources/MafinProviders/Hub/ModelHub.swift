import Foundation
import Logging
import MafinNumerics
import MafinPipeline

/// Downloads encoders from a Hugging Face hub, and finds those that are on this machine already.
///
/// The cache has the same layout as that of Python's `huggingface_hub`, so each finds what the other has downloaded.
/// ```swift
/// let hub = try ModelHub(location: HubLocation())
/// let folder = try await hub.pull("sentence-transformers/all-MiniLM-L6-v2")
/// ```
public struct ModelHub: Sendable {
    /// Where models come from and are stored.
    public let location: HubLocation
    let retry: RetryPolicy
    let logger: Logger?
    let transport: HTTPTransport
    private let progress: (@Sendable (HubProgress) -> Void)?
    /// Where encoders come from if the hub does not answer; nil: from nowhere else.
    public var packages: PackageIndex?
    /// The folder of encoders that came as packages.
    public var packageFolder = ModelFolders.ownFolder()
    /// The encoders that are packages.
    var packagedModels = PackagedModel.all

    /// A hub.
    /// - Parameters:
    ///   - location: where models come from and are stored.
    ///   - retry: for 429, 5xx and lost connections. Each new attempt continues where the last one stopped.
    ///   - logger: told of retries and of waiting for another process.
    ///   - connection: how the hub is reached; nil: through the proxy that the environment names for it, if it names one.
    ///   - progress: told the bytes that are present.
    /// - Throws: ``ProviderError/badEndpoint(_:reason:)`` for a malformed proxy, ``ProviderError/badCertificates(path:reason:)``
    public init(
        location: HubLocation, retry: RetryPolicy = RetryPolicy(), logger: Logger? = nil,
        connection: ConnectionSettings? = nil, progress: (@Sendable (HubProgress) -> Void)? = nil
    ) throws {
        self.location = location
        self.retry = retry
        self.logger = logger
        self.progress = progress
        transport = try HTTPTransport(
            connection ?? ConnectionSettings(proxy: ConnectionSettings.proxy(for: location.endpoint)),
            idleSeconds: 30)
    }

    /// Downloads the files that an encoder needs (settings, vocabulary, `model.safetensors`, the settings of its modules) and returns the snapshot's folder.
    ///
    /// Only what is missing is downloaded. Each file is checked against the hash that the hub gives for it, and `mafin-<commit>.json`
    /// beside the snapshots records the SHA-256 of all. The name of the revision is written last, so that an incomplete
    /// download is not taken for a model.
    /// - Parameters:
    ///   - repository: `ORGANISATION/NAME`.
    ///   - revision: branch, tag or commit.
    ///
    /// If the hub cannot be used, an encoder that is also a Python package is taken from ``packages``.
    /// - Throws: ``ProviderError``, `ModelError`; `CancellationError`
    public func pull(_ repository: String, revision: String = "main") async throws -> URL {
        let target = try HubRepository(repository, revision: revision, cache: location.cache)
        guard revision == "main", !location.isOffline, let packages,
            let package = packagedModels.first(where: { $0.repository == repository })
        else { return try await pull(target) }
        do {
            return try await pull(target)
        } catch let error as ProviderError where error.isAboutHub {
            logger?.warning(
                "the model hub cannot be used; taking the Python package",
                metadata: ["package": "\(package.package)", "reason": "\(error)"])
            return try await pull(package, from: packages, into: packageFolder, because: error)
        }
    }

    func report(_ now: HubProgress) { progress?(now) }

    private func pull(_ target: HubRepository) async throws -> URL {
        let (repository, revision) = (target.name, target.revision)
        if location.isOffline {
            guard let snapshot = target.cachedSnapshot else {
                throw ModelError.notFound(
                    name: repository, reason: "not in \(location.cache.path), and HF_HUB_OFFLINE forbids the download")
            }
            return snapshot
        }
        let listing = try await listing(of: target)
        let paths = try ModelFiles.wanted(of: listing.siblings.map(\.rfilename), repository: repository)
        var files: [HubFile] = []
        for path in paths { files.append(try await metadata(of: path, commit: listing.sha, in: target)) }

        var tally = HubProgress(
            repository: repository, files: files.count, totalBytes: files.reduce(0) { $0 + ($1.size ?? 0) })
        progress?(tally)
        var record: [String: ModelRecord.File] = [:]
        for file in files {
            tally.file = file.path
            let before = tally.bytes
            let stored = try await store(file, in: target) { [tally, progress] bytes in
                var now = tally
                now.bytes = before + bytes
                progress?(now)
            }
            try target.link(file.path, to: file.etag, in: listing.sha)
            record[file.path] = stored
            tally.bytes = before + stored.bytes
            tally.filesDone += 1
            progress?(tally)
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let pulled = ModelRecord(repository: repository, revision: revision, commit: listing.sha, files: record)
        try write(try encoder.encode(pulled), to: target.record(listing.sha))
        if revision != listing.sha { try write(Data(listing.sha.utf8), to: target.reference) }
        return target.snapshot(listing.sha)
    }

    /// The folder of an encoder: a local one, a plain name in one of ``HubLocation/modelFolders``, or a snapshot in the cache. It does not use the network.
    /// - Throws: `ModelError.notFound`, which says how to download it.
    public func resolve(_ nameOrPath: String, revision: String = "main") throws -> URL {
        try location.folders.resolve(nameOrPath, revision: revision)
    }

    private func write(_ data: Data, to file: URL) throws {
        do {
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try AtomicFile.write(data, to: file)
        } catch {
            throw ProviderError.cannotStore(path: file.path, reason: "\(error)")
        }
    }
}

/// The progress of a download.
public struct HubProgress: Sendable, Hashable {
    /// The repository.
    public var repository: String
    /// The current file; empty before the first.
    public var file = ""
    /// Files that are complete.
    public var filesDone = 0
    /// Files in all.
    public var files: Int
    /// Bytes that are present, those of earlier downloads included.
    public var bytes: Int64 = 0
    /// Bytes in all, as far as the hub states sizes.
    public var totalBytes: Int64
}

/// The record of a downloaded commit, written beside the snapshots as `mafin-<commit>.json`.
public struct ModelRecord: Sendable, Codable, Hashable {
    /// One file.
    public struct File: Sendable, Codable, Hashable {
        /// SHA-256 of its content, lower-case hexadecimal.
        public var sha256: String
        /// Its size.
        public var bytes: Int64
        /// The hub's hash of the content: SHA-256 for large files, git's hash for small ones.
        public var etag: String
    }

    /// `ORGANISATION/NAME`.
    public var repository: String
    /// Branch, tag or commit as requested.
    public var revision: String
    /// The commit that it pointed to.
    public var commit: String
    /// The files by their paths.
    public var files: [String: File]
}

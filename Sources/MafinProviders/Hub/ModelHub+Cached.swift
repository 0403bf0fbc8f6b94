import Foundation
import MafinBlackBox
import MafinNumerics
import MafinPipeline

/// An encoder on this machine.
public struct CachedModel: Sendable, Hashable {
    /// The name under which ``ModelHub/resolve(_:revision:)`` finds it: `ORGANISATION/NAME`, or the name of a plain folder.
    public var name: String
    /// Branches and tags that point to this commit, sorted; empty for a commit without any, and for a plain folder.
    public var revisions: [String]
    /// The commit; nil for a plain folder.
    public var commit: String?
    /// The folder with its files.
    public var folder: URL
    /// Bytes of all files, links followed.
    public var bytes: Int64
}

extension ModelHub {
    /// The hub and the cache that the environment names.
    /// - Throws: ``ProviderError/badKey(source:reason:)``, ``ProviderError/badEndpoint(_:reason:)``
    public init(environment: [String: String] = ProcessInfo.processInfo.environment) throws {
        let location = try HubLocation(environment: environment)
        try self.init(
            location: location,
            connection: ConnectionSettings(
                proxy: ConnectionSettings.proxy(for: location.endpoint, environment: environment)))
    }

    /// All encoders in the cache, also those that other programs downloaded, and those in ``HubLocation/modelFolders``; sorted by name and commit.
    ///
    /// A snapshot without `config.json` or `model.safetensors` is not an encoder and is left out.
    public func models() -> [CachedModel] {
        let cached = Self.names(in: location.cache).flatMap { folder -> [CachedModel] in
            guard folder.hasPrefix("models--") else { return [] }
            let name = folder.dropFirst("models--".count).replacingOccurrences(of: "--", with: "/")
            guard let target = try? HubRepository(name, revision: "main", cache: location.cache) else { return [] }
            let references = target.references
            return Self.names(in: target.snapshots).compactMap { commit in
                let snapshot = target.snapshot(commit)
                guard HubRepository.isCommit(commit), ModelFolders.isEncoder(snapshot) else { return nil }
                let revisions = references.filter { $0.value == commit }.keys.sorted()
                return CachedModel(
                    name: name, revisions: revisions, commit: commit, folder: snapshot, bytes: Self.bytes(in: snapshot))
            }
        }
        let plain = location.modelFolders.flatMap { folder in
            Self.names(in: folder).map { folder.appendingPathComponent($0) }.filter(ModelFolders.isEncoder).map {
                CachedModel(
                    name: $0.lastPathComponent, revisions: [], commit: nil, folder: $0, bytes: Self.bytes(in: $0))
            }
        }
        return (cached + plain).sorted { ($0.name, $0.commit ?? "") < ($1.name, $1.commit ?? "") }
    }

    /// The record of a snapshot's files: the one that ``pull(_:revision:)`` wrote. If another program downloaded it, its files are hashed.
    /// - Throws: ``ProviderError/cannotStore(path:reason:)`` for a file that cannot be read.
    public func record(of snapshot: URL, repository: String, revision: String = "main") throws -> ModelRecord {
        let commit = snapshot.lastPathComponent
        let target = try HubRepository(repository, revision: revision, cache: location.cache)
        if let data = FileManager.default.contents(atPath: target.record(commit).path),
            var record = try? JSONDecoder().decode(ModelRecord.self, from: data)
        {
            // One commit may have been downloaded under several names.
            record.revision = revision
            return record
        }
        var files: [String: ModelRecord.File] = [:]
        for path in Self.files(of: snapshot) {
            let file = snapshot.appendingPathComponent(path)
            let etag = try? FileManager.default.destinationOfSymbolicLink(atPath: file.path)
            files[path] = ModelRecord.File(
                sha256: try hash(file), bytes: Self.size(of: file) ?? 0,
                etag: etag.map { URL(fileURLWithPath: $0).lastPathComponent } ?? "")
        }
        return ModelRecord(repository: repository, revision: revision, commit: commit, files: files)
    }

    private static func names(in folder: URL) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted()
    }

    /// Paths of all files below a folder. The folder may be a link, and links to files are followed.
    private static func files(of folder: URL) -> [String] {
        let files = FileManager.default
        let paths = (try? files.subpathsOfDirectory(atPath: folder.resolvingSymlinksInPath().path)) ?? []
        return paths.sorted().filter { path in
            var isFolder: ObjCBool = false
            let file = folder.appendingPathComponent(path).path
            return files.fileExists(atPath: file, isDirectory: &isFolder) && !isFolder.boolValue
        }
    }

    private static func bytes(in folder: URL) -> Int64 {
        files(of: folder).reduce(0) { $0 + (size(of: folder.appendingPathComponent($1)) ?? 0) }
    }
}

extension HubRepository {
    /// Commits by the names of the branches and tags that point to them.
    var references: [String: String] {
        let root = folder.appendingPathComponent("refs")
        let names = (try? FileManager.default.subpathsOfDirectory(atPath: root.path)) ?? []
        return names.reduce(into: [:]) { $0[$1] = Self.commit(in: root.appendingPathComponent($1)) }
    }
}

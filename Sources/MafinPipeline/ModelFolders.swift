import Foundation

/// The folders of encoders on this machine. Finds an encoder by its name, without the network.
public struct ModelFolders: Sendable {
    /// The cache of Python's `huggingface_hub` (`HF_HUB_CACHE`, else `HUGGINGFACE_HUB_CACHE`, else `HF_HOME/hub`).
    public var cache: URL
    /// Further folders that contain models under their plain names (`MAFIN_MODELS`, and `models` in mafin's caches).
    public var plain: [URL]

    /// The given folders.
    public init(cache: URL, plain: [URL] = []) {
        (self.cache, self.plain) = (cache, plain)
    }

    /// The folders that environment variables name.
    public init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        let hub = HubEnvironment(environment)
        cache =
            hub.value("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE").map(hub.url) ?? hub.home.appendingPathComponent("hub")
        plain = (hub.value("MAFIN_MODELS") ?? "").split(separator: ":").map { hub.url(String($0)) }
        plain.append(Self.ownFolder(environment))
    }

    /// The folder of encoders that did not come from the model hub, `models` in mafin's caches.
    package static func ownFolder(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> URL {
        UserFolder.caches(environment).appendingPathComponent("models")
    }

    /// The folder of an encoder: a local folder, a snapshot in ``cache``, or a folder of that name in one of ``plain``,
    /// in this order.
    /// - Throws: ``ModelError/notFound(name:reason:)``, which says how to download it.
    public func resolve(_ nameOrPath: String, revision: String = "main") throws -> URL {
        let path = nameOrPath.hasPrefix("~/") ? NSString(string: nameOrPath).expandingTildeInPath : nameOrPath
        let local = URL(fileURLWithPath: path)
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: local.path, isDirectory: &isFolder), isFolder.boolValue {
            guard Self.isEncoder(local) else {
                throw ModelError.notFound(
                    name: nameOrPath, reason: "the folder lacks config.json or model.safetensors")
            }
            return local
        }
        guard let target = try? HubRepository(nameOrPath, revision: revision, cache: cache) else {
            throw ModelError.notFound(name: nameOrPath, reason: "no such folder")
        }
        let names = revision == "main" ? [nameOrPath, String(nameOrPath.split(separator: "/").last ?? "")] : []
        let candidates = plain.flatMap { folder in names.map(folder.appendingPathComponent) }
        if let found = target.cachedSnapshot ?? candidates.first(where: Self.isEncoder) { return found }
        let option = revision == "main" ? "" : " --revision \(revision)"
        throw ModelError.notFound(
            name: nameOrPath,
            reason: "not on this machine; pull it with: mafin model pull \(nameOrPath)\(option)")
    }

    /// Whether a folder holds the files that every encoder needs.
    package static func isEncoder(_ folder: URL) -> Bool {
        ["config.json", "model.safetensors"].allSatisfy {
            FileManager.default.fileExists(atPath: folder.appendingPathComponent($0).path)
        }
    }
}

/// Why no encoder was found for a name.
public enum ModelError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A repository id or revision is malformed.
    case badRepository(String, reason: String)
    /// No local folder and no downloaded model of that name.
    case notFound(name: String, reason: String)

    /// One sentence: what is wrong, and how to mend it if that is known.
    public var description: String {
        switch self {
        case .badRepository(let name, let reason): "model repository '\(name)': \(reason)"
        case .notFound(let name, let reason): "encoder '\(name)': \(reason)"
        }
    }
}

/// Reads the environment variables of Python's `huggingface_hub` in the same way.
package struct HubEnvironment {
    private let variables: [String: String]

    package init(_ variables: [String: String]) {
        self.variables = variables
    }

    /// The first of the variables that is set and not empty.
    package func value(_ names: String...) -> String? {
        names.lazy.compactMap { variables[$0] }.first { !$0.isEmpty }
    }

    /// The URL of a path that may begin with `~/`, the user's home.
    package func url(_ path: String) -> URL {
        URL(fileURLWithPath: path.hasPrefix("~/") ? userHome + path.dropFirst() : path)
    }

    /// `HF_HOME`, or `huggingface` in the user's cache folder.
    package var home: URL {
        value("HF_HOME").map(url)
            ?? (value("XDG_CACHE_HOME").map(url) ?? url(userHome).appendingPathComponent(".cache"))
            .appendingPathComponent("huggingface")
    }

    private var userHome: String { value("HOME") ?? FileManager.default.homeDirectoryForCurrentUser.path }
}

/// A model repository of a hub and its folder in the cache, with the layout of `huggingface_hub`:
/// ```
/// models--org--name/refs/main                     the commit that the name stands for
/// models--org--name/blobs/<etag>                  the content of files
/// models--org--name/snapshots/<commit>/<file>     -> ../../blobs/<etag>
/// .locks/models--org--name/<etag>.lock            held while a blob is being downloaded
/// ```
package struct HubRepository: Sendable {
    /// `org/name`, or `name` alone.
    package let name: String
    /// Branch, tag or commit.
    package let revision: String
    /// The folder `models--org--name`.
    package let folder: URL
    /// The folder of its lock files.
    package let locks: URL

    /// - Throws: ``ModelError/badRepository(_:reason:)``
    package init(_ name: String, revision: String, cache: URL) throws {
        // The rules of huggingface_hub. They also prevent paths outside the cache folder.
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts.allSatisfy({ Self.isName($0) }), !name.contains("--"),
            name.count <= 96
        else {
            throw ModelError.badRepository(
                name, reason: "write ORGANISATION/NAME, like sentence-transformers/all-MiniLM-L6-v2")
        }
        guard revision.split(separator: "/", omittingEmptySubsequences: false).allSatisfy({ Self.isName($0) }) else {
            throw ModelError.badRepository(name, reason: "'\(revision)' is no name of a revision")
        }
        self.name = name
        self.revision = revision
        let folderName = "models--" + parts.joined(separator: "--")
        folder = cache.appendingPathComponent(folderName)
        locks = cache.appendingPathComponent(".locks").appendingPathComponent(folderName)
    }

    private static func isName(_ text: Substring) -> Bool {
        isBlobName(String(text)) && !text.hasPrefix("-") && !text.hasSuffix(".") && !text.contains("..")
    }

    /// Whether an ETag can be the name of a file.
    package static func isBlobName(_ etag: String) -> Bool {
        etag.wholeMatch(of: /[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}/.matchingSemantics(.unicodeScalar)) != nil
    }

    /// Whether a text is a full commit.
    package static func isCommit(_ text: String) -> Bool { text.wholeMatch(of: /[0-9a-f]{40}/) != nil }

    /// The file that contains the commit of the revision.
    package var reference: URL { folder.appendingPathComponent("refs").appendingPathComponent(revision) }

    /// The commit in a file of `refs`; `nil` if the file cannot be read.
    package static func commit(in reference: URL) -> String? {
        (try? String(contentsOf: reference, encoding: .utf8))?.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// The folder of all snapshots.
    package var snapshots: URL { folder.appendingPathComponent("snapshots") }

    package func snapshot(_ commit: String) -> URL { snapshots.appendingPathComponent(commit) }

    /// The folder of the revision's snapshot in the cache; `nil` if there is none, or if it lacks files that an encoder
    /// needs.
    package var cachedSnapshot: URL? {
        let commit = Self.commit(in: reference) ?? revision
        guard Self.isCommit(commit) else { return nil }
        let snapshot = snapshot(commit)
        return ModelFolders.isEncoder(snapshot) ? snapshot : nil
    }
}

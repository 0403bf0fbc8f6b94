import Foundation

/// A model repository of a hub and its place in the cache, laid out as `huggingface_hub` does:
/// ```
/// models--org--name/refs/main                     the commit that the name stands for
/// models--org--name/blobs/<etag>                  the content of files
/// models--org--name/snapshots/<commit>/<file>     -> ../../blobs/<etag>
/// .locks/models--org--name/<etag>.lock            held while a blob is being downloaded
/// ```
struct HubRepository: Sendable {
    /// `org/name`, or `name` alone.
    let name: String
    /// Branch, tag or commit.
    let revision: String
    /// The folder `models--org--name`.
    let folder: URL
    private let locks: URL

    init(_ name: String, revision: String, cache: URL) throws {
        // What huggingface_hub allows; it keeps names from leaving the cache folder.
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts.allSatisfy({ Self.isName($0) }), !name.contains("--"),
            name.count <= 96
        else {
            throw ProviderError.badRepository(
                name, reason: "write ORGANISATION/NAME, like sentence-transformers/all-MiniLM-L6-v2")
        }
        guard revision.split(separator: "/", omittingEmptySubsequences: false).allSatisfy({ Self.isName($0) }) else {
            throw ProviderError.badRepository(name, reason: "'\(revision)' is no name of a revision")
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
    static func isBlobName(_ etag: String) -> Bool {
        etag.wholeMatch(of: /[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}/.matchingSemantics(.unicodeScalar)) != nil
    }

    /// Whether a text is a full commit.
    static func isCommit(_ text: String) -> Bool { text.wholeMatch(of: /[0-9a-f]{40}/) != nil }

    /// Whether a path of a file stays below its folder.
    static func isSafePath(_ path: String) -> Bool {
        !path.isEmpty
            && path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
                !$0.isEmpty && $0 != "." && $0 != ".." && !$0.contains("\0")
            }
    }

    /// File that says which commit the revision stands for.
    var reference: URL { folder.appendingPathComponent("refs").appendingPathComponent(revision) }

    /// The folder of all snapshots.
    var snapshots: URL { folder.appendingPathComponent("snapshots") }

    func snapshot(_ commit: String) -> URL { snapshots.appendingPathComponent(commit) }

    func blob(_ etag: String) -> URL { folder.appendingPathComponent("blobs").appendingPathComponent(etag) }

    func lock(_ etag: String) -> URL { locks.appendingPathComponent("\(etag).lock") }

    /// Record of what was pulled for a commit; it lies beside `snapshots`, so that it is not mistaken for a file of the model.
    func record(_ commit: String) -> URL { folder.appendingPathComponent("mafin-\(commit).json") }

    /// The snapshot of the revision that is in the cache, or nil where there is none or it lacks what an encoder needs.
    var cachedSnapshot: URL? {
        let commit = Self.commit(in: reference) ?? revision
        guard Self.isCommit(commit) else { return nil }
        let snapshot = snapshot(commit)
        return ModelFiles.isEncoder(snapshot) ? snapshot : nil
    }

    /// `snapshots/<commit>/<path> -> ../../blobs/<etag>`, replaced where it is there already.
    func link(_ path: String, to etag: String, in commit: String) throws {
        let pointer = snapshot(commit).appendingPathComponent(path)
        let depth = path.split(separator: "/").count + 1
        let target = String(repeating: "../", count: depth) + "blobs/" + etag
        let files = FileManager.default
        if (try? files.destinationOfSymbolicLink(atPath: pointer.path)) == target { return }
        do {
            try files.createDirectory(at: pointer.deletingLastPathComponent(), withIntermediateDirectories: true)
            // Made under another name and renamed, so that a reader never finds the name missing.
            let temporary = pointer.deletingLastPathComponent().appendingPathComponent(".\(UUID().uuidString)")
            try files.createSymbolicLink(atPath: temporary.path, withDestinationPath: target)
            guard rename(temporary.path, pointer.path) == 0 else {
                try? files.removeItem(at: temporary)
                throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
            }
        } catch {
            throw ProviderError.cannotStore(path: pointer.path, reason: "the link to its content cannot be made")
        }
    }
}

/// Which files of a repository make an encoder.
enum ModelFiles {
    /// Whether a folder holds what an encoder cannot do without.
    static func isEncoder(_ folder: URL) -> Bool {
        ["config.json", "model.safetensors"].allSatisfy {
            FileManager.default.fileExists(atPath: folder.appendingPathComponent($0).path)
        }
    }

    /// The files to pull: settings, vocabularies and weights at the top and in the folders of modules (`1_Pooling`, `2_Dense` …).
    /// - Throws: ``ProviderError/unusableRepository(_:reason:)`` where there are no weights that can be read.
    static func wanted(of files: [String], repository: String) throws -> [String] {
        let wanted = files.filter { path in
            let parts = path.split(separator: "/")
            guard HubRepository.isSafePath(path), let file = parts.last, parts.count <= 2 else { return false }
            // How sentence-transformers names the folders of its modules: `1_Pooling`, `2_Normalize`, `3_Dense`.
            if parts.count == 2, parts[0].prefixMatch(of: /[0-9]+_/) == nil { return false }
            return file == "model.safetensors" || file == "vocab.txt"
                || (file.hasSuffix(".json") && !file.hasSuffix(".index.json"))
        }
        guard files.contains("config.json") else {
            throw ProviderError.unusableRepository(repository, reason: "it holds no config.json, so it is no encoder")
        }
        guard files.contains("model.safetensors") else {
            let weights = files.filter { path in
                !path.contains("/")
                    && [".bin", ".safetensors", ".h5", ".onnx", ".msgpack", ".gguf"].contains { path.hasSuffix($0) }
            }
            let found = weights.isEmpty ? "no weights" : "only " + weights.prefix(4).joined(separator: ", ")
            throw ProviderError.unusableRepository(
                repository,
                reason:
                    "it holds \(found); weights are read from model.safetensors (a pickled pytorch_model.bin can run code)"
            )
        }
        return wanted
    }
}

import Foundation
import MafinPipeline
import MafinText

/// The files of the cache that a download writes.
extension HubRepository {
    /// Whether a file's path stays below its folder.
    static func isSafePath(_ path: String) -> Bool {
        !path.isEmpty
            && path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
                !$0.isEmpty && $0 != "." && $0 != ".." && !$0.contains("\0")
            }
    }

    func blob(_ etag: String) -> URL { folder.appendingPathComponent("blobs").appendingPathComponent(etag) }

    func lock(_ etag: String) -> URL { locks.appendingPathComponent("\(etag).lock") }

    /// The record of a downloaded commit. It is beside `snapshots`, so that it is not taken for a file of the model.
    func record(_ commit: String) -> URL { folder.appendingPathComponent("mafin-\(commit).json") }

    /// Creates or replaces the link `snapshots/<commit>/<path> -> ../../blobs/<etag>`.
    func link(_ path: String, to etag: String, in commit: String) throws {
        let pointer = snapshot(commit).appendingPathComponent(path)
        let depth = path.split(separator: "/").count + 1
        let target = String(repeating: "../", count: depth) + "blobs/" + etag
        let files = FileManager.default
        if (try? files.destinationOfSymbolicLink(atPath: pointer.path)) == target { return }
        do {
            try files.createDirectory(at: pointer.deletingLastPathComponent(), withIntermediateDirectories: true)
            // Created under another name and renamed, so that the name always exists for readers.
            let temporary = pointer.deletingLastPathComponent().appendingPathComponent(".\(UUID().uuidString)")
            try files.createSymbolicLink(atPath: temporary.path, withDestinationPath: target)
            guard rename(temporary.path, pointer.path) == 0 else {
                try? files.removeItem(at: temporary)
                throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
            }
        } catch {
            throw ProviderError.cannotStore(path: pointer.path, reason: "the link to its content cannot be created")
        }
    }
}

/// Selects the files of a repository that an encoder needs.
enum ModelFiles {
    /// The files to download: settings, vocabularies and weights at the top and in the folders of modules (`1_Pooling`, `2_Dense` …).
    /// - Throws: ``ProviderError/unusableRepository(_:reason:)`` if there are no weights that can be read.
    static func wanted(of files: [String], repository: String) throws -> [String] {
        let wanted = files.filter { path in
            let parts = path.split(separator: "/")
            guard HubRepository.isSafePath(path), let file = parts.last, parts.count <= 2 else { return false }
            // sentence-transformers names the folders of its modules like this: `1_Pooling`, `2_Normalize`, `3_Dense`.
            if parts.count == 2, parts[0].prefixMatch(of: /[0-9]+_/) == nil { return false }
            return file == "model.safetensors" || TokenizerFiles.names.contains(String(file))
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

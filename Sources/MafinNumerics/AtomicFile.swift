import Foundation

/// Writing files and folders whole or not at all: to a temporary name beside the target, synced to disk, then renamed.
public enum AtomicFile {
    /// Writes `data` to `url`; an existing file is replaced in one step.
    /// - Throws: ``NumericsError/file(path:reason:)``; the target is then as it was before.
    public static func write(_ data: Data, to url: URL) throws {
        try write(to: url) { try $0.write(data) }
    }

    /// Writes a file piece by piece; it gets its name only when `body` has returned and the bytes are on disk.
    /// - Throws: ``NumericsError/file(path:reason:)`` or what `body` throws; the target is then as it was before.
    public static func write(to url: URL, _ body: (inout FileWriter) throws -> Void) throws {
        let temporary = temporarySibling(of: url)
        do {
            var writer = try FileWriter(creating: temporary, for: url)
            do {
                try body(&writer)
                try writer.finish()
            } catch {
                writer.abandon()
                throw error
            }
            guard rename(temporary.path, url.path) == 0 else { throw NumericsError.system(url.path) }
            try synchronizeDirectory(url.deletingLastPathComponent())
        } catch {
            unlink(temporary.path)
            throw error
        }
    }

    /// Makes a folder whole or not at all: `body` fills a temporary folder beside `url`, which then takes the place of what was there.
    ///
    /// An existing folder is moved aside and removed only after the new one has its name.
    /// - Throws: ``NumericsError/file(path:reason:)`` or what `body` throws; the target is then as it was before.
    public static func replaceDirectory(at url: URL, _ body: (URL) throws -> Void) throws {
        let files = FileManager.default
        let temporary = temporarySibling(of: url)
        let old = temporarySibling(of: url)
        do {
            try files.createDirectory(at: temporary, withIntermediateDirectories: true)
            try body(temporary)
            try synchronizeTree(temporary)
        } catch {
            try? files.removeItem(at: temporary)
            throw error
        }
        let hadOld = files.fileExists(atPath: url.path)
        if hadOld, rename(url.path, old.path) != 0 {
            let error = NumericsError.system(url.path)
            try? files.removeItem(at: temporary)
            throw error
        }
        guard rename(temporary.path, url.path) == 0 else {
            let error = NumericsError.system(url.path)
            if hadOld { rename(old.path, url.path) }
            try? files.removeItem(at: temporary)
            throw error
        }
        try synchronizeDirectory(url.deletingLastPathComponent())
        if hadOld { try? files.removeItem(at: old) }
    }

    private static func temporarySibling(of url: URL) -> URL {
        let standardized = url.standardizedFileURL
        return standardized.deletingLastPathComponent().appendingPathComponent(
            ".\(standardized.lastPathComponent).\(UUID().uuidString.prefix(8)).tmp")
    }

    private static func synchronizeTree(_ folder: URL) throws {
        let contents = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: [.isDirectoryKey])
        while let url = contents?.nextObject() as? URL {
            try synchronizeDirectory(url)
        }
        try synchronizeDirectory(folder)
    }

    /// Syncs a file's or folder's own entry to disk.
    private static func synchronizeDirectory(_ url: URL) throws {
        let descriptor = open(url.path.isEmpty ? "." : url.path, O_RDONLY)
        guard descriptor >= 0 else { throw NumericsError.system(url.path) }
        defer { close(descriptor) }
        // Some file systems refuse to sync a folder (EINVAL); their renames are then as safe as they get.
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw NumericsError.system(url.path) }
    }
}

/// A file being written piece by piece.
public struct FileWriter: ~Copyable {
    /// -1 once it is closed.
    private var descriptor: Int32
    /// The name that the file gets in the end: errors speak of it, not of the temporary one.
    private let path: String

    init(creating temporary: URL, for target: URL) throws {
        path = target.path
        descriptor = open(temporary.path, O_WRONLY | O_CREAT | O_EXCL, 0o644)
        guard descriptor >= 0 else { throw NumericsError.system(path) }
    }

    /// Appends bytes.
    /// - Throws: ``NumericsError/file(path:reason:)``, for instance when the disk is full.
    public mutating func write(_ data: Data) throws {
        try data.withUnsafeBytes { try write($0) }
    }

    /// Appends raw bytes.
    /// - Throws: ``NumericsError/file(path:reason:)``, for instance when the disk is full.
    public mutating func write(_ bytes: UnsafeRawBufferPointer) throws {
        guard let base = bytes.baseAddress else { return }
        var written = 0
        while written < bytes.count {
            // One call writes at most 2 GiB on Linux and fails above that on macOS.
            let count = posixWrite(descriptor, base + written, min(bytes.count - written, 1 << 30))
            if count < 0 {
                if errno == EINTR { continue }
                throw NumericsError.system(path)
            }
            written += count
        }
    }

    fileprivate mutating func finish() throws {
        guard fsync(descriptor) == 0 else { throw NumericsError.system(path) }
        // Closed even if close reports an error: the number may be another file's by now.
        defer { descriptor = -1 }
        guard close(descriptor) == 0 else { throw NumericsError.system(path) }
    }

    fileprivate mutating func abandon() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }
}

private func posixWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}

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
        let file = try PendingFile(at: url)
        try body(&file.writer)
        try file.commit()
    }

    /// Makes a folder whole or not at all: `body` fills a temporary folder beside `url`, which then takes the place of what was there.
    ///
    /// An existing folder is moved aside and removed only after the new one has its name.
    /// - Throws: ``NumericsError/file(path:reason:)`` or what `body` throws; the target is then as it was before.
    public static func replaceDirectory(at url: URL, _ body: (URL) throws -> Void) throws {
        let temporary = temporarySibling(of: url)
        do {
            try FileManager.default.createDirectory(at: temporary, withIntermediateDirectories: true)
            try body(temporary)
        } catch {
            try? FileManager.default.removeItem(at: temporary)
            throw error
        }
        try put(temporary, inPlaceOf: url)
    }

    /// The same for a body that waits for others.
    /// - Throws: ``NumericsError/file(path:reason:)`` or what `body` throws; the target is then as it was before.
    public static func replaceDirectory(
        at url: URL, isolation: isolated (any Actor)? = #isolation, _ body: (URL) async throws -> Void
    ) async throws {
        let temporary = temporarySibling(of: url)
        do {
            try FileManager.default.createDirectory(at: temporary, withIntermediateDirectories: true)
            try await body(temporary)
        } catch {
            try? FileManager.default.removeItem(at: temporary)
            throw error
        }
        try put(temporary, inPlaceOf: url)
    }

    private static func put(_ temporary: URL, inPlaceOf url: URL) throws {
        let files = FileManager.default
        let old = temporarySibling(of: url)
        var isInPlace = false
        defer { if !isInPlace { try? files.removeItem(at: temporary) } }
        try synchronizeTree(temporary)
        let hadOld = files.fileExists(atPath: url.path)
        if hadOld, rename(url.path, old.path) != 0 { throw NumericsError.system(url.path) }
        guard rename(temporary.path, url.path) == 0 else {
            let error = NumericsError.system(url.path)
            if hadOld { rename(old.path, url.path) }
            throw error
        }
        isInPlace = true
        try synchronizeDirectory(url.deletingLastPathComponent())
        if hadOld { try? files.removeItem(at: old) }
    }

    static func temporarySibling(of url: URL) -> URL {
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
    static func synchronizeDirectory(_ url: URL) throws {
        let descriptor = open(url.path.isEmpty ? "." : url.path, O_RDONLY)
        guard descriptor >= 0 else { throw NumericsError.system(url.path) }
        defer { close(descriptor) }
        // Some file systems refuse to sync a folder (EINVAL); their renames are then as safe as they get.
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw NumericsError.system(url.path) }
    }
}

/// A file that is written over time: it gets its name with ``commit()``, and where that never comes nothing of it stays.
///
/// Not to be used from two threads at a time.
public final class PendingFile {
    var writer: FileWriter
    private let target: URL
    private let temporary: URL
    private var isCommitted = false

    /// Begins a file under a temporary name beside `url`.
    /// - Throws: ``NumericsError/file(path:reason:)``
    public init(at url: URL) throws {
        target = url
        temporary = AtomicFile.temporarySibling(of: url)
        writer = try FileWriter(creating: temporary, for: url)
    }

    deinit {
        writer.abandon()
        if !isCommitted { unlink(temporary.path) }
    }

    /// Appends bytes.
    /// - Throws: ``NumericsError/file(path:reason:)``, for instance when the disk is full.
    public func write(_ data: Data) throws { try writer.write(data) }

    /// Puts the bytes on disk, still under the temporary name: the part of ``commit()`` that may fail for want of space. Nothing can be
    /// written after it.
    /// - Throws: ``NumericsError/file(path:reason:)``
    public func synchronize() throws { try writer.finish() }

    /// Gives the file its name; one that was there is replaced in one step.
    /// - Throws: ``NumericsError/file(path:reason:)``; what was there is then as it was before.
    public func commit() throws {
        try synchronize()
        guard rename(temporary.path, target.path) == 0 else { throw NumericsError.system(target.path) }
        isCommitted = true
        try AtomicFile.synchronizeDirectory(target.deletingLastPathComponent())
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

    /// Writes bytes over those that were written at `offset`; what follows them stays.
    /// - Throws: ``NumericsError/file(path:reason:)``
    mutating func overwrite(_ data: Data, at offset: Int) throws {
        let count = data.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, off_t(offset)) }
        guard count == data.count else { throw NumericsError.system(path) }
    }

    /// Puts everything on disk and closes the file. Does nothing where it is closed already.
    mutating func finish() throws {
        guard descriptor >= 0 else { return }
        guard fsync(descriptor) == 0 else { throw NumericsError.system(path) }
        // Closed even if close reports an error: the number may be another file's by now.
        defer { descriptor = -1 }
        guard close(descriptor) == 0 else { throw NumericsError.system(path) }
    }

    mutating func abandon() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }
}

private func posixWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}

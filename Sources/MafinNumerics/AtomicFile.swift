import CMafinKernels
import Foundation

/// Writes files and folders whole or not at all: under a temporary name beside the target, which is synced to disk and
/// then renamed.
public enum AtomicFile {
    /// Writes `data` to `url`. An existing file is replaced in one step.
    /// - Throws: ``NumericsError/file(path:reason:)``; the target is then as it was before.
    public static func write(_ data: Data, to url: URL) throws {
        try write(to: url) { try $0.write(data) }
    }

    /// Writes a file in pieces. It gets its name only when `body` has returned and the bytes are on disk.
    /// - Throws: ``NumericsError/file(path:reason:)`` or what `body` throws; the target is then as it was before.
    public static func write(to url: URL, _ body: (PendingFile) throws -> Void) throws {
        let file = try PendingFile(at: url)
        try body(file)
        try file.commit()
    }

    /// Copies the files and folders of a folder into another one.
    /// - Parameter names: of those that are not copied.
    /// - Throws: what `FileManager` throws.
    package static func copyContents(of source: URL, to target: URL, except names: Set<String> = []) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: source.path) where !names.contains(name) {
            try FileManager.default.copyItem(
                at: source.appendingPathComponent(name), to: target.appendingPathComponent(name))
        }
    }

    /// Makes a folder whole or not at all. `body` fills a temporary folder beside `url`, which then replaces the folder
    /// at `url`.
    ///
    /// Both folders swap their names in one step, so that a folder exists at every moment. On the few file systems that
    /// cannot do that, the old folder is first moved aside, and ``recoverDirectory(at:)`` puts it back if the process
    /// ends in between. Temporary folders of processes that have ended are removed.
    /// - Throws: ``NumericsError/file(path:reason:)`` or what `body` throws; the target is then as it was before.
    public static func replaceDirectory(at url: URL, _ body: (URL) throws -> Void) throws {
        let folder = try PendingFolder(at: url)
        try body(folder.url)
        try folder.commit()
    }

    /// The same for an asynchronous body.
    /// - Throws: ``NumericsError/file(path:reason:)`` or what `body` throws; the target is then as it was before.
    public static func replaceDirectory(
        at url: URL, isolation: isolated (any Actor)? = #isolation, _ body: (URL) async throws -> Void
    ) async throws {
        let folder = try PendingFolder(at: url)
        try await body(folder.url)
        try folder.commit()
    }

    /// Restores a folder that was moved aside when a process ended during ``replaceDirectory(at:_:)``, on a file system
    /// that cannot swap names. Does nothing if there is a folder at `url`, or nothing to restore.
    public static func recoverDirectory(at url: URL) {
        let files = FileManager.default
        guard !files.fileExists(atPath: url.path) else { return }
        rename(asideName(of: url).path, url.path)
    }

    /// Whether a folder may be written at `url`: it does not exist, is empty or holds the file `marker`. Other files and
    /// folders are never overwritten.
    package static func canReplaceDirectory(at url: URL, holding marker: String) throws -> Bool {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) else { return true }
        guard isFolder.boolValue else { return false }
        let contents = try FileManager.default.contentsOfDirectory(atPath: url.path)
        return contents.isEmpty || contents.contains(marker)
    }

    /// The name of the old folder while the new one gets its name.
    static func asideName(of url: URL) -> URL { sibling(of: url, ending: "replaced") }

    static func temporarySibling(of url: URL) -> URL { sibling(of: url, ending: "\(UUID().uuidString.prefix(8)).tmp") }

    private static func sibling(of url: URL, ending: String) -> URL {
        let standardized = url.standardizedFileURL
        return standardized.deletingLastPathComponent()
            .appendingPathComponent(".\(standardized.lastPathComponent).\(ending)")
    }

    fileprivate static func synchronizeTree(_ folder: URL) throws {
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
        // Some file systems cannot sync a folder (EINVAL). Nothing more can be done there.
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw NumericsError.system(url.path) }
    }
}

/// A folder that is filled under a temporary name. ``commit(exchange:)`` gives it its own name; without that it is
/// removed.
///
/// The process that fills it holds a lock on it (`flock`). A temporary folder without a lock was left by a process that has ended.
final class PendingFolder {
    /// The temporary folder.
    let url: URL
    private let target: URL
    private let descriptor: Int32
    private var isCommitted = false

    /// Begins a folder, and removes temporary folders of processes that have ended.
    /// - Throws: ``NumericsError/file(path:reason:)``
    init(at target: URL) throws {
        self.target = target
        AtomicFile.recoverDirectory(at: target)
        Self.sweep(target)
        url = AtomicFile.temporarySibling(of: target)
        do {
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        } catch {
            throw NumericsError.file(path: target.path, reason: reason(error))
        }
        descriptor = open(url.path, O_RDONLY)
        if descriptor >= 0 { flock(descriptor, LOCK_EX | LOCK_NB) }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
        if !isCommitted { try? FileManager.default.removeItem(at: url) }
    }

    /// Syncs everything to disk and gives the folder its name.
    /// - Parameter exchange: swaps the names of two paths; returns 0 or an errno.
    /// - Throws: ``NumericsError/file(path:reason:)``; what was there is then as it was before.
    func commit(exchange: (String, String) -> Int32 = { mafin_exchange($0, $1) }) throws {
        let files = FileManager.default
        try AtomicFile.synchronizeTree(url)
        if files.fileExists(atPath: target.path) {
            switch exchange(url.path, target.path) {
            case 0: break
            case EINVAL, ENOSYS, ENOTSUP: try putAside()
            case let code: throw NumericsError.file(path: target.path, reason: String(cString: strerror(code)))
            }
        } else if rename(url.path, target.path) != 0 {
            throw NumericsError.system(target.path)
        }
        isCommitted = true
        try AtomicFile.synchronizeDirectory(target.deletingLastPathComponent())
        // After an exchange the old folder has the temporary name.
        for old in [url, AtomicFile.asideName(of: target)] { try? files.removeItem(at: old) }
    }

    /// Replaces the folder in two steps, for file systems that cannot swap names. A reader in between finds no folder;
    /// ``AtomicFile/recoverDirectory(at:)`` restores it.
    private func putAside() throws {
        let aside = AtomicFile.asideName(of: target)
        try? FileManager.default.removeItem(at: aside)
        guard rename(target.path, aside.path) == 0 else { throw NumericsError.system(target.path) }
        guard rename(url.path, target.path) == 0 else {
            let error = NumericsError.system(target.path)
            AtomicFile.recoverDirectory(at: target)
            throw error
        }
    }

    /// Seconds. A younger folder may not have its lock yet.
    private static let youngest: TimeInterval = 60

    /// Removes temporary folders of a target whose processes have ended.
    private static func sweep(_ target: URL) {
        let files = FileManager.default
        let parent = target.standardizedFileURL.deletingLastPathComponent()
        let prefix = ".\(target.standardizedFileURL.lastPathComponent)."
        for name in (try? files.contentsOfDirectory(atPath: parent.path)) ?? []
        where name.hasPrefix(prefix) && name.hasSuffix(".tmp") && name.utf8.count == prefix.utf8.count + 12 {
            let left = parent.appendingPathComponent(name)
            let attributes = try? files.attributesOfItem(atPath: left.path)
            guard attributes?[.type] as? FileAttributeType == .typeDirectory,
                let changed = attributes?[.modificationDate] as? Date, changed.timeIntervalSinceNow < -youngest
            else { continue }
            let descriptor = open(left.path, O_RDONLY)
            guard descriptor >= 0 else { continue }
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { try? files.removeItem(at: left) }
            close(descriptor)
        }
    }
}

/// A file that is written in pieces under a temporary name. ``commit()`` gives it its own name; without that it is
/// removed.
///
/// Not to be used from two threads at a time.
public final class PendingFile {
    /// Errors name this path, not the temporary one.
    private let target: URL
    private let temporary: URL
    /// -1 once it is closed.
    private var descriptor: Int32
    private var isCommitted = false

    /// Begins a file under a temporary name beside `url`.
    /// - Throws: ``NumericsError/file(path:reason:)``
    public init(at url: URL) throws {
        let temporary = AtomicFile.temporarySibling(of: url)
        let descriptor = open(temporary.path, O_RDWR | O_CREAT | O_EXCL, 0o644)
        guard descriptor >= 0 else { throw NumericsError.system(url.path) }
        (target, self.temporary, self.descriptor) = (url, temporary, descriptor)
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
        if !isCommitted { unlink(temporary.path) }
    }

    /// Appends bytes.
    /// - Throws: ``NumericsError/file(path:reason:)``, for instance when the disk is full.
    public func write(_ data: Data) throws { try data.withUnsafeBytes { try write($0) } }

    /// Appends raw bytes.
    /// - Throws: ``NumericsError/file(path:reason:)``, for instance when the disk is full.
    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        guard let base = bytes.baseAddress else { return }
        var written = 0
        while written < bytes.count {
            // One call writes at most 2 GiB on Linux and fails above that on macOS.
            let count = posixWrite(descriptor, base + written, min(bytes.count - written, 1 << 30))
            if count < 0 {
                if errno == EINTR { continue }
                throw NumericsError.system(target.path)
            }
            written += count
        }
    }

    /// Overwrites bytes that were written at `offset`. The bytes after them do not change.
    /// - Throws: ``NumericsError/file(path:reason:)``
    func overwrite(_ data: Data, at offset: Int) throws {
        let count = data.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, off_t(offset)) }
        guard count == data.count else { throw NumericsError.system(target.path) }
    }

    /// Reads bytes that were written at `offset`, as many as the buffer has.
    /// - Throws: ``NumericsError/file(path:reason:)``
    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
        let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset))
        guard count >= 0 else { throw NumericsError.system(target.path) }
        guard count == buffer.count else {
            throw NumericsError.file(path: target.path, reason: "a temporary file was cut off")
        }
    }

    /// Syncs the bytes to disk, still under the temporary name. This is the part of ``commit()`` that may fail if the
    /// disk is full. Nothing can be written afterwards.
    /// - Throws: ``NumericsError/file(path:reason:)``
    public func synchronize() throws {
        guard descriptor >= 0 else { return }
        guard fsync(descriptor) == 0 else { throw NumericsError.system(target.path) }
        // The descriptor counts as closed even if `close` reports an error, because its number may already belong to
        // another file.
        defer { descriptor = -1 }
        guard close(descriptor) == 0 else { throw NumericsError.system(target.path) }
    }

    /// Gives the file its name. An existing file is replaced in one step.
    /// - Throws: ``NumericsError/file(path:reason:)``; what was there is then as it was before.
    public func commit() throws {
        try synchronize()
        guard rename(temporary.path, target.path) == 0 else { throw NumericsError.system(target.path) }
        isCommitted = true
        try AtomicFile.synchronizeDirectory(target.deletingLastPathComponent())
    }
}

private func posixWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}

/// The readable part of a Foundation error.
private func reason(_ error: any Error) -> String {
    guard let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError,
        underlying.domain == NSPOSIXErrorDomain
    else { return error.localizedDescription }
    return String(cString: strerror(Int32(underlying.code)))
}

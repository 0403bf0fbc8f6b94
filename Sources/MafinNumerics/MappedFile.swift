import Foundation

/// The bytes of a file, mapped into memory. They are read from disk when they are first used, and shared with every
/// process that maps them.
///
/// While the file is mapped, it may be replaced by renaming another file (as ``AtomicFile`` does). If it is shortened
/// in place, an access beyond its end kills this process.
public final class MappedFile: Sendable {
    private nonisolated(unsafe) let memory: UnsafeRawBufferPointer

    /// Maps a file.
    /// - Throws: ``NumericsError/file(path:reason:)``
    public init(_ url: URL) throws {
        func refused(_ reason: String) -> NumericsError {
            .file(path: url.path, reason: "cannot be read: \(reason)")
        }
        func systemReason() -> String { errno == ENOENT ? "no such file" : String(cString: strerror(errno)) }
        let descriptor = open(url.path, O_RDONLY)
        guard descriptor >= 0 else { throw refused(systemReason()) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw refused(systemReason()) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw refused("it is no file") }
        let count = Int(status.st_size)
        guard count > 0 else {
            memory = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        guard let start = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED else {
            throw refused(systemReason())
        }
        memory = UnsafeRawBufferPointer(start: start, count: count)
    }

    deinit {
        if let start = memory.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), memory.count) }
    }

    /// Tells the system that the whole file will soon be read. Returns at once.
    public func prefetch() {
        guard let start = memory.baseAddress else { return }
        // Only advice: if the system refuses it, pages are read when they are first used.
        madvise(UnsafeMutableRawPointer(mutating: start), memory.count, MADV_WILLNEED)
    }

    /// Size of the file.
    public var count: Int { memory.count }

    /// Calls `body` with all bytes. The pointer is valid as long as this object exists.
    public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        defer { withExtendedLifetime(self) {} }
        return try body(memory)
    }
}

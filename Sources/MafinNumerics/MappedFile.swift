import Foundation

/// A file's bytes, mapped into memory: read from disk when they are first used, and shared with every process that maps them.
///
/// The file may be replaced by another of its name (as ``AtomicFile`` does) while it is mapped; a process that shortens it in place
/// ends the process at the next access beyond its end.
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

    /// Size of the file.
    public var count: Int { memory.count }

    /// Calls `body` with all bytes; the pointer is good until it returns.
    public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        defer { withExtendedLifetime(self) {} }
        return try body(memory)
    }
}

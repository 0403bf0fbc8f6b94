import Foundation

/// An advisory lock on a file (`flock`), compatible with `huggingface_hub`: one process downloads, the others wait.
///
/// It is released when it is deinitialised, and by the system when the process ends.
final class FileLock: Sendable {
    private let descriptor: Int32

    /// Waits for the lock.
    /// - Parameter waiting: called once if another process holds it.
    /// - Throws: ``ProviderError/cannotStore(path:reason:)``, `CancellationError`
    init(_ file: URL, waiting: () -> Void) async throws {
        try? FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        func fault() -> ProviderError { .cannotStore(path: file.path, reason: String(cString: strerror(errno))) }
        let descriptor = open(file.path, O_RDWR | O_CREAT, 0o664)
        guard descriptor >= 0 else { throw fault() }
        self.descriptor = descriptor
        var said = false
        // Polled, because a blocked thread could not be cancelled.
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR else { throw fault() }
            if !said { waiting() }
            said = true
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    deinit { close(descriptor) }
}

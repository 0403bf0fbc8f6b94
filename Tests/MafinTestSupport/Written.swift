import Synchronization

/// Collects written text, from any thread.
public final class Written: Sendable {
    private let storage = Mutex("")

    /// Nothing yet.
    public init() {}

    /// All that was written.
    public var text: String { storage.withLock { $0 } }

    /// Adds text.
    public func append(_ more: String) { storage.withLock { $0 += more } }
}

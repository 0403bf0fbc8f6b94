import Synchronization

/// Takes what is written, from any thread.
public final class Written: Sendable {
    private let storage = Mutex("")

    /// Nothing yet.
    public init() {}

    /// All that was written.
    public var text: String { storage.withLock { $0 } }

    /// Takes more.
    public func append(_ more: String) { storage.withLock { $0 += more } }
}

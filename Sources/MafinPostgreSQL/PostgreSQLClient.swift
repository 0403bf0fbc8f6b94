import Foundation

/// A connection to PostgreSQL, made when it is first used and again after it was lost.
///
/// The calls of the client library wait, so statements run on a thread of their own, one after the other, and not on the threads of Swift's
/// tasks.
public final class PostgreSQLClient: @unchecked Sendable {
    private let address: PostgreSQLAddress
    private let queue = DispatchQueue(label: "mafin.postgresql")
    private let patience: TimeInterval
    private let naming: @Sendable (PostgreSQLError) -> any Error
    private let prepare: @Sendable (PostgreSQLSession) throws -> Void
    /// Only used in ``queue``.
    private var session: PostgreSQLSession?

    /// Connects later.
    /// - Parameters:
    ///   - patience: for how many seconds statements are repeated if the server is away, the connection is lost or the server asks to try again;
    ///     0: they are never repeated.
    ///   - naming: the caller's error for an error of the client library or the server.
    ///   - prepare: runs on each new connection, before anything else.
    public init(
        _ address: PostgreSQLAddress, patience: TimeInterval = 0,
        naming: @escaping @Sendable (PostgreSQLError) -> any Error,
        prepare: @escaping @Sendable (PostgreSQLSession) throws -> Void = { _ in }
    ) {
        (self.address, self.patience, self.naming, self.prepare) = (address, patience, naming, prepare)
    }

    /// Runs statements as one transaction. With patience all of it may be repeated, also if the connection was lost while it ended, so it must be
    /// harmless twice.
    /// - Throws: the caller's error, or what the body throws.
    public func transaction<Result: Sendable>(
        _ body: @escaping @Sendable (PostgreSQLSession) throws -> Result
    ) async throws -> Result {
        try await run { try $0.transaction(body) }
    }

    /// Runs statements, each by itself. As for ``transaction(_:)``, they may be repeated.
    /// - Throws: the caller's error, or what the body throws.
    public func run<Result: Sendable>(
        _ body: @escaping @Sendable (PostgreSQLSession) throws -> Result
    ) async throws -> Result {
        // It runs to its end even if the waiting task is cancelled, because what it writes may be paid.
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Swift.Result { try self.patiently(body) }) }
        }
    }

    private func patiently<Result>(_ body: (PostgreSQLSession) throws -> Result) throws -> Result {
        let giveUp = Date().addingTimeInterval(patience)
        var pause = 0.02
        while true {
            do {
                return try body(try connected())
            } catch let error as PostgreSQLError {
                if session?.isOpen == false { session = nil }
                guard error.isPassing, Date() < giveUp else { throw naming(error) }
                Thread.sleep(forTimeInterval: pause)
                pause = min(2 * pause, 1)
            }
        }
    }

    private func connected() throws -> PostgreSQLSession {
        if let session { return session }
        let opened = try PostgreSQLSession(address)
        try prepare(opened)
        session = opened
        return opened
    }
}

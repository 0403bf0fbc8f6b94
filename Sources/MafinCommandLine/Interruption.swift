import Foundation
import MafinWorkflows
import Synchronization

/// Ctrl-C and SIGTERM, for commands that can be resumed. The first signal asks the command to end, the second ends it at once.
///
/// ```swift
/// Interruption.install()
/// try trainer.run(shouldStop: { Interruption.isRequested })
/// ```
package enum Interruption {
    /// Number of signals. A signal handler may use a global constant with trivial storage.
    private static let count = Atomic<Int>(0)

    /// Whether the user has asked to end. It is cheap enough to poll in every step.
    package static var isRequested: Bool { count.load(ordering: .relaxed) > 0 }

    /// Handles SIGINT and SIGTERM, which would otherwise end the process in the middle of a step.
    package static func install() {
        _ = count.load(ordering: .relaxed)  // initialised here, not in the handler
        for number in [SIGINT, SIGTERM] {
            signal(number) { _ in Interruption.receive() }
        }
    }

    /// Runs `body` as a task that is cancelled when the user asks to end.
    /// - Throws: `CancellationError` if the user asked to end, once `body` has ended; otherwise what `body` throws.
    package static func cancelling<Result: Sendable>(
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await WorkflowContext(isCancelled: { isRequested }).cancelling(body)
    }

    /// Runs in the signal handler, so it makes only async-signal-safe calls (signal-safety(7)).
    private static func receive() {
        if count.add(1, ordering: .relaxed).newValue > 1 { _exit(CommandStatus.interrupted.rawValue) }
        let message: StaticString = "\nending after this step; press Ctrl-C again to end at once\n"
        _ = message.withUTF8Buffer { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

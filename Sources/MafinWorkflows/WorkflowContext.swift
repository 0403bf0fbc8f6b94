import Logging
import MafinRetrieval

/// How a workflow talks to whoever runs it: what it says, how its progress is shown, and when it is asked to end.
///
/// The command line prints; another program may log, draw or ignore.
package struct WorkflowContext: Sendable {
    /// Takes one line about what is being done.
    package var note: @Sendable (String) -> Void
    /// Takes one line about something that may spoil the result.
    package var warn: @Sendable (String) -> Void
    /// Begins to show the progress of one job of `total` units.
    package var beginProgress: @Sendable (_ title: String, _ total: Int, _ unit: String) -> any ProgressReporter
    /// Whether the user has asked to end. Polled every step, so it must be cheap.
    package var isCancelled: @Sendable () -> Bool
    /// Takes what the modules log: retries, waiting, damaged entries.
    package var logger: Logger

    /// A context that says nothing and never asks to end, except for what is given.
    package init(
        note: @escaping @Sendable (String) -> Void = { _ in },
        warn: @escaping @Sendable (String) -> Void = { _ in },
        beginProgress: @escaping @Sendable (String, Int, String) -> any ProgressReporter = { _, _, _ in NoProgress() },
        isCancelled: @escaping @Sendable () -> Bool = { false },
        logger: Logger = Logger(label: "mafin") { _ in SwiftLogNoOpLogHandler() }
    ) {
        (self.note, self.warn, self.beginProgress) = (note, warn, beginProgress)
        (self.isCancelled, self.logger) = (isCancelled, logger)
    }

    /// Warns of what was noticed in a collection and is no error: the first few, and how many more there are.
    package func warn(of warnings: [CollectionWarning]) {
        let shown = 5
        for warning in warnings.prefix(shown) { warn("\(warning)") }
        if warnings.count > shown { warn("… and \(warnings.count - shown) more of that kind in the collection") }
    }

    /// - Throws: `CancellationError` if the user has asked to end.
    package func checkCancellation() throws {
        if isCancelled() { throw CancellationError() }
    }

    /// Runs `body` as a task that is cancelled when the user asks to end. Meant for work that waits for others and polls nothing.
    /// - Throws: `CancellationError` after that, once `body` has ended; otherwise what `body` throws.
    package func cancelling<Result: Sendable>(
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        let isCancelled = isCancelled
        return try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                while !isCancelled() { try await Task.sleep(for: .milliseconds(100)) }
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let result = first else { throw CancellationError() }
            return result
        }
    }
}

/// Shows the progress of one job. May be updated from any thread.
package protocol ProgressReporter: Sendable {
    /// Tells how much is done by now.
    /// - Parameters:
    ///   - skipped: the part of it that was there before the job began; it does not count as speed.
    ///   - detail: more to show, such as the loss; nil leaves what was shown.
    func update(completed: Int, skipped: Int, detail: String?)
    /// Says a line of its own without disturbing the progress.
    func note(_ text: String)
    /// Ends the job. Later updates are ignored; a second call does nothing.
    func finish()
}

extension ProgressReporter {
    package func update(completed: Int, detail: String? = nil) {
        update(completed: completed, skipped: 0, detail: detail)
    }
}

/// Shows nothing.
package struct NoProgress: ProgressReporter {
    package init() {}
    package func update(completed: Int, skipped: Int, detail: String?) {}
    package func note(_ text: String) {}
    package func finish() {}
}

import Logging
import MafinRetrieval

/// The callbacks of a workflow: its messages, its progress, and whether it should end.
///
/// The command line prints them. Another program may log, draw or ignore them.
package struct WorkflowContext: Sendable {
    /// Gets one line about the current work.
    package var note: @Sendable (String) -> Void
    /// Gets one line about something that may spoil the result.
    package var warn: @Sendable (String) -> Void
    /// Begins to show the progress of one job of `total` units.
    package var beginProgress: @Sendable (_ title: String, _ total: Int, _ unit: String) -> any ProgressReporter
    /// Whether the user has asked to end. It is polled in every step, so it must be cheap.
    package var isCancelled: @Sendable () -> Bool
    /// Gets the modules' log messages: retries, waiting, damaged entries.
    package var logger: Logger

    /// A context. Callbacks that are not given ignore their messages, and without `isCancelled` the workflow is never asked to end.
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

    /// Warns of findings in a collection that are not errors: the first few, and how many more there are.
    package func warn(of warnings: [CollectionWarning]) {
        let shown = 5
        for warning in warnings.prefix(shown) { warn("\(warning)") }
        if warnings.count > shown { warn("… and \(warnings.count - shown) more of that kind in the collection") }
    }

    /// The language of documents: the given one, or a guess, with a note.
    package func language(_ given: Language?, of documents: [Document]) -> (language: Language, isSure: Bool) {
        if let given { return (given, true) }
        guard documents.contains(where: { !$0.textForEncoding.isEmpty }) else { return (.english, true) }
        let guess = LanguageGuess(of: documents.map(\.textForEncoding))
        note(
            "language of the documents: \(guess.language.name), guessed from \(guess.texts) of them"
                + (guess.isSure ? "" : " and not sure") + " (--language gives another)")
        return (guess.language, guess.isSure)
    }

    /// - Throws: `CancellationError` if the user has asked to end.
    package func checkCancellation() throws {
        if isCancelled() { throw CancellationError() }
    }

    /// Runs `body` as a task that is cancelled when the user asks to end. Meant for work that waits and does not poll ``isCancelled``.
    /// - Throws: `CancellationError` if the user asked to end, once `body` has ended; otherwise what `body` throws.
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
    /// Reports how much is done.
    /// - Parameters:
    ///   - skipped: the part of `completed` that was done before the job began. It does not count for the speed.
    ///   - detail: more to show, such as the loss; nil leaves the old detail.
    func update(completed: Int, skipped: Int, detail: String?)
    /// Shows a separate line without disturbing the progress.
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

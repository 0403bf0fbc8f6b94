import MafinReport
import MafinWorkflows
import Synchronization

/// The progress of one job on standard error: on a terminal one line that is rewritten, in a log file a plain line now and then.
///
/// May be updated from any thread.
package final class ProgressBar: ProgressReporter {
    /// Where the lines go, and what can be shown there.
    package struct Output: Sendable {
        var terminal: Terminal
        var write: @Sendable (String) -> Void

        package static let silent = Output(terminal: .none, write: { _ in })

        static func standardError() -> Output {
            Output(terminal: .standardError(), write: StandardError.write)
        }
    }

    private struct State {
        var line: ProgressLine
        var throttle = ProgressThrottle()
        var lastDrawn: ContinuousClock.Instant?
        var isFinished = false
    }

    private let output: Output
    private let start: ContinuousClock.Instant
    private let state: Mutex<State>

    /// Starts the clock. The first line appears with the first update.
    package init(title: String, total: Int, unit: String, output: Output = .standardError()) {
        self.output = output
        start = .now
        state = Mutex(State(line: ProgressLine(title: title, completed: 0, total: total, unit: unit, elapsed: .zero)))
    }

    /// Reports how much is done. The line is drawn at most ten times a second.
    /// - Parameters:
    ///   - skipped: the part of `completed` that was done before the job began.
    ///   - detail: more to show; nil leaves the old detail.
    package func update(completed: Int, skipped: Int = 0, detail: String? = nil) {
        state.withLock { state in
            guard !state.isFinished else { return }
            state.line.completed = completed
            state.line.skipped = skipped
            if let detail { state.line.detail = detail }
            draw(&state)
        }
    }

    /// Replaces the line by a summary. Later updates are ignored; a second call does nothing.
    package func finish() {
        state.withLock { state in
            guard !state.isFinished else { return }
            state.isFinished = true
            state.line.elapsed = .now - start
            output.write((output.terminal.isInteractive ? StandardError.clearLine : "") + state.line.summary + "\n")
        }
    }

    /// Prints a separate line above the bar.
    package func note(_ text: String) {
        state.withLock { state in
            let isDrawn = output.terminal.isInteractive && state.lastDrawn != nil && !state.isFinished
            output.write((isDrawn ? StandardError.clearLine : "") + text.safeForTerminal + "\n")
            if isDrawn { output.write(bar(state.line)) }
        }
    }

    private func bar(_ line: ProgressLine) -> String {
        line.bar(columns: output.terminal.columns, colour: output.terminal.usesColour)
    }

    private func draw(_ state: inout State) {
        let now = ContinuousClock.now
        state.line.elapsed = now - start
        if output.terminal.isInteractive {
            if let last = state.lastDrawn, now - last < .milliseconds(100) { return }
            state.lastDrawn = now
            output.write(StandardError.clearLine + bar(state.line))
        } else if state.throttle.shouldPrint(state.line) {
            output.write(state.line.plain + "\n")
        }
    }
}

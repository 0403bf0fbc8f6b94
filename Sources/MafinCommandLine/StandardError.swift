import Foundation
import MafinReport
import Synchronization

/// Standard error, for everything that is not a result: progress, notes, errors.
package enum StandardError {
    /// Goes to the start of the line and empties it.
    static let clearLine = "\r\u{1B}[2K"

    /// Whether the last line is not finished: it holds a progress bar.
    private static let isLineOpen = Atomic(false)

    /// Where lines go instead, where something takes them.
    private static let taker = Mutex<(@Sendable (String) -> Void)?>(nil)

    /// Gives all further lines to `take`: a service's log is JSON, and no other line may stand between.
    package static func redirectLines(to take: @escaping @Sendable (String) -> Void) { taker.withLock { $0 = take } }

    /// Writes a line of its own. A progress bar in the current line is erased, and comes back with its next update. Characters that steer the
    /// terminal are replaced: the text may hold the words of a server or of a document.
    package static func writeLine(_ text: String) {
        if let take = taker.withLock({ $0 }) { return take(text) }
        write((isLineOpen.load(ordering: .relaxed) ? clearLine : "") + text.safeForTerminal + "\n")
    }

    /// Writes a text at once, unbuffered.
    static func write(_ text: String) {
        if let last = text.utf8.last { isLineOpen.store(last != UInt8(ascii: "\n"), ordering: .relaxed) }
        // A closed standard error (`2>&-`) must not end a successful run.
        try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
    }
}

/// What a stream can show: whether it is a terminal, how wide, and whether colour is wanted.
struct Terminal: Sendable, Equatable {
    /// Whether lines can be rewritten in place.
    var isInteractive: Bool
    /// Columns in a line.
    var columns: Int
    /// Whether to use colour: on a terminal, unless `NO_COLOR` is set and not empty (no-color.org).
    var usesColour: Bool

    /// A file or pipe.
    static let none = Terminal(isInteractive: false, columns: 80, usesColour: false)

    /// The terminal behind standard error.
    static func standardError(environment: [String: String] = ProcessInfo.processInfo.environment) -> Terminal {
        guard isatty(STDERR_FILENO) == 1, environment["TERM"] != "dumb" else { return .none }
        var size = winsize()
        let known = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        return Terminal(
            isInteractive: true,
            columns: known ? Int(size.ws_col) : 80,
            usesColour: (environment["NO_COLOR"] ?? "").isEmpty)
    }
}

import Foundation
import MafinReport
import Synchronization

/// Standard error, for everything that is not a result: progress, notes, errors.
package enum StandardError {
    /// Moves to the start of the line and clears it.
    static let clearLine = "\r\u{1B}[2K"

    /// Whether the last line is unfinished because it shows a progress bar.
    private static let isLineOpen = Atomic(false)

    /// Gets all lines in place of standard error, if it is set.
    private static let taker = Mutex<(@Sendable (String) -> Void)?>(nil)

    /// Gives all further lines to `take`. A service needs this, because its log must have only lines of JSON.
    package static func redirectLines(to take: @escaping @Sendable (String) -> Void) { taker.withLock { $0 = take } }

    /// Writes a separate line. A progress bar in the current line is erased, and appears again with its next update. Characters that control the
    /// terminal are replaced, because the text may come from a server or a document.
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

/// The abilities of a stream: whether it is a terminal, how wide it is, and whether it uses colour.
struct Terminal: Sendable, Equatable {
    /// Whether lines can be rewritten in place.
    var isInteractive: Bool
    /// Number of columns in a line.
    var columns: Int
    /// Whether to use colour. It is used on a terminal, unless `NO_COLOR` is set and not empty (no-color.org).
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

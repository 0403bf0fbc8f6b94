/// How a command ended, as its exit status tells scripts. The numbers are those of sysexits(3), 128 + SIGINT, and 3 for a check
/// that failed.
enum CommandStatus: Int32, CaseIterable, Sendable {
    case success = 0
    /// A condition of `mafin compare --fail-if` holds; everything was done and written.
    case conditionMet = 3
    /// A wrong flag or argument; also argument-parser's own number for it.
    case usage = 64
    /// An input that is missing, malformed or does not fit another.
    case data = 65
    /// A server that cannot be reached, or refuses.
    case network = 69
    /// A fault of mafin itself, or of the machine (no memory, disk full).
    case failure = 70
    /// Ended by Ctrl-C or SIGTERM; what is needed to resume was written.
    case interrupted = 130

    /// What the status means, in a few words for `--help`.
    var meaning: String {
        switch self {
        case .success: "success"
        case .conditionMet: "a condition of 'mafin compare --fail-if' holds; the report is written"
        case .usage: "wrong flags or arguments"
        case .data: "an input is missing, malformed or does not fit another"
        case .network: "a server cannot be reached, or refuses"
        case .failure: "a fault of mafin or of the machine"
        case .interrupted: "ended by Ctrl-C or SIGTERM, in a state that can be resumed"
        }
    }

    /// One line for each status: number, meaning.
    static var table: String {
        allCases.map { status in
            let number = String(status.rawValue)
            return "  " + String(repeating: " ", count: 3 - number.utf8.count) + number + "  " + status.meaning
        }
        .joined(separator: "\n")
    }
}

/// An error that knows how the command should end. The error types of mafin's modules conform in
/// `CommandStatus+Modules.swift`; all others count as ``CommandStatus/failure``, except those of the file system.
protocol CommandStatusProviding: Error {
    var commandStatus: CommandStatus { get }
}

/// The exit status of a command. Most numbers are those of sysexits(3); 130 is 128 + SIGINT.
package enum CommandStatus: Int32, CaseIterable, Sendable {
    case success = 0
    /// A condition of `mafin compare --fail-if` holds. The comparison is done and its report is written.
    case conditionMet = 3
    /// A limit of money or requests was reached.
    case budget = 4
    /// A wrong flag or argument. ArgumentParser uses the same number.
    case usage = 64
    /// An input that is missing, malformed or does not fit another.
    case data = 65
    /// A server that cannot be reached, or refuses.
    case network = 69
    /// A fault of mafin itself, or of the machine (no memory, disk full).
    case failure = 70
    /// Batches are pending. Nothing is wrong, but the work is not finished.
    case tryAgain = 75
    /// Ended by Ctrl-C or SIGTERM. The state that is needed to resume was written.
    case interrupted = 130

    /// What the status means, in a few words for `--help`.
    var meaning: String {
        switch self {
        case .success: "success"
        case .conditionMet: "a condition of 'mafin compare --fail-if' holds; the report is written"
        case .budget: "--max-cost, --max-requests or their --llm- forms are reached; what was paid for is kept"
        case .usage: "wrong flags or arguments"
        case .data: "an input is missing, malformed or does not fit another"
        case .network: "a server cannot be reached, or refuses"
        case .failure: "a fault of mafin or of the machine, such as a full disk"
        case .tryAgain: "not finished yet: batches are pending; run the same command later"
        case .interrupted: "ended by Ctrl-C or SIGTERM; the work can be resumed"
        }
    }

    /// The name in the JSON of an error.
    var name: String {
        switch self {
        case .success: "success"
        case .conditionMet: "condition-met"
        case .budget: "budget"
        case .usage: "usage"
        case .data: "data"
        case .network: "network"
        case .failure: "failure"
        case .tryAgain: "try-again"
        case .interrupted: "interrupted"
        }
    }

    /// One line for each status: number, meaning.
    package static var table: String {
        allCases.map { status in
            let number = String(status.rawValue)
            return "  " + String(repeating: " ", count: 3 - number.utf8.count) + number + "  " + status.meaning
        }
        .joined(separator: "\n")
    }
}

/// An error with an exit status. ``CommandStatus/init(of:)`` has the statuses of the errors of the modules below this one. Errors of
/// other modules conform to this. All other errors count as ``CommandStatus/failure``, except those of the file system.
package protocol CommandStatusProviding: Error {
    var commandStatus: CommandStatus { get }
    /// The message for the user.
    var commandMessage: String { get }
}

extension CommandStatusProviding {
    package var commandMessage: String { String(describing: self) }
}

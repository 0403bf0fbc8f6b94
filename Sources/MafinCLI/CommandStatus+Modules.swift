import MafinNumerics
import MafinRetrieval

// How a command ends on each module's errors. A module that is added here needs one conformance.

extension NumericsError: CommandStatusProviding {
    var commandStatus: CommandStatus { .data }
}

extension RetrievalError: CommandStatusProviding {
    var commandStatus: CommandStatus {
        switch self {
        case .unknownMetric: .usage
        default: .data
        }
    }
}

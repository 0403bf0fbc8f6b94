import Foundation
import MafinBlackBox
import MafinComparison
import MafinEncoder
import MafinGeneration
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinProviders
import MafinReport
import MafinRetrieval
import MafinServer
import MafinText
import MafinWorkflows

// How a command ends on each module's errors. A module that is added here needs one conformance.

extension NumericsError: CommandStatusProviding {
    var commandStatus: CommandStatus {
        switch self {
        case .file(_, let reason) where [ENOSPC, EDQUOT].contains { reason == String(cString: strerror($0)) }: .failure
        default: .data
        }
    }
}

extension TokenizerError: CommandStatusProviding {
    var commandStatus: CommandStatus { .data }
}

extension EncoderError: CommandStatusProviding {
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

extension BlackBoxError: CommandStatusProviding {
    var commandStatus: CommandStatus {
        switch self {
        case .badSpecification: .usage
        default: .data
        }
    }
}

extension ProviderError: CommandStatusProviding {
    var commandStatus: CommandStatus {
        switch self {
        case .batchPending: return .tryAgain
        case .overBudget: return .budget
        case .cacheFull: return .failure
        default: break
        }
        return switch category {
        case .usage: .usage
        case .data: .data
        case .network: .network
        }
    }
}

extension GenerationError: CommandStatusProviding {
    var commandStatus: CommandStatus {
        switch self {
        case .badMix: .usage
        default: .data
        }
    }
}

extension CombinationError: CommandStatusProviding {
    var commandStatus: CommandStatus { .data }
}

extension CalibrationError: CommandStatusProviding {
    var commandStatus: CommandStatus { .data }
}

extension TrainingError: CommandStatusProviding {
    var commandStatus: CommandStatus {
        switch self {
        case .option: .usage
        case .notFinite: .failure
        case .size, .unknownDocument, .badQuery, .noQueries, .checkpoint: .data
        }
    }
}

extension ArtefactError: CommandStatusProviding {
    var commandStatus: CommandStatus {
        switch self {
        // The folder to write to is the wrong one; nothing is wrong with what lies in it.
        case .occupied: .usage
        case .incompleteEncoder: .failure
        default: .data
        }
    }
}

extension ReportError: CommandStatusProviding {
    var commandStatus: CommandStatus { .data }
}

extension ComparisonError: CommandStatusProviding {
    var commandStatus: CommandStatus {
        switch self {
        case .occupied, .differs: .usage
        case .damaged: .data
        }
    }
}

extension IndexError: CommandStatusProviding {
    var commandStatus: CommandStatus {
        switch self {
        // The folder to write to is the wrong one; nothing is wrong with what lies in it.
        case .occupied: .usage
        default: .data
        }
    }
}

extension KeyError: CommandStatusProviding {
    var commandStatus: CommandStatus { .usage }
}

extension WorkflowError: CommandStatusProviding {
    var commandStatus: CommandStatus { isWrongUse ? .usage : .data }
}

extension NameError: CommandStatusProviding {
    var commandStatus: CommandStatus { .usage }
}

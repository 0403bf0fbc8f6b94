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

extension CommandStatus {
    /// How a command ends on an error of one of mafin's modules; nil for any other error. What is not singled out is a fault of the data. A module
    /// that is added needs its errors here.
    init?(of error: any Error) {
        switch error {
        case let error as any CommandStatusProviding: self = error.commandStatus
        case NumericsError.file(_, let reason)
        where [ENOSPC, EDQUOT].contains { reason == String(cString: strerror($0)) }:
            self = .failure
        case TrainingError.notFinite, ArtefactError.incompleteEncoder, ProviderError.cacheFull: self = .failure
        // The folder to write to is the wrong one; nothing is wrong with what lies in it.
        case ArtefactError.occupied, IndexError.occupied, ComparisonError.occupied: self = .usage
        case RetrievalError.unknownMetric, BlackBoxError.badSpecification, GenerationError.badMix,
            TrainingError.option, ComparisonError.differs, is KeyError, is NameError:
            self = .usage
        case let error as WorkflowError: self = error.isWrongUse ? .usage : .data
        case ProviderError.batchPending: self = .tryAgain
        case ProviderError.overBudget: self = .budget
        case let error as ProviderError:
            switch error.category {
            case .usage: self = .usage
            case .data: self = .data
            case .network: self = .network
            }
        case is NumericsError, is TokenizerError, is EncoderError, is RetrievalError, is BlackBoxError,
            is GenerationError, is CombinationError, is CalibrationError, is TrainingError, is ArtefactError,
            is ReportError, is ComparisonError, is IndexError:
            self = .data
        default: return nil
        }
    }
}

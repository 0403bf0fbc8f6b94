import Foundation
import MafinBlackBox
import MafinComparison
import MafinEncoder
import MafinImages
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinReport
import MafinRetrieval
import MafinText
import MafinWorkflows

extension CommandStatus {
    /// The status of an error of one of mafin's modules; nil for any other error. Errors that are not listed one by one are faults of the data. The
    /// errors of a new module must be added here, or conform to ``CommandStatusProviding``.
    init?(of error: any Error) {
        switch error {
        case NumericsError.file(_, let reason)
        where [ENOSPC, EDQUOT].contains { reason == String(cString: strerror($0)) }:
            self = .failure
        // A flag or a variable names it.
        case NumericsError.instructionSet: self = .usage
        case TrainingError.notFinite, ArtefactError.incompleteEncoder: self = .failure
        // The folder to write to is the wrong one. Its content is not at fault.
        case ArtefactError.occupied, ComparisonError.occupied, IndexError.occupied: self = .usage
        case RetrievalError.unknownMetric, BlackBoxError.badSpecification, TrainingError.option,
            ComparisonError.differs, is NameError, is ModelError:
            self = .usage
        case let error as WorkflowError: self = error.isWrongUse ? .usage : .data
        case is NumericsError, is ImageError, is TokenizerError, is EncoderError, is RetrievalError, is BlackBoxError,
            is CombinationError, is CalibrationError, is TrainingError, is ArtefactError, is IndexError,
            is ReportError, is ComparisonError:
            self = .data
        default: return nil
        }
    }
}

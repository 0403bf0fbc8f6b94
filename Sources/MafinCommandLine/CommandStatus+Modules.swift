import Foundation
import MafinBlackBox
import MafinComparison
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinReport
import MafinRetrieval
import MafinText
import MafinWorkflows

extension CommandStatus {
    /// How a command ends on an error of one of mafin's modules; nil for any other error. What is not singled out is a fault of the data. A module
    /// that is added needs its errors here, or lets them conform to ``CommandStatusProviding``.
    init?(of error: any Error) {
        switch error {
        case NumericsError.file(_, let reason)
        where [ENOSPC, EDQUOT].contains { reason == String(cString: strerror($0)) }:
            self = .failure
        case TrainingError.notFinite, ArtefactError.incompleteEncoder: self = .failure
        // The folder to write to is the wrong one; nothing is wrong with what lies in it.
        case ArtefactError.occupied, ComparisonError.occupied: self = .usage
        case RetrievalError.unknownMetric, BlackBoxError.badSpecification, TrainingError.option,
            ComparisonError.differs, is NameError, is ModelError:
            self = .usage
        case let error as WorkflowError: self = error.isWrongUse ? .usage : .data
        case is NumericsError, is TokenizerError, is EncoderError, is RetrievalError, is BlackBoxError,
            is CombinationError, is CalibrationError, is TrainingError, is ArtefactError, is ReportError,
            is ComparisonError:
            self = .data
        default: return nil
        }
    }
}

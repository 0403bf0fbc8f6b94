import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval
import MafinText
import MafinWorkflows
import Testing

@testable import MafinCommandLine

@Suite struct CommandStatusTests {
    /// One error of each kind of each module.
    private static let errors: [(any Error & CustomStringConvertible, CommandStatus)] = [
        (NumericsError.file(path: "a.npy", reason: "too short"), .data),
        (
            NumericsError.instructionSet(
                source: "--instruction-set", name: "x", available: ["portable"], isKnown: false), .usage
        ),
        (TokenizerError.noTokenizer(folder: "m"), .data),
        (EncoderError.file(path: "config.json", reason: "cannot be read"), .data),
        (RetrievalError.unknownMetric(name: "x"), .usage),
        (RetrievalError.missingFile(path: "corpus.jsonl", expected: "documents"), .data),
        (BlackBoxError.badSpecification("x", reason: "no colon"), .usage),
        (BlackBoxError.missingRole(path: "v", role: .query), .data),
        (NumericsError.file(path: "a.npy", reason: String(cString: strerror(ENOSPC))), .failure),
        (WorkflowError.nothingToResume(path: "ART"), .usage),
        (WorkflowError.tooFewQueries(dev: 1, split: "test", measured: 0), .data),
        (ModelError.notFound(name: "m", reason: "not here"), .usage),
        (NameError("metric", "x", known: ["MAP"]), .usage),
        (CombinationError.rowCount(blackBox: 1, local: 2), .data),
        (CalibrationError.noLabelledRow(rows: 3), .data),
        (TrainingError.option(name: "learningRate", expected: "above 0", found: "0"), .usage),
        (TrainingError.noQueries(list: "train", reason: "none is judged"), .data),
        (TrainingError.notFinite(what: "loss", step: 3, value: .nan), .failure),
        (ArtefactError.notAnArtefact(path: "ART"), .data),
        (ArtefactError.occupied(path: "ART"), .usage),
        (ArtefactError.incompleteEncoder(path: "ART", missing: "weights"), .failure),
    ]

    @Test(arguments: errors.indices)
    func modulesErrorsEndCommandsByTheirKind(index: Int) {
        let (error, status) = Self.errors[index]
        #expect(ErrorReport(error) == ErrorReport(Reported(message: error.description, status: status)))
    }

    private struct Reported: CommandStatusProviding, CustomStringConvertible {
        var message: String
        var status: CommandStatus
        var commandStatus: CommandStatus { status }
        var description: String { message }
    }
}

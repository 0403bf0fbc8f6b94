import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinProviders
import MafinRetrieval
import MafinText
import MafinWorkflows
import Testing

@testable import MafinCLI

@Suite struct CommandStatusTests {
    /// An error of each kind that each module has.
    private static let errors: [(any Error & CustomStringConvertible, CommandStatus)] = [
        (NumericsError.file(path: "a.npy", reason: "too short"), .data),
        (TokenizerError.noTokenizer(folder: "m"), .data),
        (EncoderError.file(path: "config.json", reason: "cannot be read"), .data),
        (RetrievalError.unknownMetric(name: "x"), .usage),
        (RetrievalError.missingFile(path: "corpus.jsonl", expected: "documents"), .data),
        (BlackBoxError.badSpecification("x", reason: "no colon"), .usage),
        (BlackBoxError.missingRole(path: "v", role: .query), .data),
        (ProviderError.badKey(source: "file", reason: "is empty"), .usage),
        (ProviderError.modelNotFound(name: "m", reason: "not here"), .usage),
        (ProviderError.cacheFull(path: "c.sqlite"), .failure),
        (ProviderError.batchPending(jobs: ["b1"], texts: 3), .tryAgain),
        (ProviderError.overBudget(endpoint: "http://x", reason: "5 is allowed"), .budget),
        (NumericsError.file(path: "a.npy", reason: String(cString: strerror(ENOSPC))), .failure),
        (WorkflowError.nothingToResume(path: "ART"), .usage),
        (WorkflowError.tooFewQueries(dev: 1, split: "test", measured: 0), .data),
        (NameError("metric", "x", known: ["MAP"]), .usage),
        (ProviderError.unavailable(endpoint: "http://x", attempts: 8, reason: "503"), .network),
        (ProviderError.refused(endpoint: "http://x", status: 401, message: "who are you"), .network),
        (
            ProviderError.hubUnavailable(repository: "a/b", endpoint: "http://x", attempts: 2, reason: "refused"),
            .network
        ),
        (CombinationError.rowCount(blackBox: 1, local: 2), .data),
        (CalibrationError.noLabelledRow(rows: 3), .data),
        (TrainingError.option(name: "learningRate", expected: "above 0", found: "0"), .usage),
        (TrainingError.noQueries(list: "train", reason: "none is judged"), .data),
        (TrainingError.notFinite(what: "loss", step: 3, value: .nan), .failure),
        (ArtefactError.notAnArtefact(path: "ART"), .data),
        (ArtefactError.occupied(path: "ART"), .usage),
        (ArtefactError.incompleteEncoder(path: "ART", missing: "weights"), .failure),
        (ProviderError.missingKey(endpoint: "http://x", variable: "KEY"), .usage),
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

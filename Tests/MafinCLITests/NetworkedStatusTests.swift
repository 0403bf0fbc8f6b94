import MafinGeneration
import MafinPipeline
import MafinProviders
import MafinServer
import Testing

@testable import MafinCLI
@testable import MafinCommandLine

@Suite struct NetworkedStatusTests {
    /// One error of each kind of the modules that the demo does not use.
    private static let errors: [(any Error & CustomStringConvertible, CommandStatus)] = [
        (ProviderError.badKey(source: "file", reason: "is empty"), .usage),
        (ProviderError.cacheFull(path: "c.sqlite"), .failure),
        (ProviderError.batchPending(jobs: ["b1"], texts: 3), .tryAgain),
        (ProviderError.overBudget(endpoint: "http://x", reason: "5 is allowed"), .budget),
        (ProviderError.unavailable(endpoint: "http://x", attempts: 8, reason: "503"), .network),
        (ProviderError.refused(endpoint: "http://x", status: 401, message: "who are you"), .network),
        (
            ProviderError.hubUnavailable(repository: "a/b", endpoint: "http://x", attempts: 2, reason: "refused"),
            .network
        ),
        (GenerationError.badMix("x"), .usage),
        (GenerationError.badExamples(path: "e.txt", reason: "it holds no query"), .data),
        (KeyError.unreadable(path: "keys"), .usage),
        (IndexError.occupied(path: "INDEX"), .usage),
        (IndexError.notAnIndex(path: "INDEX"), .data),
        (ProviderError.missingKey(endpoint: "http://x", variable: "KEY"), .usage),
    ]

    @Test(arguments: errors.indices)
    func errorsEndCommandsByTheirKind(index: Int) {
        let (error, status) = Self.errors[index]
        let report = ErrorReport(error)
        #expect(report.message == error.description && report.status == status)
    }

    @Test func aMisspeltProviderGetsASuggestion() {
        let report = ErrorReport(ProviderError.unknownProvider("opnai", known: ["openai"]))
        #expect(report.message == "there is no provider 'opnai'; did you mean 'openai'? known: openai")
        #expect(report.status == .usage)
    }
}

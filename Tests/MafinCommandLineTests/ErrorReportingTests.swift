import ArgumentParser
import Foundation
import MafinNumerics
import MafinRetrieval
import Testing

@testable import MafinCommandLine

@Suite struct ErrorReportingTests {
    private struct Unreachable: CommandStatusProviding, CustomStringConvertible {
        var commandStatus: CommandStatus { .network }
        var description: String { "api.example: connection refused\n  after 3 tries" }
    }

    private struct Unknown: Error, CustomStringConvertible {
        var description: String { "something odd" }
    }

    @Test func errorsMapToStatuses() {
        #expect(ErrorReport(Unreachable()).status == .network)
        #expect(ErrorReport(CancellationError()).status == .interrupted)
        #expect(ErrorReport(Unknown()).status == .failure)
    }

    @Test func messageIsOneLine() {
        #expect(ErrorReport(Unreachable()).message == "api.example: connection refused after 3 tries")
    }

    @Test func missingFileIsADataErrorThatNamesThePath() throws {
        let error = try #require(throws: (any Error).self) {
            try String(contentsOf: URL(filePath: "/nonexistent/corpus.jsonl"), encoding: .utf8)
        }
        let report = ErrorReport(error)
        #expect(report.status == .data)
        #expect(report.message == "/nonexistent/corpus.jsonl: no such file or folder")
    }

    @Test func faultyJSONIsADataErrorThatSaysWhere() throws {
        struct Manifest: Decodable {
            struct Half: Decodable { var dimension: Int }
            var halves: [Half]
        }
        func report(_ json: String) throws -> ErrorReport {
            ErrorReport(
                try #require(throws: (any Error).self) {
                    try JSONDecoder().decode(Manifest.self, from: Data(json.utf8))
                })
        }
        #expect(try report(#"{"halves": [{}]}"#) == report(#"{"halves": [{"width": 1}]}"#))
        #expect(try report(#"{"halves": [{}]}"#).message == #"the field "halves.0.dimension" is missing"#)
        #expect(try report(#"{"halves": [{"dimension": "x"}]}"#).message.hasPrefix("halves.0.dimension: "))
        #expect(try report("{").status == .data)
    }

    @Test func moduleErrorsMapToStatuses() {
        #expect(ErrorReport(RetrievalError.unknownMetric(name: "x")).status == .usage)
        let malformed = RetrievalError.invalidGrade(path: "test.tsv", line: 3, found: "x")
        #expect(ErrorReport(malformed).status == .data)
        #expect(ErrorReport(malformed).message == malformed.description)
        #expect(ErrorReport(NumericsError.file(path: "a.npy", reason: "too short")).status == .data)
    }

    @Test func processEndsWithOneLineAndTheStatus() async throws {
        let result = try #require(
            await #expect(
                processExitsWith: .exitCode(69), observing: [\.standardErrorContent, \.standardOutputContent]
            ) {
                DemoCommand.exitReporting(Unreachable())
            })
        let text = String(decoding: result.standardErrorContent, as: UTF8.self)
        #expect(text.contains("error: api.example: connection refused after 3 tries\n"))
    }

    private struct Coloured: Error, CustomStringConvertible {
        var description: String { "the server said \u{1B}[31mno\u{9B}2J" }
    }

    /// Text from a server cannot control the terminal.
    @Test func escapeSequencesDoNotReachTheTerminal() async throws {
        let result = try #require(
            await #expect(processExitsWith: .exitCode(70), observing: [\.standardErrorContent]) {
                DemoCommand.exitReporting(Coloured())
            })
        let text = String(decoding: result.standardErrorContent, as: UTF8.self)
        #expect(text.contains("error: the server said \u{FFFD}[31mno\u{FFFD}2J\n"), "\(text)")
    }

    @Test func usageErrorsEndWith64() async {
        await #expect(processExitsWith: .exitCode(64)) {
            do {
                _ = try DemoCommand.parseAsRoot(["--threads", "0"])
            } catch {
                DemoCommand.exitReportingUsage(error)
            }
        }
    }

    @Test func exitCodesPassThrough() async {
        await #expect(processExitsWith: .exitCode(3)) { DemoCommand.exitReporting(ExitCode(3)) }
        await #expect(processExitsWith: .success) { DemoCommand.exitReporting(CleanExit.message("done")) }
    }
}

@Suite struct InterruptionTests {
    /// Signals the whole process, as a terminal does, and waits up to ten seconds for the effect.
    private static func interrupt(with number: Int32) {
        kill(getpid(), number)
        for _ in 0..<1000 where !Interruption.isRequested { usleep(10_000) }
    }

    @Test func firstSignalAsks() async throws {
        let result = try #require(
            await #expect(processExitsWith: .exitCode(7), observing: [\.standardErrorContent]) {
                Interruption.install()
                precondition(!Interruption.isRequested)
                Self.interrupt(with: SIGINT)
                exit(Interruption.isRequested ? 7 : 1)
            })
        #expect(String(decoding: result.standardErrorContent, as: UTF8.self).contains("press Ctrl-C again"))
    }

    @Test func waitingWorkIsCancelled() async {
        await #expect(processExitsWith: .exitCode(7)) {
            Interruption.install()
            let task = Task {
                try await Interruption.cancelling { try await Task.sleep(for: .seconds(60)) }
            }
            Self.interrupt(with: SIGINT)
            if case .failure(is CancellationError) = await task.result { exit(7) }
            exit(1)
        }
    }

    @Test func secondSignalEndsAtOnce() async {
        await #expect(processExitsWith: .exitCode(130)) {
            Interruption.install()
            Self.interrupt(with: SIGTERM)
            kill(getpid(), SIGINT)
            sleep(10)
            exit(1)
        }
    }
}

@Suite struct SharedOptionsTests {
    @Test func threadsComeFromFlagThenEnvironment() throws {
        #expect(try ComputingOptions.parse(["--threads", "3"]).threadCount(environment: ["MAFIN_THREADS": "5"]) == 3)
        #expect(try ComputingOptions.parse([]).threadCount(environment: ["MAFIN_THREADS": "5"]) == 5)
        #expect(try ComputingOptions.parse([]).threadCount(environment: [:]) == nil)
    }

    @Test(arguments: ["0", "-1", "two", "1.5"])
    func faultyThreadCountsAreRefused(_ text: String) throws {
        #expect(throws: (any Error).self) { try ComputingOptions.parse(["--threads=\(text)"]) }
        let options = try ComputingOptions.parse([])
        #expect(throws: ValidationError.self) { try options.threadCount(environment: ["MAFIN_THREADS": text]) }
    }

    @Test func jsonIsSortedAndRefusesWhatItCannotHold() throws {
        #expect(try JSONOutput.text(of: ["b": 2, "a": 1]) == "{\n  \"a\" : 1,\n  \"b\" : 2\n}")
        #expect(try JSONOutput.text(of: ["p/q"]).contains("p/q"))
        #expect(throws: EncodingError.self) { try JSONOutput.text(of: [Double.nan]) }
    }
}

@Suite struct TerminalTests {
    @Test func dumbTerminalsAndPipesAreNotRewritten() {
        #expect(Terminal.standardError(environment: ["TERM": "dumb"]) == .none)
    }
}

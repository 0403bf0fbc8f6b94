import Foundation
import MafinTestSupport
import Synchronization

/// The built program, run as a user runs it.
enum Program {
    /// What a run left behind.
    struct Outcome: Sendable {
        var status: Int32
        var output: String
        var error: String
    }

    /// Where it was built: beside the bundle of tests.
    static let url: URL? = {
        let bundles = Bundle.allBundles.map(\.bundleURL).filter { $0.pathExtension == "xctest" }
        let runner = URL(fileURLWithPath: CommandLine.arguments.first ?? "")
        return (bundles + [runner]).map { $0.deletingLastPathComponent().appendingPathComponent("mafin") }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    }()

    static let skipMessage = "the program mafin was not built beside the tests"

    /// Runs it to its end; see ``start(_:in:environment:)``.
    static func run(
        _ arguments: [String], in folder: TemporaryFolder, environment: [String: String] = [:]
    ) async throws -> Outcome {
        try await start(arguments, in: folder, environment: environment).outcome()
    }

    /// Starts it with an environment of nothing but `environment`, `PATH`, a home folder and where libraries lie.
    static func start(
        _ arguments: [String], in folder: TemporaryFolder, environment: [String: String] = [:]
    ) throws -> Running {
        var variables = ProcessInfo.processInfo.environment.filter { ["PATH", "LD_LIBRARY_PATH"].contains($0.key) }
        variables["HOME"] = folder.url.path
        return try Running(arguments, in: folder, environment: variables.merging(environment) { _, given in given })
    }

    /// A run that goes on.
    final class Running: Sendable {
        private let process: UncheckedProcess
        private let output: URL
        private let error: URL
        private let end = Mutex((status: Int32?.none, waiting: CheckedContinuation<Int32, Never>?.none))

        /// `Process` is not marked as sendable; it is started once, and only asked for its number after that.
        private struct UncheckedProcess: @unchecked Sendable { let value = Process() }

        fileprivate init(_ arguments: [String], in folder: TemporaryFolder, environment: [String: String]) throws {
            process = UncheckedProcess()
            // Files, since a pipe that nobody empties stops the program.
            output = try folder.write("", to: ".outcome-output-\(UUID().uuidString)")
            error = try folder.write("", to: ".outcome-error-\(UUID().uuidString)")
            let process = process.value
            process.executableURL = Program.url
            process.arguments = arguments
            process.currentDirectoryURL = folder.url
            process.environment = environment
            process.standardOutput = try FileHandle(forWritingTo: output)
            process.standardError = try FileHandle(forWritingTo: error)
            process.standardInput = FileHandle.nullDevice
            process.terminationHandler = { [weak self] in self?.ended($0.terminationStatus) }
            try process.run()
        }

        /// What it has written to standard error so far.
        var errorSoFar: String { (try? String(contentsOf: error, encoding: .utf8)) ?? "" }

        /// Number of the process.
        var identifier: Int32 { process.value.processIdentifier }

        /// Whether it has ended.
        var hasEnded: Bool { end.withLock { $0.status != nil } }

        /// Waits until standard error holds `text`; false where the run ends before.
        func says(_ text: String) async throws -> Bool {
            while !errorSoFar.contains(text) {
                if hasEnded { return errorSoFar.contains(text) }
                try await Task.sleep(for: .milliseconds(2))
            }
            return true
        }

        /// Sends a signal.
        func signal(_ number: Int32) { kill(identifier, number) }

        /// Waits for the end. To be called once.
        func outcome() async throws -> Outcome {
            let status = await withCheckedContinuation { continuation in
                let status = end.withLock { end in
                    if end.status == nil { end.waiting = continuation }
                    return end.status
                }
                if let status { continuation.resume(returning: status) }
            }
            return Outcome(
                status: status, output: try String(contentsOf: output, encoding: .utf8),
                error: try String(contentsOf: error, encoding: .utf8))
        }

        private func ended(_ status: Int32) {
            let waiting = end.withLock { end in
                end.status = status
                return end.waiting
            }
            waiting?.resume(returning: status)
        }
    }
}

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

    /// Runs it with an environment of nothing but `environment`, `PATH`, a home folder and where libraries lie.
    static func run(
        _ arguments: [String], in folder: TemporaryFolder, environment: [String: String] = [:]
    ) async throws -> Outcome {
        let process = Process()
        process.executableURL = url
        process.arguments = arguments
        process.currentDirectoryURL = folder.url
        var variables = ProcessInfo.processInfo.environment.filter { ["PATH", "LD_LIBRARY_PATH"].contains($0.key) }
        variables["HOME"] = folder.url.path
        process.environment = variables.merging(environment) { _, given in given }
        // Files, since a pipe that nobody empties stops the program.
        func file(_ name: String) throws -> (URL, FileHandle) {
            let url = try folder.write("", to: ".outcome-\(name)-\(UUID().uuidString)")
            return (url, try FileHandle(forWritingTo: url))
        }
        let (output, outputHandle) = try file("output")
        let (error, errorHandle) = try file("error")
        process.standardOutput = outputHandle
        process.standardError = errorHandle
        process.standardInput = FileHandle.nullDevice
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            process.terminationHandler = { _ in continuation.resume() }
            do {
                try process.run()
            } catch {
                process.terminationHandler = nil
                continuation.resume(throwing: error)
            }
        }
        return Outcome(
            status: process.terminationStatus, output: try String(contentsOf: output, encoding: .utf8),
            error: try String(contentsOf: error, encoding: .utf8))
    }
}

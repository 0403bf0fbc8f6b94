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
        // Not the encoder that the checkout holds.
        variables["MAFIN_MODELS"] = ""
        return try Running(arguments, in: folder, environment: variables.merging(environment) { _, given in given })
    }

    /// A run that goes on.
    final class Running: Sendable {
        private let process: UncheckedProcess
        private let output: URL
        private let error: URL
        private let end = Mutex(End())

        private struct End {
            var status: Int32?
            var waiting: CheckedContinuation<Void, Never>?
        }

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

        /// Sends a signal as soon as standard error, given as far as it is written, is what `condition` waits for.
        ///
        /// A thread of its own looks for it: the tests' tasks may wait for seconds while others compute.
        func signal(_ number: Int32, when condition: @escaping @Sendable (String) -> Bool) {
            let run = self
            Thread.detachNewThread {
                while !run.hasEnded {
                    if condition(run.errorSoFar) {
                        kill(run.identifier, number)
                        return
                    }
                    usleep(2000)
                }
            }
        }

        /// Looks at its memory until it ends; a thread of its own, as for signals.
        /// - Returns: what tells the largest amount that was seen, in bytes; nil where the system does not tell.
        func watchMemory() -> @Sendable () -> Int? {
            final class Peak: Sendable { let bytes = Mutex(Int?.none) }
            let (run, peak) = (self, Peak())
            Thread.detachNewThread {
                while !run.hasEnded {
                    if let bytes = Self.largestMemory(of: run.identifier) { peak.bytes.withLock { $0 = bytes } }
                    usleep(2000)
                }
            }
            return { peak.bytes.withLock { $0 } }
        }

        /// The largest memory that a process has had so far, where the system tells (Linux).
        private static func largestMemory(of process: Int32) -> Int? {
            guard let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8),
                let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
                let kibibytes = Int(line.split(whereSeparator: \.isWhitespace)[1])
            else { return nil }
            return kibibytes << 10
        }

        /// Waits for the end. To be called once.
        func outcome() async throws -> Outcome {
            await withCheckedContinuation { continuation in
                let hasEnded = end.withLock { end in
                    if end.status == nil { end.waiting = continuation }
                    return end.status != nil
                }
                if hasEnded { continuation.resume() }
            }
            return Outcome(
                status: end.withLock { $0.status ?? -1 }, output: try String(contentsOf: output, encoding: .utf8),
                error: try String(contentsOf: error, encoding: .utf8))
        }

        private func ended(_ status: Int32) {
            let waiting = end.withLock { end in
                end.status = status
                return end.waiting
            }
            waiting?.resume()
        }
    }
}

import Foundation

/// The Python of the comparison tools, if it is installed.
enum Python {
    /// A Python that has `huggingface_hub`: at `MAFIN_PYTHON`, or in the environment that the benchmarks set up.
    static let path: String? = {
        let environment = ProcessInfo.processInfo.environment
        let candidates = [
            environment["MAFIN_PYTHON"], environment["HOME"].map { $0 + "/.cache/mafin-peers/venv/bin/python" },
        ]
        let check = "import importlib.util as u, sys; sys.exit(0 if u.find_spec('huggingface_hub') else 1)"
        return candidates.compactMap { $0 }.first { python in
            FileManager.default.isExecutableFile(atPath: python) && (try? runBlocking(python, ["-c", check])) != nil
        }
    }()

    struct Failure: Error { let output: String }

    /// The standard output of a run. It uses a thread of its own, because Python takes seconds to start and a test must
    /// not block the others.
    static func run(_ python: String, _ arguments: [String]) async throws -> String {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(with: Result { try runBlocking(python, arguments) })
            }
        }
    }

    private static func runBlocking(_ python: String, _ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: python)
        process.arguments = arguments
        var environment = ProcessInfo.processInfo.environment
        environment["HF_HUB_DISABLE_TELEMETRY"] = "1"
        environment["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
        environment.removeValue(forKey: "HF_HUB_OFFLINE")
        process.environment = environment
        let output = Pipe()
        let errors = Pipe()
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        let complaint = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure(output: String(decoding: complaint, as: UTF8.self)) }
        return String(decoding: data, as: UTF8.self)
    }
}

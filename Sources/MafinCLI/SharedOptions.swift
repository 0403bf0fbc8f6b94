import ArgumentParser
import Foundation
import Logging
import MafinNumerics
import MafinRetrieval

/// The flags that every command has.
struct SharedOptions: ParsableArguments {
    @Flag(help: "Print the result as JSON on standard output instead of a table.")
    var json = false

    @Flag(name: .shortAndLong, help: "No progress and no notes on standard error; warnings and errors still appear.")
    var quiet = false

    @Option(
        help: ArgumentHelp(
            "Threads to compute with (default: one a core; also read from MAFIN_THREADS). Results differ between thread counts only by rounding.",
            valueName: "n"))
    var threads: Int?

    func validate() throws {
        if let threads, threads < 1 {
            throw ValidationError("--threads must be at least 1, found \(threads).")
        }
    }

    /// The threads asked for by flag, else by `MAFIN_THREADS`, else nil: one a core.
    /// - Throws: `ValidationError` if the variable holds no positive number.
    func threadCount(environment: [String: String] = ProcessInfo.processInfo.environment) throws -> Int? {
        if let threads { return threads }
        guard let text = environment["MAFIN_THREADS"], !text.isEmpty else { return nil }
        guard let count = Int(text), count >= 1 else {
            throw ValidationError("MAFIN_THREADS must be a number of at least 1, found '\(text)'.")
        }
        return count
    }

    /// Sets the number of threads of every parallel loop of the process; the first thing that a command's `run` does.
    func apply() throws {
        if let count = try threadCount() { Parallelism.threads = count }
    }

    /// Says something to the person at the terminal, unless `--quiet`.
    func note(_ text: String) {
        if !quiet { StandardError.writeLine(text) }
    }

    /// Says something that may spoil the result, `--quiet` or not.
    func warn(_ text: String) {
        StandardError.writeLine("warning: \(text)")
    }

    /// Says what was noticed in a collection that is no error: the first few, and how many more there are.
    func warn(of warnings: [CollectionWarning]) {
        let shown = 5
        for warning in warnings.prefix(shown) { warn("\(warning)") }
        if warnings.count > shown { warn("… and \(warnings.count - shown) more of that kind in the collection") }
    }

    /// Where progress goes.
    var progressOutput: ProgressBar.Output { quiet ? .silent : .standardError() }

    /// What the modules have to say (retries, waiting, damaged entries), as notes; under `--quiet` nothing but errors.
    var logger: Logger {
        Logger(label: "mafin") { _ in NoteLogHandler(logLevel: quiet ? .error : .notice) }
    }

    /// A progress bar on standard error, silent under `--quiet`.
    func progressBar(_ title: String, total: Int, unit: String) -> ProgressBar {
        ProgressBar(title: title, total: total, unit: unit, output: progressOutput)
    }
}

/// JSON on standard output, as `--json` promises it: keys sorted, one value, a newline at its end.
enum JSONOutput {
    /// The text that ``print(_:)`` prints.
    /// - Throws: `EncodingError` if a number is not finite, which JSON cannot hold.
    static func text(of value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    static func print(_ value: some Encodable) throws {
        Swift.print(try text(of: value))
    }
}

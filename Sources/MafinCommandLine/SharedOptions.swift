import ArgumentParser
import Foundation
import Logging
import MafinNumerics
import MafinWorkflows

/// The flag that every command has, and a command's messages at the terminal.
package struct SharedOptions: ParsableArguments {
    package init() {}

    @Flag(name: .shortAndLong, help: "Show no progress and no notes. Warnings and errors still appear.")
    package var quiet = false

    /// Writes a note to the terminal, unless `--quiet`.
    package func note(_ text: String) {
        if !quiet { StandardError.writeLine(text) }
    }

    /// Warns of something that may spoil the result, also with `--quiet`.
    package func warn(_ text: String) {
        StandardError.writeLine("warning: \(text)")
    }

    /// The output for progress.
    package var progressOutput: ProgressBar.Output { quiet ? .silent : .standardError() }

    /// Writes the modules' log messages (retries, waiting, damaged entries) as notes. With `--quiet` only errors.
    package var logger: Logger {
        Logger(label: "mafin") { _ in NoteLogHandler(logLevel: quiet ? .error : .notice) }
    }

    /// A progress bar on standard error, silent with `--quiet`.
    package func progressBar(_ title: String, total: Int, unit: String) -> ProgressBar {
        ProgressBar(title: title, total: total, unit: unit, output: progressOutput)
    }

    /// The context of a workflow at the terminal. Ctrl-C ends it.
    package var context: WorkflowContext {
        WorkflowContext(
            note: note, warn: warn, beginProgress: { progressBar($0, total: $1, unit: $2) },
            isCancelled: { Interruption.isRequested }, logger: logger)
    }
}

/// The flag of every command whose result programs may read.
package struct OutputOptions: ParsableArguments {
    /// The flag's name. The command line is searched for it when a command ends with an error.
    static let jsonFlag = "--json"

    package init() {}

    @Flag(help: "Print the result as JSON instead of a table. An error is then printed as {\"error\": …}.")
    package var json = false

    /// Prints a result: as JSON with `--json`, else as text.
    package func print(_ result: some Encodable, or text: @autoclosure () throws -> String) throws {
        if json { return try JSONOutput.print(result) }
        let text = try text()
        Swift.print(text, terminator: text.hasSuffix("\n") ? "" : "\n")
    }
}

extension ArgumentHelp {
    /// The help of `--data`.
    package static let collection: ArgumentHelp =
        "Collection: a BEIR folder, a LlamaIndex .json, or a .jsonl of query-document pairs (also .gz)."

    /// A flag that only `--help-hidden` lists.
    package static func expert(_ text: String, _ valueName: String? = nil) -> ArgumentHelp {
        ArgumentHelp(text, valueName: valueName, visibility: .hidden)
    }
}

extension ParsableArguments {
    /// Refuses flags whose values are below a bound. A flag that is not given is nil.
    package func require<Number: Comparable>(_ flags: KeyValuePairs<String, Number?>, atLeast bound: Number) throws {
        for case (let flag, let value?) in flags where !(value >= bound) {
            throw ValidationError("\(flag) must be at least \(bound), found \(value).")
        }
    }

    /// `count` finite numbers of at least 0, separated by commas; nil for anything else.
    package static func amounts(_ text: String, count: Int) -> [Double]? {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { Double($0.trimmingCharacters(in: .whitespaces)) }
        return parts.count == count && numbers.count == count && numbers.allSatisfy { $0 >= 0 && $0.isFinite }
            ? numbers : nil
    }

    /// Refuses an empty `--output`.
    package func requireFolder(output: String) throws {
        if output.isEmpty { throw ValidationError("--output names no folder.") }
    }
}

/// The flags of every command that computes with vectors.
package struct ComputingOptions: ParsableArguments {
    package init() {}

    @Option(
        help: .expert(
            "Threads to compute with. Results differ between thread counts only by rounding. (default: MAFIN_THREADS, otherwise one a core)",
            "n"))
    var threads: Int?

    @Option(
        help: .expert(
            "Instructions to compute with, at most: portable, avx2, avx-vnni, avx512, avx512-vnni, avx512-bf16, amx, as far as the processor has them. To compare, and to work around a fault. (default: MAFIN_INSTRUCTION_SET, otherwise the widest)",
            "set"))
    var instructionSet: String?

    package func validate() throws {
        try require(["--threads": threads], atLeast: 1)
    }

    /// The number of threads of the flag, or else of `MAFIN_THREADS`, or else nil, which means one for each core.
    /// - Throws: `ValidationError` if the variable holds no positive number.
    func threadCount(environment: [String: String] = ProcessInfo.processInfo.environment) throws -> Int? {
        if let threads { return threads }
        guard let text = environment["MAFIN_THREADS"], !text.isEmpty else { return nil }
        guard let count = Int(text), count >= 1 else {
            throw ValidationError("MAFIN_THREADS must be a number of at least 1, found '\(text)'.")
        }
        return count
    }

    /// Sets the number of threads and the instructions of the process. A command calls it before it computes anything.
    /// - Throws: `ValidationError` for a number of threads; `NumericsError` for a set that is unknown or that the processor lacks.
    package func apply() throws {
        if let instructionSet {
            try Processor.limitInstructionSet(to: instructionSet)
        } else {
            try Processor.checkInstructionSet()
        }
        if let count = try threadCount() { Parallelism.threads = count }
    }

    /// Sets the number of threads and handles Ctrl-C. A command that can be resumed calls this first.
    package func begin() throws {
        try apply()
        Interruption.install()
    }
}

/// The JSON of `--json` on standard output: one value with sorted keys, and a newline at its end.
package enum JSONOutput {
    /// The text that ``print(_:)`` prints.
    /// - Throws: `EncodingError` if a number is not finite, because JSON has no such numbers.
    static func text(of value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    package static func print(_ value: some Encodable) throws {
        Swift.print(try text(of: value))
    }
}

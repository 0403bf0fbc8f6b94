import ArgumentParser
import Foundation
import MafinBlackBox
import MafinCommandLine
import MafinProviderWorkflows
import MafinProviders
import MafinReport

/// `mafin batch`: the jobs of providers' batch APIs.
struct BatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "batch",
        abstract: "List and collect the jobs that other commands sent to a batch API with --batch.",
        discussion: """
            A job is recorded in the cache before it is sent. To collect its answers, run the same command again, or 'mafin batch resume'. \
            Both can be interrupted at any time.
            """,
        subcommands: [BatchListCommand.self, BatchResumeCommand.self])
}

/// `mafin batch list`
struct BatchListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the jobs that the cache knows, with their last known state.")

    @OptionGroup var options: CacheOptions

    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func run() async throws {
        let jobs = try await options.open(shared).allJobs()
        try format.print(jobs, or: Self.table(jobs).text())
    }

    static func table(_ jobs: [BatchJob]) -> Table {
        var table = Table(columns: [
            .init("job", .right), .init("batch"), .init("model"), .init("texts", .right), .init("made"), .init("state"),
        ])
        for job in jobs {
            table.append([
                "\(job.id)", job.remote ?? "–", "\(job.provider):\(job.model)", "\(job.texts)",
                job.made.formatted(.iso8601.year().month().day()),
                job.state.rawValue + (job.note.map { " (\($0))" } ?? ""),
            ])
        }
        return table
    }
}

/// `mafin batch resume`
struct BatchResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume",
        abstract: "Ask for the state of a model's jobs, and store their answers in the cache.",
        usage: "mafin batch resume --black-box <provider:model> [<options>]",
        discussion: """
            Name the model as it was named when the jobs were sent: --black-box, --base-url, the key. Ends with status \
            \(CommandStatus.tryAgain.rawValue) if jobs are still pending.

            More flags: mafin batch resume --help-hidden
            """)

    @OptionGroup(title: "Black box") var blackBox: BlackBoxOptions

    @Flag(help: "Cancel the jobs at the provider. Answers received so far are kept.")
    var cancel = false

    @Flag(help: "Keep asking until all jobs have ended.")
    var wait = false

    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func run() async throws {
        let opened = try blackBox.openedProvider(shared)
        if let error = opened.missingKey { throw error }
        let (server, cache) = (opened.server, opened.cache)
        if cancel {
            for job in try await cache.pendingJobs() { try await cache.cancelJob(job, of: server) }
        }
        let wait = wait
        let jobs = try await Interruption.cancelling { () -> [BatchJob] in
            var all: [Int64: BatchJob] = [:]
            while true {
                let jobs = try await cache.resumeJobs(of: server)
                for job in jobs { all[job.id] = job }
                let pending = jobs.filter { ![.done, .failed].contains($0.state) }
                guard wait, !pending.isEmpty else { return all.values.sorted { $0.id < $1.id } }
                try await Task.sleep(for: .seconds(30))
            }
        }
        if jobs.isEmpty, !format.json {
            shared.note("no job of this model is pending")
        } else {
            try format.print(jobs, or: BatchListCommand.table(jobs).text())
        }
        if jobs.contains(where: { ![.done, .failed].contains($0.state) }) {
            throw ExitCode(CommandStatus.tryAgain.rawValue)
        }
    }
}

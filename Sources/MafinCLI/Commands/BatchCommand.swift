import ArgumentParser
import Foundation
import MafinBlackBox
import MafinProviders
import MafinReport

/// `mafin batch`: jobs of providers' batch APIs.
struct BatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "batch",
        abstract: "Look after jobs of batch APIs that 'train', 'evaluate' and 'embed' have sent with --batch.",
        discussion: """
            A job is written into the cache before it is sent. Its answers are collected by the same command once more, or by
            'mafin batch resume'; both may be interrupted at any time.
            """,
        subcommands: [BatchListCommand.self, BatchResumeCommand.self])
}

/// `mafin batch list`
struct BatchListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the jobs that the cache knows, as they were last heard of.")

    @OptionGroup var shared: SharedOptions
    @OptionGroup var options: CacheOptions

    func run() async throws {
        let jobs = try await options.open(shared).allJobs()
        if shared.json {
            try JSONOutput.print(jobs)
        } else {
            print(Self.table(jobs).text(), terminator: "")
        }
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
        abstract: "Ask how the jobs of a model are, and bring their answers into the cache.",
        discussion: "Name the model as it was named when the jobs were sent: --black-box, --base-url, the key.")

    @OptionGroup var shared: SharedOptions
    @OptionGroup(title: "Black box") var blackBox: BlackBoxOptions

    @Flag(help: "End the jobs at the provider; what was answered until then is kept.")
    var cancel = false

    @Flag(help: "Go on asking until all jobs have ended.")
    var wait = false

    func run() async throws {
        let opened = try blackBox.openedProvider(shared)
        if let unaskable = opened.blackBox as? UnaskableBlackBox { throw unaskable.error }
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
        if shared.json {
            try JSONOutput.print(jobs)
        } else if jobs.isEmpty {
            shared.note("no job of this model is pending")
        } else {
            print(BatchListCommand.table(jobs).text(), terminator: "")
        }
    }
}

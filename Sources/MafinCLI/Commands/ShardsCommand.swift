import ArgumentParser
import Foundation
import MafinCommandLine
import MafinWorkflows

/// `mafin shards`: what several processes of `mafin embed --shards` wrote.
struct ShardsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shards",
        abstract: "Show, check and join the shards that 'mafin embed --shards' wrote.",
        subcommands: [ShardsStatusCommand.self, ShardsVerifyCommand.self, ShardsMergeCommand.self])
}

/// The folder of shards.
struct ShardFolderOptions: ParsableArguments {
    @Argument(help: "Folder that 'mafin embed --shards' wrote.")
    var folder: String

    @Option(
        help: ArgumentHelp(
            "Which plan, if the folder has shards of several: the digits in the names of its files.", valueName: "hash")
    )
    var configuration: String?

    func open() throws -> ShardFolder {
        try ShardFolder(URL(fileURLWithPath: folder, isDirectory: true), configuration: configuration)
    }
}

/// `mafin shards status`
struct ShardsStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show which shards are finished, running on this machine, or missing.")

    @OptionGroup var options: ShardFolderOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func run() async throws {
        let status = try options.open().status()
        try format.print(status, or: Self.text(of: status))
    }

    static func text(of status: ShardFolder.Status) -> String {
        func list(_ shards: [Int]) -> String {
            shards.prefix(20).map(String.init).joined(separator: ", ") + (shards.count > 20 ? ", …" : "")
        }
        var lines = [
            "\(status.finished) of \(status.shards) shards finished: \(status.rows) × \(status.dimension), \(MemorySize(bytes: status.bytes)), \(Int(status.seconds.rounded())) s of work; \(status.asked) texts asked, \(status.cached) from the cache"
        ]
        if !status.running.isEmpty { lines.append("running here: \(list(status.running))") }
        if !status.missing.isEmpty { lines.append("missing: \(list(status.missing))") }
        if !status.otherConfigurations.isEmpty {
            lines.append("other plans in this folder: \(status.otherConfigurations.joined(separator: ", "))")
        }
        return lines.joined(separator: "\n")
    }
}

/// `mafin shards verify`
struct ShardsVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract:
            "Read every shard and compare it with its marker, and with the input. Ends with status 65 at the first fault."
    )

    @OptionGroup var options: ShardFolderOptions

    @Option(
        help: ArgumentHelp(
            "The texts that were embedded. Every id and every text's hash is compared, line by line. (default: not compared)",
            valueName: "file"))
    var input: String?

    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func run() async throws {
        Interruption.install()
        let shards = try options.open()
        let bar = shared.progressBar("Verifying", total: shards.plan.shards, unit: "shards")
        let result = try shards.verify(
            input: input.map { URL(fileURLWithPath: $0) }, isCancelled: { Interruption.isRequested },
            progress: { bar.update(completed: $0) })
        bar.finish()
        try format.print(
            result,
            or: "\(result.shards) shards, \(result.rows) texts, \(MemorySize(bytes: result.bytes)): no fault"
                + (result.comparedWithInput ? ", every text of the input once" : ""))
    }
}

/// `mafin shards merge`
struct ShardsMergeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge",
        abstract: "Join all shards into one .npy file with its .ids and .hashes, in the order of the input.")

    @OptionGroup var options: ShardFolderOptions

    @Option(name: .shortAndLong, help: "The .npy file to write.")
    var output: String

    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func validate() throws {
        if !output.hasSuffix(".npy") { throw ValidationError("--output must end in .npy, found \(output).") }
    }

    private struct Summary: Encodable {
        var rows: Int
        var dimension: Int
        var output: String
        var configuration: String
    }

    func run() async throws {
        Interruption.install()
        let shards = try options.open()
        let bar = shared.progressBar("Merging", total: shards.plan.shards, unit: "shards")
        let rows = try shards.merge(
            to: URL(fileURLWithPath: output), isCancelled: { Interruption.isRequested },
            progress: { bar.update(completed: $0) })
        bar.finish()
        try format.print(
            Summary(
                rows: rows, dimension: shards.plan.dimension, output: output, configuration: shards.configuration),
            or: "\(rows) × \(shards.plan.dimension) to \(output)")
    }
}

import ArgumentParser
import Foundation
import MafinBlackBox
import MafinCommandLine
import MafinNumerics
import MafinPipeline
import MafinRetrieval
import MafinWorkflows

/// The flags that cut an embedding into shards.
struct ShardOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Cut the input into this many parts: lines into equal bytes, a Parquet file at its row groups, with about equal rows. With fewer row groups than shards the last shards are empty. Each part is a shard of its own in the folder OUTPUT. A killed process loses at most the shard that it works on, so that ten minutes of work a shard are a good size.",
            valueName: "n"))
    var shards: Int?

    @Option(help: ArgumentHelp("The shard that this process makes, from 0.", valueName: "i"))
    var rank: Int?

    @Option(
        help: ArgumentHelp(
            "Read the rank and the number of workers from what a launcher sets. slurm: arrays and srun. kubernetes: JOB_COMPLETION_INDEX. mpi: OpenMPI or MPICH. environment: MAFIN_RANK and MAFIN_WORKERS. With fewer workers than shards, a worker makes every n-th shard.",
            valueName: "slurm|kubernetes|mpi|environment"))
    var rankFrom: ShardRank.Source?

    func validate() throws {
        try require(["--shards": shards], atLeast: 1)
        try require(["--rank": rank], atLeast: 0)
        if shards == nil {
            for (flag, isGiven) in [("--rank", rank != nil), ("--rank-from", rankFrom != nil)] where isGiven {
                throw ValidationError("\(flag) needs --shards, the number of all shards.")
            }
        } else if (rank == nil) == (rankFrom == nil) {
            throw ValidationError("--shards needs one of --rank and --rank-from.")
        }
    }

    /// The shards of this process; nil without `--shards`.
    /// - Throws: `WorkflowError` if the launcher's variables are missing, or if there is no such shard.
    func mine(environment: [String: String] = ProcessInfo.processInfo.environment) throws -> [Int]? {
        guard let shards else { return nil }
        if let rankFrom { return try ShardRank(from: rankFrom, environment: environment).shards(of: shards) }
        return try ShardRank(rank: rank ?? 0).shards(of: shards)
    }
}

extension ShardRank.Source: ExpressibleByArgument {}

extension EmbedCommand {
    /// Makes shards, one after the other. Those that are finished are skipped.
    func writeShards(_ mine: [Int], of model: ArtefactModel) async throws {
        guard let count = sharding.shards else { preconditionFailure("shards without their number") }
        guard model.joinedDimension > 0 else { throw WorkflowError.noJoinedVectors(path: options.artefact) }
        let kind: RetrievalError.TextKind = self.as == .query ? .query : .document
        let texts = CheckedTexts.file(of: URL(fileURLWithPath: input), as: kind)
        let folder = URL(fileURLWithPath: output, isDirectory: true)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let plan = try ShardPlan(
            of: model, as: self.as, isOffline: offline, type: elementType, shards: count, input: texts)
        try plan.write(to: folder)
        if let groups = try TextCut(texts).rowGroups, groups < count {
            shared.warn(
                "\(texts.path): only \(groups) of \(count) shards hold texts, because the file has no more row groups with rows; write smaller row groups, or use fewer shards"
            )
        }
        warn(ofLeftOut: NamedVectors.leftOut(of: model.rankingSources(offline: offline), kept: [.dense]))
        var summary = ShardSummary(configuration: try plan.hash, output: folder.path, shards: [], skipped: [])
        for shard in mine {
            if Interruption.isRequested { throw CancellationError() }
            let begun = try ShardWriter.begin(
                shard, of: plan, input: texts, in: folder, isCancelled: { Interruption.isRequested }, note: shared.note)
            if let finished = begun.finished {
                shared.note("shard \(shard) of \(count) is finished; skipped")
                summary.skipped.append(shard)
                summary.shards.append(finished)
            }
            guard let writer = begun.writer else { continue }
            let open = { try CheckedTexts(partOf: texts, bytes: writer.bytes, as: kind) }
            // Faults of the texts are found before anything is asked or computed.
            let rows = try checkTexts(open)
            let answered = try await embed(
                model, count: rows, title: "Shard \(shard) of \(count)", texts: open
            ) { try writer.append($0, $1) }
            summary.shards.append(try writer.finish(asked: answered.asked, cached: answered.cached))
        }
        try format.print(summary, or: summary.text(of: count))
    }

    private struct ShardSummary: Encodable {
        var configuration: String
        var output: String
        /// The markers of the shards of this process.
        var shards: [ShardMarker]
        /// Those of them that were finished before.
        var skipped: [Int]

        func text(of count: Int) -> String {
            let rows = shards.reduce(0) { $0 + $1.rows }
            let made = shards.count - skipped.count
            return "\(made) of \(count) shards made, \(skipped.count) skipped: \(rows) texts in \(output)"
        }
    }
}

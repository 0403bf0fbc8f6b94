import Foundation
import MafinNumerics
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinWorkflows

/// Which shards a process makes. `Commands: shards` runs them as a user does.
@Suite struct ShardRankTests {
    private func rank(_ source: ShardRank.Source, _ environment: [String: String]) throws -> ShardRank {
        try ShardRank(from: source, environment: environment)
    }

    @Test func launchersTellTheRank() throws {
        // The variables as `man sbatch` and `man srun` (23.11) describe them, for `--array=10-22:4`.
        let array = [
            "SLURM_ARRAY_TASK_ID": "18", "SLURM_ARRAY_TASK_MIN": "10", "SLURM_ARRAY_TASK_MAX": "22",
            "SLURM_ARRAY_TASK_STEP": "4", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_NTASKS": "3", "SLURM_PROCID": "0",
        ]
        #expect(try rank(.slurm, array) == ShardRank(rank: 2, workers: 4))
        let step = ["SLURM_STEP_NUM_TASKS": "3", "SLURM_PROCID": "1"]
        #expect(try rank(.slurm, step) == ShardRank(rank: 1, workers: 3))
        #expect(try rank(.slurm, array.merging(step) { $1 }) == ShardRank(rank: 7, workers: 12))
        #expect(try rank(.kubernetes, ["JOB_COMPLETION_INDEX": "5"]) == ShardRank(rank: 5))
        #expect(
            try rank(.mpi, ["OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4"]) == ShardRank(rank: 3, workers: 4)
        )
        #expect(try rank(.mpi, ["PMI_RANK": "0", "PMI_SIZE": "2"]) == ShardRank(rank: 0, workers: 2))
        #expect(try rank(.environment, ["MAFIN_RANK": "1", "MAFIN_WORKERS": "2"]) == ShardRank(rank: 1, workers: 2))
    }

    @Test func faultsAreNamed() throws {
        for (source, environment, part) in [
            (ShardRank.Source.slurm, [:], "SLURM_ARRAY_TASK_ID"), (.kubernetes, [:], "JOB_COMPLETION_INDEX"),
            (.mpi, [:], "OMPI_COMM_WORLD_RANK"), (.environment, ["MAFIN_RANK": "x"], "'x'"),
            (.environment, ["MAFIN_RANK": "2", "MAFIN_WORKERS": "2"], "rank 2 of 2"),
        ] as [(ShardRank.Source, [String: String], String)] {
            let error = #expect(throws: WorkflowError.self) { try rank(source, environment) }
            #expect("\(try #require(error))".contains(part))
        }
        #expect(throws: WorkflowError.self) { try ShardRank(rank: 8).shards(of: 8) }
    }

    @Test func everyShardIsMadeByOneWorker() throws {
        for workers in 1...9 {
            let shards = try (0..<workers).flatMap { try ShardRank(rank: $0, workers: workers).shards(of: 7) }
            #expect(shards.sorted() == Array(0..<7))
        }
        #expect(try ShardRank(rank: 3).shards(of: 8) == [3])
    }
}

/// What a finished shard was made of.
@Suite struct ShardMarkerTests {
    /// The plan knows samples of a large file. So a worker that finds a finished shard compares its bytes of the input.
    @Test func anInputThatChangedBetweenTheSamplesIsNoticed() async throws {
        try await TemporaryFolder.with { folder in
            let input = folder.url.appendingPathComponent("corpus.jsonl")
            var text = (0..<40_000).map { "line \(1_000_000 + $0) of an input" }.joined(separator: "\n") + "\n"
            try text.write(to: input, atomically: true, encoding: .utf8)
            let sampled = try ShardPlan.Input(input)
            let markers = try (0..<2).map { shard in
                let bytes = try LineCut.bytes(ofPart: shard, of: 2, in: input)
                let file = try ShardMarker.File(input)
                return ShardMarker(
                    plan: "p", shard: shard, shards: 2, start: bytes.lowerBound, end: bytes.upperBound,
                    inputSHA256: try ShardMarker.sha256(of: bytes, in: input), rows: 1, dimension: 1, vectors: file,
                    ids: file, hashes: file,
                    statistics: .init(began: "", seconds: 0, asked: 0, cached: 0, host: "", threads: 1, program: ""))
            }
            for marker in markers { try marker.requireInput(input, path: "marker") }
            // A byte behind the piece of 4096 bytes that begins a 64th of the file.
            var bytes = Array(text.utf8)
            bytes[bytes.count / 64 * 3 + 5000] ^= 1
            text = String(decoding: bytes, as: UTF8.self)
            try text.write(to: input, atomically: true, encoding: .utf8)
            #expect(try ShardPlan.Input(input) == sampled)
            let error = #expect(throws: WorkflowError.self) { try markers[0].requireInput(input, path: "marker") }
            #expect(error?.description.contains("made of other bytes") == true)
            try markers[1].requireInput(input, path: "marker")
        }
    }
}

import Foundation
import MafinBlackBox
import MafinNumerics
import MafinParquet
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

/// Shards of a Parquet file beside those of the same texts as JSON lines. `Commands: shards` runs both with an artefact.
@Suite struct ParquetShardTests {
    private struct Row: Codable {
        var _id: String
        var text: String
    }

    private static let rows = (0..<20).map { Row(_id: "d\($0)", text: "text \($0 % 7) ♣") }

    private static func plan(of input: URL, shards: Int) throws -> ShardPlan {
        let encoded = String(decoding: try JSONEncoder().encode(try ShardPlan.Input(input)), as: UTF8.self)
        return try JSONDecoder().decode(
            ShardPlan.self,
            from: Data(
                """
                {"format": 1, "program": "x", "artefact": "a", "encodingVersion": 1, "precision": "float32", "role": "document",
                 "isOffline": false, "elementType": "<f4", "dimension": 2, "shards": \(shards), "input": \(encoded)}
                """.utf8))
    }

    private static func begin(
        _ shard: Int, of plan: ShardPlan, _ input: URL, _ folder: URL
    ) throws -> (writer: ShardWriter?, finished: ShardMarker?) {
        try ShardWriter.begin(shard, of: plan, input: input, in: folder, isCancelled: { false }, note: { _ in })
    }

    /// Makes all shards, with vectors that depend on the texts.
    private static func shards(of input: URL, _ count: Int, in folder: URL) throws -> (ShardPlan, [ShardMarker]) {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let plan = try plan(of: input, shards: count)
        try plan.write(to: folder)
        let markers = try (0..<count).map { shard in
            let writer = try #require(try begin(shard, of: plan, input, folder).writer)
            var texts = try CheckedTexts(partOf: input, bytes: writer.bytes, as: .document)
            while let text = try texts.next() {
                let values = [Float(text.id.utf8.count), Float(text.text.utf8.reduce(0) { $0 + Int($1) })]
                try writer.append(
                    Matrix(rows: 1, columns: 2, values: values), [EmbeddingItem(id: text.id, text: text.text)])
            }
            return try writer.finish(asked: 0, cached: 0)
        }
        return (plan, markers)
    }

    /// Four row groups, so that of seven shards three are empty.
    @Test(arguments: [1, 3, 4, 7]) func mergedShardsAreThoseOfTheLines(_ count: Int) async throws {
        try await TemporaryFolder.with { folder in
            let (lines, parquet) = (
                folder.url.appendingPathComponent("c.jsonl"), folder.url.appendingPathComponent("c.parquet")
            )
            let encoded = try Self.rows.map { String(decoding: try JSONEncoder().encode($0), as: UTF8.self) + "\n" }
            try encoded.joined().write(to: lines, atomically: true, encoding: .utf8)
            let file = try PendingParquet(
                to: parquet, columns: [ParquetColumn("id", .text), ParquetColumn("text", .text)], groupBytes: 1)
            for start in stride(from: 0, to: 20, by: 6) {
                let part = Self.rows[start..<min(start + 6, 20)]
                try file.append([.texts(part.map(\._id)), .texts(part.map(\.text))])
            }
            try file.commit()

            var merged: [[Data]] = []
            for input in [lines, parquet] {
                let output = folder.url.appendingPathComponent("shards-\(input.pathExtension)")
                let (plan, markers) = try Self.shards(of: input, count, in: output)
                if input == parquet {
                    let rows = [1: [20], 3: [6, 6, 8], 4: [6, 6, 6, 2], 7: [6, 6, 6, 2, 0, 0, 0]]
                    #expect(markers.map(\.rows) == rows[count])
                }
                let shards = try ShardFolder(output)
                #expect(try shards.status().isComplete)
                let verified = try shards.verify(input: input)
                #expect(verified.rows == 20 && verified.comparedWithInput)
                let joined = folder.url.appendingPathComponent("\(input.pathExtension).npy")
                #expect(try shards.merge(to: joined) == 20)
                merged.append(
                    try ["npy", "ids", "hashes"].map {
                        try Data(contentsOf: joined.deletingPathExtension().appendingPathExtension($0))
                    })
                // Finished shards, the empty ones too, are found again.
                for shard in 0..<count {
                    #expect(try Self.begin(shard, of: plan, input, output).finished == markers[shard])
                }
            }
            #expect(merged[0] == merged[1])
        }
    }

    @Test func anotherFileIsNoticed() async throws {
        try await TemporaryFolder.with { folder in
            func write(_ name: String, _ idColumn: String) throws -> URL {
                let url = folder.url.appendingPathComponent(name)
                let columns = [ParquetColumn(idColumn, .text), ParquetColumn("text", .text)]
                let file = try PendingParquet(to: url, columns: columns, groupBytes: 1)
                for row in Self.rows { try file.append([.texts([row._id]), .texts([row.text])]) }
                try file.commit()
                return url
            }
            let input = try write("c.parquet", "_id")
            let (_, markers) = try Self.shards(of: input, 2, in: folder.url.appendingPathComponent("shards"))
            // The pages are the same, but the footer differs.
            #expect(try ShardPlan.Input(input) != ShardPlan.Input(write("other.parquet", "idx")))
            var bytes = try Data(contentsOf: input)
            bytes[try #require(bytes.lastRange(of: Data("text 5".utf8))).lowerBound] ^= 1
            try bytes.write(to: input)
            try markers[0].requireInput(input, path: "marker")
            let error = #expect(throws: WorkflowError.self) { try markers[1].requireInput(input, path: "marker") }
            #expect(error?.description.contains("made of other bytes") == true)
        }
    }
}

import Foundation
import MafinCommandLine
import MafinParquet
import MafinTestSupport
import Testing

@testable import MafinCLI

/// `mafin embed --shards` and `mafin shards`, run as a user runs them. `Tools/soak_shards.py` kills them.
@Suite("Commands: shards", .enabled(if: Program.url != nil, Comment(rawValue: Program.skipMessage)))
struct ShardEndToEndTests {
    private func withArtefact(_ body: (TinyWorld) async throws -> Void) async throws {
        let world = try TinyWorld()
        defer { world.remove() }
        let train = try await world.mafin(
            ["train", "--output", "ART", "--rivals", "none", "--mode", "query", "--epochs", "10"] + TinyWorld.training)
        try #require(train.status == 0, "\(train.error)")
        try await body(world)
    }

    private let embed = ["embed", "ART", "--as", "document", "--threads", "2", "--quiet"]

    private func equal(_ world: TinyWorld, _ one: String, _ other: String) throws -> Bool {
        try Data(contentsOf: world.url(one)) == Data(contentsOf: world.url(other))
    }

    /// 70 shards of 60 texts: some are empty.
    @Test(arguments: [(3, []), (70, ["--float16"])] as [(Int, [String])])
    func mergedShardsAreTheOutputOfOneProcess(count: Int, flags: [String]) async throws {
        try await withArtefact { world in
            let whole = try await world.mafin(
                embed + flags + ["--input", "data/corpus.jsonl", "--output", "whole.npy"])
            #expect(whole.status == 0, "\(whole.error)")
            let workers = 3
            for rank in 0..<workers {
                if rank == workers - 1 {
                    let early = try await world.mafin(["shards", "merge", "shards", "--output", "early.npy"])
                    #expect(early.status == CommandStatus.data.rawValue && early.error.contains("are not finished"))
                    #expect(!FileManager.default.fileExists(atPath: world.url("early.npy").path))
                }
                let part = try await world.mafin(
                    embed + flags + [
                        "--input", "data", "--output", "shards", "--shards", "\(count)", "--rank-from", "environment",
                    ], environment: ["MAFIN_RANK": "\(rank)", "MAFIN_WORKERS": "\(workers)"])
                #expect(part.status == 0 && part.error.isEmpty, "\(part.error)")
            }
            let status = try await world.mafin(["shards", "status", "shards", "--json"])
            #expect(status.status == 0, "\(status.error)")
            #expect(
                status.output.contains("\"isComplete\" : true") && status.output.contains("\"finished\" : \(count)"))
            let verify = try await world.mafin(["shards", "verify", "shards", "--input", "data/corpus.jsonl"])
            #expect(verify.status == 0 && verify.output.contains("every text of the input once"), "\(verify.error)")
            let merge = try await world.mafin(["shards", "merge", "shards", "--output", "merged.npy"])
            #expect(merge.status == 0, "\(merge.error)")
            #expect(try equal(world, "merged.npy", "whole.npy") && equal(world, "merged.ids", "whole.ids"))

            // A finished shard is skipped, and one whose file was cut is made again.
            let names = try FileManager.default.contentsOfDirectory(atPath: world.url("shards").path).sorted()
            let cut = try #require(names.first { $0.hasPrefix("shard-00001-") && $0.hasSuffix(".npy") })
            let before = try Data(contentsOf: world.url("shards/\(cut)"))
            try before.dropLast().write(to: world.url("shards/\(cut)"))
            for (rank, says) in [
                (0, "0 of \(count) shards made, 1 skipped"), (1, "1 of \(count) shards made, 0 skipped"),
            ] {
                let again = try await world.mafin(
                    embed + flags + [
                        "--input", "data", "--output", "shards", "--shards", "\(count)", "--rank", "\(rank)",
                    ])
                #expect(again.status == 0 && again.output.contains(says), "\(again.output) \(again.error)")
            }
            #expect(try Data(contentsOf: world.url("shards/\(cut)")) == before)
        }
    }

    /// Three row groups of 25, 25 and 10 texts.
    @Test func rowGroupsOfAParquetFileAreShards() async throws {
        try await withArtefact { world in
            let lines = try String(contentsOf: world.url("data/corpus.jsonl"), encoding: .utf8)
            let rows = try lines.split(separator: "\n").map { line in
                try JSONDecoder().decode([String: String].self, from: Data(line.utf8))
            }
            let columns = ["title", "id", "text"]
            let file = try PendingParquet(
                to: world.url("corpus.parquet"), columns: columns.map { ParquetColumn($0, .text) }, groupBytes: 1)
            for start in stride(from: 0, to: rows.count, by: 25) {
                let part = rows[start..<min(start + 25, rows.count)]
                try file.append(
                    columns.map { column in .texts(part.map { $0[column == "id" ? "_id" : column] ?? "" }) })
            }
            try file.commit()

            for (input, output) in [("data", "whole"), ("corpus.parquet", "rows")] {
                let whole = try await world.mafin(embed + ["--input", input, "--output", "\(output).npy"])
                #expect(whole.status == 0 && whole.error.isEmpty, "\(whole.error)")
            }
            #expect(try equal(world, "rows.npy", "whole.npy") && equal(world, "rows.ids", "whole.ids"))
            for count in [2, 5] {
                let part = try await world.mafin(
                    embed + [
                        "--input", "corpus.parquet", "--output", "shards-\(count)", "--shards", "\(count)",
                        "--rank-from",
                        "environment",
                    ], environment: ["MAFIN_RANK": "0", "MAFIN_WORKERS": "1"])
                #expect(part.status == 0, "\(part.error)")
                #expect(part.error.contains("3 of 5 shards hold texts") == (count > 3), "\(part.error)")
                let verify = try await world.mafin(["shards", "verify", "shards-\(count)", "--input", "corpus.parquet"])
                #expect(verify.status == 0 && verify.output.contains("every text of the input once"), "\(verify.error)")
                let merge = try await world.mafin([
                    "shards", "merge", "shards-\(count)", "--output", "merged-\(count).npy",
                ])
                #expect(merge.status == 0, "\(merge.error)")
                #expect(try equal(world, "merged-\(count).npy", "whole.npy"))
                #expect(try equal(world, "merged-\(count).ids", "whole.ids"))
            }

            try Data(Data(contentsOf: world.url("corpus.parquet")).dropLast(9)).write(to: world.url("cut.parquet"))
            let cut = try await world.mafin(
                embed + ["--input", "cut.parquet", "--output", "cut", "--shards", "2", "--rank", "0"])
            #expect(cut.status == CommandStatus.data.rawValue && cut.error.contains("cut.parquet"), "\(cut.error)")
        }
    }

    @Test func faultsAreFound() async throws {
        try await withArtefact { world in
            let make = embed + ["--input", "data", "--output", "shards", "--shards", "2"]
            for rank in 0..<2 {
                let part = try await world.mafin(make + ["--rank", "\(rank)"])
                #expect(part.status == 0, "\(part.error)")
            }
            // Bits that rot, with the length unchanged.
            let names = try FileManager.default.contentsOfDirectory(atPath: world.url("shards").path).sorted()
            let file = world.url("shards/" + (try #require(names.first { $0.hasSuffix(".npy") })))
            let good = try Data(contentsOf: file)
            var rotten = good
            rotten[good.count - 3] ^= 1
            try rotten.write(to: file)
            let verify = try await world.mafin(["shards", "verify", "shards"])
            #expect(verify.status == CommandStatus.data.rawValue)
            #expect(verify.error.contains(file.lastPathComponent) && verify.error.contains("not what its marker says"))
            let merge = try await world.mafin(["shards", "merge", "shards", "--output", "rotten.npy"])
            #expect(merge.status == CommandStatus.data.rawValue && merge.error.contains("not what its marker says"))
            #expect(!FileManager.default.fileExists(atPath: world.url("rotten.npy").path))
            try good.write(to: file)
            #expect(try await world.mafin(["shards", "verify", "shards"]).status == 0)

            // Another input has another plan, whose shards never mix with these.
            var text = try String(contentsOf: world.url("data/corpus.jsonl"), encoding: .utf8)
            text = text.replacingOccurrences(of: "w7 ", with: "w8 ")
            try text.write(to: world.url("data/corpus.jsonl"), atomically: true, encoding: .utf8)
            let other = try await world.mafin(["shards", "verify", "shards", "--input", "data"])
            #expect(
                other.status == CommandStatus.data.rawValue && other.error.contains("not the file that was embedded"))
            #expect(try await world.mafin(make + ["--rank", "0"]).status == 0)
            let several = try await world.mafin(["shards", "status", "shards"])
            #expect(several.status == CommandStatus.data.rawValue && several.error.contains("--configuration"))

            try "\u{1f}\u{8b}".data(using: .isoLatin1)?.write(to: world.url("corpus.jsonl.gz"))
            for (flags, says) in [
                (["--input", "corpus.jsonl.gz", "--rank", "0"], "gzip"), (["--input", "data"], "--rank"),
                (["--input", "data", "--rank", "2"], "ranks count from 0 to 1"),
                (["--input", "data", "--rank-from", "kubernetes"], "JOB_COMPLETION_INDEX"),
                (["--input", "data", "--rank", "0", "--named", "npy"], "--named"),
            ] {
                let refused = try await world.mafin(
                    ["embed", "ART", "--as", "document", "--output", "other", "--shards", "2"] + flags)
                #expect(refused.status != 0 && refused.error.contains(says), "\(refused.error)")
            }
        }
    }
}

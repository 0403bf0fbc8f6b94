import Foundation
import MafinCommandLine
import MafinNumerics
import MafinTestSupport
import Testing

@testable import MafinCLI

/// `mafin embed` and `mafin search`, run as a user runs them.
@Suite("Commands: embed and search", .enabled(if: Program.url != nil, Comment(rawValue: Program.skipMessage)))
struct EmbeddingEndToEndTests {
    private struct Answer: Decodable {
        struct Hit: Decodable {
            var id: String
            var rank: Int
            var score: Float
            var parts: [Part]
            var blackBoxRank: Int?
        }

        struct Part: Decodable {
            var source: String
            var value: Float
        }

        struct Weight: Decodable {
            var source: String
            var weight: Float
        }

        var query: String
        var weights: [Weight]
        var lambda: Float
        var blackBoxAsked: Bool
        var results: [Hit]
    }

    private func withArtefact(
        _ flags: [String] = [], _ body: (TinyWorld) async throws -> Void
    ) async throws {
        let world = try TinyWorld()
        defer { world.remove() }
        let train = try await world.mafin(
            ["train", "--output", "ART", "--rivals", "none", "--mode", "query", "--epochs", "10"] + TinyWorld.training
                + flags)
        try #require(train.status == 0, "\(train.error)")
        try await body(world)
    }

    private func ids(_ url: URL) throws -> [String] {
        try String(contentsOf: url, encoding: .utf8).split(separator: "\n").map(String.init)
    }

    @Test func innerProductsOfJoinedVectorsAreTheScoresOfTheSearch() async throws {
        try await withArtefact { world in
            for (input, role) in [("corpus", "document"), ("queries", "query")] {
                let embed = try await world.mafin(
                    [
                        "embed", "ART", "--input", "data/\(input).jsonl", "--as", role, "--output", "\(role).npy",
                        "--json",
                    ])
                #expect(embed.status == 0, "\(embed.error)")
                #expect(
                    embed.output.contains("\"dimension\" : \(TinyWorld.blackBoxDimension + TinyWorld.localDimension)"))
            }
            let documents = try NumPyFile.read(world.url("document.npy"))
            let queries = try NumPyFile.read(world.url("query.npy"))
            let documentIds = try ids(world.url("document.ids"))
            #expect(documentIds == (0..<TinyWorld.documents).map { "d\($0)" })
            #expect(try ids(world.url("query.ids")) == TinyWorld.queries.map(\.id))
            let number = 17
            let scores = Matrix.multiply(queries.selecting(rows: [number]), transposed: documents).values

            let search = try await world.mafin(
                ["search", "ART", "--data", "data", "--top", "60", "--json", TinyWorld.text(ofQuery: number)])
            #expect(search.status == 0 && search.error.isEmpty, "\(search.error)")
            let answer = try JSONDecoder().decode(Answer.self, from: Data(search.output.utf8))
            #expect(answer.blackBoxAsked && answer.results.map(\.rank) == Array(1...60))
            for hit in answer.results {
                let row = try #require(documentIds.firstIndex(of: hit.id))
                #expect(abs(hit.score - scores[row]) < 2e-6)
                #expect(hit.parts.map(\.source) == ["black-box", "local"])
                #expect(abs(hit.parts.reduce(0) { $0 + $1.value } - hit.score) < 1e-6)
            }
            #expect(answer.results.map(\.score) == answer.results.map(\.score).sorted(by: >))

            let blackBox = try await world.mafin(
                ["search", "ART", "--data", "data", "--lambda", "0", "--json", TinyWorld.text(ofQuery: number)])
            let alone = try JSONDecoder().decode(Answer.self, from: Data(blackBox.output.utf8))
            #expect(alone.results.map(\.blackBoxRank) == Array(1...10))
            #expect(alone.weights.map(\.weight) == [1, 0])

            // A weight has the unit in which those of the black box and the local encoder add up to 1.
            let doubled = try await world.mafin(
                [
                    "search", "ART", "--data", "data", "--top", "60", "--json", "--weight",
                    "local=\(2 * answer.weights[1].weight)", TinyWorld.text(ofQuery: number),
                ])
            let changed = try JSONDecoder().decode(Answer.self, from: Data(doubled.output.utf8))
            for hit in changed.results {
                let before = try #require(answer.results.first { $0.id == hit.id })
                #expect(abs(hit.score - before.score - before.parts[1].value) < 2e-6)
            }
            let unknown = try await world.mafin(["search", "ART", "--data", "data", "--weight", "bm25=1", "w3"])
            #expect(unknown.status == CommandStatus.usage.rawValue && unknown.output.isEmpty)
            #expect(unknown.error.contains("there is no source 'bm25'; known: black-box, local"), "\(unknown.error)")

            let half = try await world.mafin(
                [
                    "embed", "ART", "--input", "data/corpus.jsonl", "--as", "document", "--output", "half.npy",
                    "--float16",
                ])
            #expect(half.status == 0)
            let rounded = try NumPyFile.read(world.url("half.npy"))
            #expect(zip(rounded.values, documents.values).allSatisfy { abs($0 - $1) < 1e-3 })
        }
    }

    /// Named vectors are the columns of joined ones.
    @Test func namedVectorsAreWrittenIntoAFolder() async throws {
        try await withArtefact { world in
            let embed = ["embed", "ART", "--input", "data/queries.jsonl", "--as", "query"]
            let joined = try await world.mafin(embed + ["--output", "joined.npy"])
            #expect(joined.status == 0, "\(joined.error)")
            let named = try await world.mafin(embed + ["--output", "named", "--named", "npy", "--json", "--quiet"])
            #expect(named.status == 0 && named.error.isEmpty, "\(named.error)")
            #expect(named.output.contains("\"name\" : \"black-box\"") && named.output.contains("\"leftOut\" : ["))
            let whole = try NumPyFile.read(world.url("joined.npy"))
            let parts = try ["black-box", "local"].map { try NumPyFile.read(world.url("named/\($0).npy")) }
            #expect(parts.map(\.columns) == [TinyWorld.blackBoxDimension, TinyWorld.localDimension])
            for row in 0..<whole.rows { #expect(Array(whole.row(row)) == parts.flatMap { Array($0.row(row)) }) }
            #expect(try ids(world.url("named/ids.txt")) == TinyWorld.queries.map(\.id))

            // Only a folder that this command wrote is replaced.
            let again = try await world.mafin(embed + ["--output", "named", "--named", "qdrant"])
            #expect(again.status == 0, "\(again.error)")
            let files = try FileManager.default.contentsOfDirectory(atPath: world.url("named").path)
            #expect(files.sorted() == ["points.jsonl", "vectors.json"])
            let refused = try await world.mafin(embed + ["--output", "data", "--named", "npy"])
            #expect(refused.status == CommandStatus.usage.rawValue && refused.error.contains("choose another folder"))
        }
    }

    @Test func anUnknownQueryIsRankedByTheLocalHalf() async throws {
        try await withArtefact { world in
            let search = try await world.mafin(["search", "ART", "--data", "data", "--json", "--top", "3", "w3 f1"])
            let answer = try JSONDecoder().decode(Answer.self, from: Data(search.output.utf8))
            #expect(!answer.blackBoxAsked && answer.lambda == 1 && answer.results.count == 3)
            #expect(
                search.error.hasPrefix("warning: the black box is a file")
                    && search.error.filter { $0 == "\n" }.count == 1)
            let table = try await world.mafin(["search", "ART", "--data", "data", "--top", "3", "w3 f1"])
            #expect(table.status == 0 && table.output.contains(answer.results[0].id))
        }
    }

    /// With inputs of several blocks the output does not depend on how they are cut, and memory does not grow with
    /// their number.
    @Test func longInputsAreStreamed() async throws {
        let width = 256
        let world = try TinyWorld()
        defer { world.remove() }
        try TinyWorld.writeModel(to: world.folder, name: "box", width: width, seed: 11)
        let train = try await world.mafin(
            ["train", "--output", "ART", "--rivals", "none", "--mode", "query", "--epochs", "1"] + TinyWorld.training
                + ["--black-box", "local:box"])
        try #require(train.status == 0, "\(train.error)")

        func embed(_ count: Int, to name: String) async throws -> Int? {
            let lines = (0..<count).map {
                "{\"_id\": \"x\($0)\", \"text\": \"w\($0 % 60) f\($0 / 60 % 20) f\($0 / 1200)\"}\n"
            }
            try world.folder.write(lines.joined(), to: "\(name).jsonl")
            let run = try Program.start(
                ["embed", "ART", "--input", "\(name).jsonl", "--as", "document", "--output", "\(name).npy", "--quiet"],
                in: world.folder)
            let peak = run.watchMemory()
            let outcome = try await run.outcome()
            #expect(outcome.status == 0 && outcome.error.isEmpty, "\(outcome.error)")
            return peak()
        }
        let short = try await embed(5_000, to: "short")
        let long = try await embed(25_000, to: "long")
        let (few, many) = (try NumPyFile.read(world.url("short.npy")), try NumPyFile.read(world.url("long.npy")))
        #expect(many.rows == 25_000 && many.columns == width + TinyWorld.localDimension)
        #expect(try ids(world.url("long.ids")) == (0..<25_000).map { "x\($0)" })
        let differences = zip(few.values, many.values).map { abs($0 - $1) }
        #expect((differences.max() ?? 1) < 1e-6)
        // 20,000 more rows are 23 MB of joined vectors. Memory would grow by 81 MB if all were held at once.
        #if os(Linux)
            let growth = try #require(long) - #require(short)
            #expect(growth < 48 << 20, "\(growth) bytes more")
        #endif
        let left = try FileManager.default.contentsOfDirectory(atPath: world.folder.url.path)
        #expect(!left.contains { $0.hasSuffix(".tmp") })
    }

    @Test func nothingIsWrittenWhereATextIsWrong() async throws {
        try await withArtefact { world in
            let good = try String(contentsOf: world.url("data/corpus.jsonl"), encoding: .utf8)
            for (text, fault) in [
                (
                    good + "{\"_id\": \"d1\", \"text\": \"again\"}\n",
                    ":61: the document id \"d1\" was already used at line 2"
                ),
                (good + "{\"_id\": \"d60\", \"text\": \n", ":61:"),
                (good + "{\"_id\": \"d60\"}\n", ":61: the field \"text\""),
                ("", "there is no document in it"), (good.replacing("\"d59\"", with: "\"unknown\""), "'unknown'"),
            ] {
                let input = try world.folder.write(text, to: "input.jsonl")
                let embed = try await world.mafin(
                    ["embed", "ART", "--input", "input.jsonl", "--as", "document", "--output", "out/x.npy", "--quiet"])
                #expect(embed.status == CommandStatus.data.rawValue && embed.output.isEmpty)
                #expect(
                    embed.error.filter { $0 == "\n" }.count == 1 && embed.error.hasPrefix("error: "), "\(embed.error)")
                #expect(embed.error.contains(fault), "\(embed.error)")
                if fault.hasPrefix(":") { #expect(embed.error.contains(input.path)) }
                let left = (try? FileManager.default.contentsOfDirectory(atPath: world.url("out").path)) ?? []
                #expect(left.isEmpty)
            }
        }
    }

    @Test func readsAPipe() async throws {
        try await withArtefact { world in
            let pipe = world.url("pipe")
            try #require(mkfifo(pipe.path, 0o600) == 0)
            let run = try Program.start(
                ["embed", "ART", "--input", "pipe", "--as", "document", "--output", "out.npy"], in: world.folder)
            let text = try Data(contentsOf: world.url("data/corpus.jsonl"))
            try await Task.detached { try text.write(to: pipe) }.value
            let outcome = try await run.outcome()
            #expect(outcome.status == 0, "\(outcome.error)")
            #expect(try ids(world.url("out.ids")).count == TinyWorld.documents)
        }
    }

    @Test func modelsAreListed() async throws {
        let world = try TinyWorld()
        defer { world.remove() }
        let environment = ["MAFIN_MODELS": world.folder.url.path]
        let list = try await world.mafin(["model", "list"], environment: environment)
        #expect(list.status == 0 && list.output.contains("model"), "\(list.output) \(list.error)")
        let path = try await world.mafin(["model", "path", "model"], environment: environment)
        #expect(path.status == 0 && path.output.hasSuffix("/model\n"))
    }
}

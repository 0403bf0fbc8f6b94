import Foundation
import MafinTestSupport
import Testing

@testable import MafinCLI

/// The commands with pictures, run as a user runs them.
@Suite("Commands: images", .enabled(if: Program.url != nil, Comment(rawValue: Program.skipMessage)))
struct ImagesEndToEndTests {
    private static let training = [
        "--data", "data", "--black-box", "vectors:vectors", "--encoder", "model", "--learning-rate", "0.003", "--mode",
        "block",
        "--epochs", "8", "--threads", "2",
    ]

    private func object(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
    }

    @Test func trainEvaluateSearchEmbedIndex() async throws {
        let world = try PictureWorld()
        defer { world.remove() }
        try world.writeVectors()
        func mafin(_ arguments: [String]) async throws -> Program.Outcome {
            try await Program.run(arguments, in: world.folder)
        }
        let train = try await mafin(["train", "--output", "ART", "--json", "--quiet"] + Self.training)
        #expect(train.status == 0, "\(train.error)")

        let evaluate = try await mafin(["evaluate", "ART", "--data", "data", "--json", "--quiet", "--runs", "RUNS"])
        #expect(evaluate.status == 0, "\(evaluate.error)")
        let report = try object(evaluate.output)
        let systems = try #require(report["systems"] as? [[String: Any]])
        let names = systems.compactMap { $0["name"] as? String }
        #expect(names.contains("black-box") && names.contains("artefact") && !names.contains("bm25"))
        let omitted = try #require(report["omitted"] as? [[String: String]])
        #expect(omitted.contains { $0["name"] == "bm25" && $0["reason"] == "documents or queries have no text" })

        // A search by the picture of a query of test gives the ranking that was measured.
        let search = try await mafin([
            "search", "ART", "--data", "data", "--image", "data/images/q70.png", "--json", "--quiet",
        ])
        #expect(search.status == 0, "\(search.error)")
        let results = try #require(try object(search.output)["results"] as? [[String: Any]])
        let run: String = try String(
            contentsOf: world.folder.url.appendingPathComponent("RUNS/artefact.test.run"), encoding: .utf8)
        let lines: [[Substring]] = run.split(separator: "\n").map { $0.split(separator: " ") }
        let ranked: [String] = lines.filter { $0[0] == "q70" }.map { String($0[2]) }
        #expect(results.compactMap { $0["id"] as? String } == Array(ranked.prefix(10)))
        #expect(results.allSatisfy { ($0["image"] as? String)?.hasPrefix("images/d") == true })
        let text = try await mafin(["search", "ART", "--data", "data", "a text"])
        #expect(text.status != 0 && text.error.contains("an image"), "\(text.error)")
        let missing = try await mafin(["search", "ART", "--data", "data", "--image", "none.png"])
        #expect(missing.status != 0 && missing.error.contains("none.png"), "\(missing.error)")

        let embed = try await mafin([
            "embed", "ART", "--input", "data/queries.jsonl", "--as", "query", "--output", "q.npy", "--json", "--quiet",
        ])
        #expect(embed.status == 0, "\(embed.error)")
        #expect(try object(embed.output)["rows"] as? Int == PictureWorld.classes * PictureWorld.queriesOfClass)
        let index = try await mafin(["index", "ART", "--data", "data", "--output", "INDEX", "--quiet"])
        #expect(index.status == 0, "\(index.error)")
    }

    /// `mafin plan` counts pictures, and the cache's vectors of pictures can be moved.
    @Test func picturesAreAmongTheTextsOfACollection() throws {
        let world = try PictureWorld()
        defer { world.remove() }
        let read = try CollectionTexts.read(world.data.path)
        #expect(
            read.map(\.items.count) == [
                PictureWorld.classes * PictureWorld.documentsOfClass,
                PictureWorld.classes * PictureWorld.queriesOfClass,
            ])
    }

    @Test func compareLeavesOutWhatNeedsText() async throws {
        let world = try PictureWorld()
        defer { world.remove() }
        try world.writeVectors()
        let compare = try await Program.run(
            ["compare", "--output", "OUT", "--time", "20s", "--seeds", "1", "--json", "--quiet"] + Self.training,
            in: world.folder)
        #expect(compare.status == 0, "\(compare.error)")
        let page = try String(contentsOf: world.folder.url.appendingPathComponent("OUT/index.html"), encoding: .utf8)
        #expect(page.contains("Documents or queries have no text.") && page.contains("data:image/png;base64,"))
    }

    /// A frozen encoder of images is the black box.
    @Test func localBlackBox() async throws {
        let world = try PictureWorld()
        defer { world.remove() }
        let train = try await Program.run(
            [
                "train", "--output", "ART", "--data", "data", "--black-box", "local:model", "--encoder", "model",
                "--lora", "2",
                "--no-augmentation", "--image-side", "20", "--epochs", "2", "--mode", "query", "--quiet",
            ], in: world.folder)
        #expect(train.status == 0, "\(train.error)")
    }
}

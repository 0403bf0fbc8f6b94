import Foundation
import MafinCommandLine
import MafinNumerics
import MafinTestSupport
import Testing

@testable import MafinCLI

/// `mafin migrate`, run as a user runs it, from stored vectors to stored vectors.
@Suite("Commands: migrate", .enabled(if: Program.url != nil, Comment(rawValue: Program.skipMessage)))
struct MigrateEndToEndTests {
    private func object(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
    }

    private func road(_ name: String, _ result: [String: Any]) throws -> [String: Any] {
        try #require((result["roads"] as? [[String: Any]])?.first { $0["name"] as? String == name })
    }

    private func mean(_ name: String, _ result: [String: Any]) throws -> Double {
        try #require((try road(name, result)["value"] as? [String: Any])?["mean"] as? Double, "\(name)")
    }

    /// A map needs 100 pairs, so the world gets 60 further documents, which no label names.
    private func addDocuments(_ world: TinyWorld) throws {
        let numbers = TinyWorld.documents..<2 * TinyWorld.documents
        var random = RandomGenerator(seed: 11)
        let rows = numbers.flatMap { _ in (0..<TinyWorld.blackBoxDimension).map { _ in random.normal() } }
        let old = try NumPyFile.read(world.url("vectors/corpus.npy"))
        let new = Matrix(rows: numbers.count, columns: old.columns, values: rows).normalizedRows().matrix
        try NumPyFile.write(Matrix(stacking: [old, new]), to: world.url("vectors/corpus.npy"))
        func append(_ lines: [String], to file: String) throws {
            let text = try String(contentsOf: world.url(file), encoding: .utf8)
            try world.folder.write(text + lines.map { $0 + "\n" }.joined(), to: file)
        }
        try append(numbers.map { "d\($0)" }, to: "vectors/corpus.ids")
        try append(
            numbers.map { #"{"_id": "d\#($0)", "title": "", "text": "f\#($0 % 20) f\#($0 % 7) other\#($0)"}"# },
            to: "data/corpus.jsonl")
    }

    /// Vectors whose columns are in another order, with 4 columns of zeros: a rotation into more dimensions.
    private func writeTurnedVectors(_ world: TinyWorld) throws {
        let order = (0..<TinyWorld.blackBoxDimension).map { (5 * $0 + 3) % TinyWorld.blackBoxDimension }
        for name in ["corpus", "queries"] {
            let old = try NumPyFile.read(world.url("vectors/\(name).npy"))
            var new = Matrix(rows: old.rows, columns: old.columns + 4)
            for row in 0..<old.rows { for (to, from) in order.enumerated() { new[row, to] = old[row, from] } }
            try FileManager.default.createDirectory(at: world.url("turned"), withIntermediateDirectories: true)
            try NumPyFile.write(new, to: world.url("turned/\(name).npy"))
            try FileManager.default.copyItem(at: world.url("vectors/\(name).ids"), to: world.url("turned/\(name).ids"))
        }
    }

    @Test func aTurnedSpaceKeepsEverythingAndIsWritten() async throws {
        let world = try TinyWorld()
        defer { world.remove() }
        try addDocuments(world)
        try writeTurnedVectors(world)
        let train = try await world.mafin(
            ["train"] + TinyWorld.training + ["--output", "ART", "--mode", "query", "--epochs", "5", "--quiet"])
        try #require(train.status == 0, "\(train.error)")
        // The maps of a reduction belong to the old space and stay behind.
        let reduce = try await world.mafin(
            ["reduce", "ART", "--data", "data", "--output", "ART", "--index-dimensions", "24", "--quiet"])
        try #require(reduce.status == 0, "\(reduce.error)")
        let flags = [
            "migrate", "ART", "--data", "data", "--black-box", "vectors:turned", "--sample", "110", "--threads", "2",
            "--quiet",
        ]
        let run = try await world.mafin(
            flags + ["--time", "1h", "--output", "MOVED", "--road", "re-index-trained", "--json"])
        try #require(run.status == 0, "\(run.error)")
        let result = try object(run.output)
        // The same scores as before, so only the weights that were fitted again can differ.
        #expect(abs(try mean("re-index", result) - mean("stay", result)) < 0.1)
        #expect(abs(try mean("bridge-documents", result) - mean("re-index", result)) < 0.01)
        #expect(abs(try mean("bridge-queries", result) - mean("re-index", result)) < 0.01)
        #expect((try road("bridge-documents", result)["map"] as? [String: Any])?["form"] as? String == "procrustes")
        #expect(try road("re-index", result)["dimension"] as? Int == 20)
        #expect(try road("bridge-queries", result)["dimension"] as? Int == 16)
        #expect(result["verdict"] is [String: Any] && (result["mixedIndex"] as? [Any])?.isEmpty == false)
        #expect((result["written"] as? String)?.hasSuffix("MOVED") == true)

        // The artefact ranks as the table says.
        let evaluate = try await world.mafin(["evaluate", "MOVED", "--data", "data", "--json", "--quiet"])
        try #require(evaluate.status == 0, "\(evaluate.error)")
        let systems = try #require(try object(evaluate.output)["systems"] as? [[String: Any]])
        let own = try #require(systems.first { $0["name"] as? String == "artefact" })
        let value = try #require((own["metrics"] as? [String: Double])?["nDCG@10"])
        #expect(abs(value - (try mean("re-index-trained", result))) < 1e-6)

        let text = try await world.mafin(flags)
        #expect(text.status == 0, "\(text.error)")
        #expect(text.output.contains("bridge-documents") && text.output.contains("Verdict: "), "\(text.output)")
    }

    @Test func faultsSayWhatToDo() async throws {
        let world = try TinyWorld()
        defer { world.remove() }
        let migrate = ["migrate", "ART", "--data", "data", "--black-box", "vectors:vectors"]
        for (flags, hint) in [
            (["--split", "train"], "cannot be measured"), (["--sample", "3"], "--sample must be at least 100"),
            (["--road", "re-index"], "--road needs --output"),
            (["--old-black-box", "openai:old"], "takes vectors:PATH"),
            (["--split", "dev", "--time", "1m"], "--time cannot be used with --split dev"),
        ] {
            let run = try await world.mafin(migrate + flags)
            #expect(run.status == CommandStatus.usage.rawValue && run.error.contains(hint), "\(run.error)")
        }
        let missing = try await world.mafin(migrate)
        #expect(missing.status == CommandStatus.data.rawValue && missing.error.contains("is not an artefact"))
    }
}

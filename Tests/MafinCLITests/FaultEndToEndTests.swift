import Foundation
import MafinCommandLine
import MafinNumerics
import MafinTestSupport
import Testing

@testable import MafinCLI

/// For every fault of the input: one line that names file, line or id, a status of the right kind, and no output files.
@Suite("Commands: faults", .enabled(if: Program.url != nil, Comment(rawValue: Program.skipMessage)))
struct FaultEndToEndTests {
    /// A change that makes good data faulty.
    struct Fault: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var status: CommandStatus = .data
        /// The expected line; `{}` stands for the data's folder.
        var says: [String]
        var arguments: [String] = train
        var make: @Sendable (TinyWorld) throws -> Void = { _ in }

        static let train =
            ["train", "--output", "ART", "--rivals", "none", "--mode", "query", "--epochs", "2", "--quiet"]
            + TinyWorld.training
    }

    private static func edit(_ path: String, _ change: @escaping @Sendable (inout [String]) -> Void)
        -> @Sendable (TinyWorld) throws -> Void
    {
        { world in
            let url = world.url(path)
            var lines = try String(contentsOf: url, encoding: .utf8).split(separator: "\n").map(String.init)
            change(&lines)
            try (lines.joined(separator: "\n") + "\n").write(to: url, atomically: true, encoding: .utf8)
        }
    }

    private static func editVectors(_ path: String, _ change: @escaping @Sendable (inout Matrix) -> Void)
        -> @Sendable (TinyWorld) throws -> Void
    {
        { world in
            var matrix = try NumPyFile.read(world.url(path))
            change(&matrix)
            try NumPyFile.write(matrix, to: world.url(path))
        }
    }

    static let faults: [Fault] = [
        // Texts and labels.
        Fault(
            testDescription: "malformed JSON", says: ["{}/data/corpus.jsonl:7:", "malformed JSON"],
            make: edit("data/corpus.jsonl") { $0[6] = #"{"_id": "d6", "text": "w6"# }),
        Fault(
            testDescription: "a query without text", says: ["{}/data/queries.jsonl:3:", "\"text\""],
            make: edit("data/queries.jsonl") { $0[2] = #"{"_id": "q0-2"}"# }),
        Fault(
            testDescription: "an id used twice", says: ["{}/data/corpus.jsonl:5:", "\"d1\"", "line 2"],
            make: edit("data/corpus.jsonl") { $0[4] = #"{"_id": "d1", "text": "again"}"# }),
        Fault(
            testDescription: "an unknown document in the labels", says: ["{}/data/qrels/train.tsv:4:", "\"d99\""],
            make: edit("data/qrels/train.tsv") { $0[3] = "q0-2\td99\t1" }),
        Fault(
            testDescription: "a grade that is none", says: ["{}/data/qrels/dev.tsv:2:", "\"high\""],
            make: edit("data/qrels/dev.tsv") { $0[1] = "q0-4\td0\thigh" }),
        Fault(
            testDescription: "a missing corpus", says: ["{}/data/corpus.jsonl", "no such file"],
            make: { try FileManager.default.removeItem(at: $0.url("data/corpus.jsonl")) }),
        Fault(
            testDescription: "no data", says: ["{}/nowhere: no such file"],
            arguments: Fault.train + ["--data", "nowhere"]),
        // The black box.
        Fault(
            testDescription: "a NaN among the stored vectors",
            says: ["{}/vectors/corpus.npy", "'d4'", "row 4", "position 2"],
            make: editVectors("vectors/corpus.npy") { $0[4, 2] = .nan }),
        Fault(
            testDescription: "vectors of two widths",
            says: ["{}/vectors/queries.npy", "8 numbers", "16 in {}/vectors/corpus.npy"],
            make: editVectors("vectors/queries.npy") {
                $0 = Matrix(rows: $0.rows, columns: 8, values: [Float](repeating: 1, count: 8 * $0.rows))
            }),
        Fault(
            testDescription: "fewer ids than vectors", says: ["{}/vectors/corpus.npy", "60 vectors", "59 ids"],
            make: edit("vectors/corpus.ids") { $0.removeLast() }),
        Fault(
            testDescription: "no vector for a query", says: ["{}/vectors/queries.npy", "'q3-0'"],
            make: edit("vectors/queries.ids") { $0[18] = "another" }),
        Fault(
            testDescription: "a cut-off array", says: ["{}/vectors/corpus.npy", "60 × 16"],
            make: { world in
                let url = world.url("vectors/corpus.npy")
                try Data(contentsOf: url).dropLast(5).write(to: url)
            }),
        Fault(
            testDescription: "no vectors", says: ["{}/nowhere: not found"],
            arguments: Fault.train + ["--black-box", "vectors:nowhere"]),
        // The encoder.
        Fault(
            testDescription: "an encoder of another kind", says: ["{}/model/config.json", "'t5'"],
            make: edit("model/config.json") { $0[0] = $0[0].replacing("\"bert\"", with: "\"t5\"") }),
        Fault(
            testDescription: "cut-off weights", says: ["{}/model/model.safetensors", "the file is cut off"],
            make: { world in
                let url = world.url("model/model.safetensors")
                try Data(contentsOf: url).dropLast(1000).write(to: url)
            }),
        Fault(
            testDescription: "an encoder that is not here", status: .usage, says: ["mafin model pull org/none"],
            arguments: Fault.train + ["--encoder", "org/none"]),
        // Where to write.
        Fault(
            testDescription: "an output inside a file", says: ["{}/model/vocab.txt"],
            arguments: Fault.train + ["--output", "model/vocab.txt/ART"]),
        Fault(
            testDescription: "an output that holds other files", status: .usage, says: ["data holds files"],
            arguments: Fault.train + ["--output", "data"]),
        // Flags.
        Fault(
            testDescription: "no black box", status: .usage, says: ["--black-box is missing"],
            arguments: ["train", "--data", "data", "--output", "ART"]),
        Fault(
            testDescription: "a time without a unit", status: .usage, says: ["--time"],
            arguments: Fault.train + ["--time", "10"]),
        Fault(testDescription: "an unknown command", status: .usage, says: ["fly"], arguments: ["fly"]),
        // Artefacts.
        Fault(
            testDescription: "no artefact", says: ["{}/data is not an artefact"],
            arguments: ["evaluate", "data", "--data", "data"]),
    ]

    @Test(arguments: faults) func isNamedInOneLine(_ fault: Fault) async throws {
        let world = try TinyWorld()
        defer { world.remove() }
        try fault.make(world)
        let outcome = try await world.mafin(fault.arguments)
        #expect(outcome.status == fault.status.rawValue, "\(outcome.error)")
        #expect(outcome.output.isEmpty)
        let errors = outcome.error.split(separator: "\n").filter { $0.lowercased().hasPrefix("error: ") }
        #expect(errors.count == 1, "\(outcome.error)")
        // The argument parser adds the usage of the command. All other errors are one line.
        if !outcome.error.contains("Usage: ") {
            #expect(outcome.error.filter { $0 == "\n" }.count == 1, "\(outcome.error)")
        }
        for part in fault.says {
            #expect(
                outcome.error.contains(part.replacing("{}", with: world.folder.url.path)),
                "\(part) in: \(outcome.error)")
        }
        for name in ["ART", "ART.training"] {
            #expect(!FileManager.default.fileExists(atPath: world.url(name).path), "\(name) was left behind")
        }
    }

    @Test func aServerThatRefuses() async throws {
        let world = try TinyWorld()
        defer { world.remove() }
        let server = try StubHTTPServer { _ in .text(#"{"error": {"message": "no such key"}}"#, status: 401) }
        defer { server.stop() }
        let outcome = try await world.mafin(
            Fault.train + ["--black-box", "openai:some-model", "--base-url", server.url + "/v1"])
        #expect(outcome.status == CommandStatus.network.rawValue && outcome.output.isEmpty)
        #expect(
            outcome.error.hasPrefix("error: ") && outcome.error.filter { $0 == "\n" }.count == 1, "\(outcome.error)")
        #expect(outcome.error.contains(server.url) && outcome.error.contains("no such key"), "\(outcome.error)")
        #expect(!FileManager.default.fileExists(atPath: world.url("ART.training").path))
    }

    /// Faults in the output of a good training.
    @Test func damagedArtefactsAreRefused() async throws {
        let world = try TinyWorld()
        defer { world.remove() }
        let train = try await world.mafin(Fault.train)
        try #require(train.status == 0, "\(train.error)")
        func expect(_ arguments: [String], _ status: CommandStatus, _ parts: String...) async throws {
            let outcome = try await world.mafin(arguments + ["--quiet"])
            #expect(outcome.status == status.rawValue && outcome.output.isEmpty, "\(outcome.error)")
            let lines = outcome.error.split(separator: "\n").filter { !$0.hasPrefix("warning: ") }
            #expect(lines.count == 1 && lines[0].hasPrefix("error: "), "\(outcome.error)")
            for part in parts { #expect(outcome.error.contains(part), "\(part) in: \(outcome.error)") }
        }
        let evaluate = ["evaluate", "ART", "--data", "data"]
        try await expect(evaluate + ["--split", "validation"], .data, "\"validation\"", "train, dev, test")
        try await expect(
            evaluate + ["--black-box", "local:model"], .data, "another black box", "provider")
        try await expect(
            ["embed", "ART", "--input", "data/corpus.jsonl", "--as", "document", "--output", "model/vocab.txt/x.npy"],
            .data,
            "model/vocab.txt")

        let weights = world.url("ART/query-encoder/model.safetensors")
        let good = try Data(contentsOf: weights)
        var bad = good
        bad[bad.count - 3] ^= 1
        try bad.write(to: weights)
        try await expect(["inspect", "ART"], .data, weights.path, "manifest says SHA-256")
        try bad.dropLast(4).write(to: weights)
        try await expect(evaluate, .data, weights.path, "manifest says")
        try good.write(to: weights)

        let vectors = world.url("vectors/corpus.npy")
        let stored = try NumPyFile.read(vectors)
        try NumPyFile.write(
            Matrix(rows: stored.rows, columns: stored.columns, values: stored.values.map { -$0 }), to: vectors)
        try await expect(evaluate, .data, "another black box")
        try NumPyFile.write(stored, to: vectors)

        let manifest = world.url("ART/manifest.json")
        let text = try String(contentsOf: manifest, encoding: .utf8)
        try text.replacing("\"formatVersion\" : 3", with: "\"formatVersion\" : 99")
            .write(to: manifest, atomically: true, encoding: .utf8)
        try await expect(evaluate, .data, manifest.path, "format version 99")
        try text.prefix(text.count / 2).write(to: manifest, atomically: true, encoding: .utf8)
        try await expect(evaluate, .data, manifest.path)
        try text.write(to: manifest, atomically: true, encoding: .utf8)
        #expect(try await world.mafin(evaluate).status == 0)
    }

    @Test(.enabled(if: getuid() != 0, "root may write everywhere"))
    func foldersThatCannotBeWritten() async throws {
        let world = try TinyWorld()
        defer { world.remove() }
        let locked = world.url("locked")
        try FileManager.default.createDirectory(
            at: locked, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o500])
        let outcome = try await world.mafin(Fault.train + ["--output", "locked/ART"])
        #expect(outcome.status == CommandStatus.data.rawValue && outcome.output.isEmpty)
        #expect(outcome.error.contains(locked.path) && outcome.error.contains("ermission denied"), "\(outcome.error)")
        #expect(outcome.error.filter { $0 == "\n" }.count == 1)
    }
}

import Foundation
import MafinCommandLine
import MafinTestSupport
import Testing

@testable import MafinCLI

@Suite(.enabled(if: Program.url != nil, Comment(rawValue: Program.skipMessage)))
struct ModelCommandTests {
    private func withHub(
        files: [String: String] = TinyHub.bert,
        _ body: (TinyHub, TemporaryFolder, (String...) async throws -> Program.Outcome) async throws -> Void
    ) async throws {
        try await TemporaryFolder.with { folder in
            let hub = try TinyHub(files: files)
            defer { hub.stop() }
            try await body(hub, folder) { (arguments: String...) in
                try await Program.run(arguments, in: folder, environment: ["HF_ENDPOINT": hub.url])
            }
        }
    }

    private func snapshot(_ folder: TemporaryFolder) -> String {
        folder.url.path + "/.cache/huggingface/hub/models--org--tiny/snapshots/\(TinyHub.commit)"
    }

    @Test func pullPrintsTheFolderAndNothingElse() async throws {
        try await withHub { hub, folder, mafin in
            for flags in [[], ["--quiet"]] {
                let outcome = try await Program.run(
                    ["model", "pull", "org/tiny"] + flags, in: folder, environment: ["HF_ENDPOINT": hub.url])
                #expect(outcome.status == 0, "\(outcome.error)")
                #expect(outcome.output == snapshot(folder) + "\n")
                #expect(!outcome.error.contains("warning") && (flags.isEmpty || outcome.error.isEmpty))
            }
            let weights = URL(fileURLWithPath: snapshot(folder)).appendingPathComponent("model.safetensors")
            #expect(try String(contentsOf: weights, encoding: .utf8) == "abc")
            #expect(hub.downloads.filter { $0.hasSuffix("model.safetensors") }.count == 1)

            let path = try await mafin("model", "path", "org/tiny")
            #expect(path.status == 0 && path.output == snapshot(folder) + "\n")
            let list = try await mafin("model", "list")
            #expect(list.output.contains("org/tiny  main      0123456789ab"), "\(list.output)")
        }
    }

    @Test func pullAsJSON() async throws {
        struct Answer: Decodable {
            struct File: Decodable, Equatable {
                var name: String
                var sha256: String
                var bytes: Int
            }

            var repository: String
            var revision: String
            var commit: String
            var folder: String
            var files: [File]
        }
        try await withHub { hub, folder, mafin in
            let outcome = try await mafin("model", "pull", "org/tiny", "--revision", "v1", "--json")
            let answer = try JSONDecoder().decode(Answer.self, from: Data(outcome.output.utf8))
            #expect(answer.repository == "org/tiny" && answer.revision == "v1" && answer.commit == TinyHub.commit)
            #expect(answer.folder == snapshot(folder))
            #expect(answer.files.map(\.name) == TinyHub.bert.keys.sorted())
            let weights = Answer.File(name: "model.safetensors", sha256: TinyHub.weightsSHA256, bytes: 3)
            #expect(answer.files.contains(weights))
            #expect(hub.downloads.first == "/api/models/org/tiny/revision/v1")

            // Without mafin's own record, the same information comes from the files, as for models that Python has
            // pulled.
            let repository = URL(fileURLWithPath: snapshot(folder)).deletingLastPathComponent()
                .deletingLastPathComponent()
            try FileManager.default.removeItem(
                at: repository.appendingPathComponent("mafin-\(TinyHub.commit).json"))
            let offline = try await Program.run(
                ["model", "pull", "org/tiny", "--revision", "v1", "--json"], in: folder,
                environment: ["HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "1"])
            #expect(offline.output == outcome.output)

            let list = try await mafin("model", "list", "--json")
            let models = try #require(
                try JSONSerialization.jsonObject(with: Data(list.output.utf8)) as? [[String: Any]])
            #expect(models.count == 1 && models[0]["commit"] as? String == TinyHub.commit)
            #expect(models[0]["bytes"] as? Int == TinyHub.bert.values.reduce(0) { $0 + $1.utf8.count })
            #expect(models[0]["revisions"] as? [String] == ["v1"] && models[0]["name"] as? String == "org/tiny")
        }
    }

    @Test(arguments: [
        ("config.json", #"{"model_type": "t5"}"#, "architecture (model_type) 't5' is not supported"),
        ("modules.json", #"[{"type": "sentence_transformers.models.Dense"}]"#, "Dense"),
        ("tokenizer.json", #"{"model": {"type": "Unigram"}}"#, "Unigram"),
    ])
    func unreadableEncodersArePulledWithAWarning(file: String, text: String, expected: String) async throws {
        var files = TinyHub.bert
        files[file] = text
        try await withHub(files: files) { _, folder, mafin in
            let outcome = try await mafin("model", "pull", "org/tiny", "--quiet")
            #expect(outcome.status == 0 && outcome.output == snapshot(folder) + "\n")
            let lines = outcome.error.split(separator: "\n")
            #expect(lines.count == 1)
            #expect(outcome.error.hasPrefix("warning: mafin cannot compute with org/tiny: "), "\(outcome.error)")
            #expect(outcome.error.contains(expected), "\(outcome.error)")
        }
    }

    @Test func anUnreachableHubIsKnownAtOnce() async throws {
        try await TemporaryFolder.with { folder in
            let gone = try StubHTTPServer { _ in .text("") }
            gone.stop()
            for (endpoint, reason) in [(gone.url, "refused"), ("http://hub.invalid", "no connection to hub.invalid")] {
                let outcome = try await Program.run(
                    ["model", "pull", "org/tiny", "--quiet"], in: folder, environment: ["HF_ENDPOINT": endpoint])
                #expect(outcome.status == CommandStatus.network.rawValue && outcome.output.isEmpty)
                #expect(outcome.error.hasPrefix("error: \(endpoint): 'org/tiny' could not be pulled"))
                #expect(outcome.error.contains(reason) && outcome.error.filter { $0 == "\n" }.count == 1)
                // A hub that is there but busy is asked eight times, with pauses of a minute in all.
                #expect(outcome.error.contains("after 2 attempts"), "\(outcome.error)")
            }
        }
    }

    @Test func refusalsHaveTheirStatus() async throws {
        try await withHub { _, _, mafin in
            let unknown = try await mafin("model", "pull", "org/other")
            #expect(unknown.status == CommandStatus.network.rawValue && unknown.error.contains("'org/other'"))
            let malformed = try await mafin("model", "pull", "a/b/c")
            #expect(malformed.status == CommandStatus.usage.rawValue)
            let absent = try await mafin("model", "path", "org/tiny")
            #expect(absent.status == CommandStatus.usage.rawValue && absent.output.isEmpty)
            #expect(absent.error.contains("mafin model pull org/tiny"))
            let empty = try await mafin("model", "list", "--json")
            #expect(try JSONDecoder().decode([String].self, from: Data(empty.output.utf8)).isEmpty)
        }
    }
}

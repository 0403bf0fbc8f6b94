import Foundation
import MafinCommandLine
import MafinRetrieval
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinCLI

/// Commands around an embedding API, against a server on loopback: probe, plan, asking, the cache.
@Suite("Commands: providers", .enabled(if: Program.url != nil, Comment(rawValue: Program.skipMessage)), .serialized)
struct ProviderEndToEndTests {
    private static func server(_ texts: @escaping @Sendable ([String]) -> Void = { _ in }) throws -> StubHTTPServer {
        try StubHTTPServer { request in
            guard request.target.hasSuffix("/embeddings"), let input = request.json?["input"] as? [String] else {
                return .text(#"{"error":{"message":"not found"}}"#, status: 404)
            }
            if input.contains(where: { $0.utf8.count > 20_000 }) {
                return .text(#"{"error":{"message":"This model's maximum context length is 512 tokens"}}"#, status: 400)
            }
            texts(input)
            let rows = input.enumerated().map { index, text -> [String: Any] in
                var values = [Double](repeating: 0, count: 16)
                for byte in text.utf8 { values[Int(byte) % 16] += Double(byte) / 64 }
                let length = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
                return ["index": index, "embedding": values.map { $0 / length }]
            }
            let data =
                (try? JSONSerialization.data(withJSONObject: ["data": rows, "usage": ["total_tokens": 4 * input.count]]))
                ?? Data()
            return .text(String(decoding: data, as: UTF8.self))
        }
    }

    @Test func listsAndShows() async throws {
        let folder = try TemporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder.url) }
        let list = try await Program.run(["provider", "list"], in: folder)
        #expect(list.status == 0)
        for name in ["openai", "azure", "cohere", "voyage", "gemini", "mistral", "jina", "ollama", "tei"] {
            #expect(list.output.contains(name))
        }
        let show = try await Program.run(["provider", "show", "cohere"], in: folder)
        #expect(show.status == 0 && show.output.contains("search_document"))
        let unknown = try await Program.run(["provider", "show", "nobody"], in: folder)
        #expect(unknown.status == CommandStatus.usage.rawValue && unknown.error.contains("'nobody'"))
    }

    /// The learned profile works.
    @Test func probesAServer() async throws {
        let folder = try TemporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder.url) }
        let server = try Self.server()
        defer { server.stop() }
        let probe = try await Program.run(
            [
                "provider", "probe", "--base-url", server.url, "--model", "m", "--name", "house", "--output",
                "house.toml",
            ], in: folder)
        #expect(probe.status == 0, "\(probe.error)")
        let toml = try String(contentsOf: folder.url.appendingPathComponent("house.toml"), encoding: .utf8)
        #expect(toml.contains("native_dimension = 16") && toml.contains("float"), "\(toml)")
        #expect(!toml.contains("base64"), "the server takes it and sends numbers")
        try folder.write(#"{"_id": "d1", "text": "one"}"# + "\n", to: "data/corpus.jsonl")
        try folder.write(#"{"_id": "q1", "text": "two"}"# + "\n", to: "data/queries.jsonl")
        let plan = try await Program.run(
            ["plan", "--data", "data", "--provider-file", "house.toml", "--black-box", "house:m", "--price", "2"],
            in: folder)
        #expect(
            plan.status == 0 && plan.output.contains("1 texts, 1 distinct, 0 cached, 1 to send"),
            "\(plan.error)\(plan.output)")
    }

    @Test func aProbeStopsAtItsLimit() async throws {
        let folder = try TemporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder.url) }
        let server = try Self.server()
        defer { server.stop() }
        let probe = try await Program.run(
            ["provider", "probe", "--base-url", server.url, "--model", "m", "--max-requests", "1", "--limits"],
            in: folder)
        #expect(probe.status != 0 && probe.error.contains("all 1 requests allowed are used up"), "\(probe.error)")
        #expect(server.requests.count == 1)
    }

    /// The vectors of a collection are paid for once, checked, exported as files and imported into another cache.
    @Test func theCacheTravels() async throws {
        let world = try TinyWorld()
        defer { world.remove() }
        let paid = Bill()
        let server = try Self.server { texts in paid.texts.withLock { $0 += texts } }
        defer { server.stop() }
        let blackBox = ["--black-box", "openai:m", "--base-url", server.url]
        let train = try await world.mafin(
            [
                "train", "--data", "data", "--encoder", "model", "--output", "ART", "--rivals", "none", "--epochs", "1",
                "--quiet", "--threads", "2", "--cache", "a.sqlite", "--force",
            ] + blackBox)
        #expect(train.status == 0, "\(train.error)")
        let asked = paid.texts.withLock { $0 }
        #expect(Set(asked).count == asked.count)

        let stats = try await world.mafin(["cache", "stats", "--cache", "a.sqlite"])
        #expect(
            stats.status == 0 && stats.output.contains("openai:m") && stats.output.contains("\(asked.count) vectors"),
            "\(stats.output)")
        #expect(try await world.mafin(["cache", "verify", "--cache", "a.sqlite"]).status == 0)
        for name in ["v.npy", "v.safetensors", "v.jsonl"] {
            let export = try await world.mafin([
                "cache", "export", "--source", "1", "--output", name, "--cache", "a.sqlite",
            ])
            #expect(export.status == 0, "\(export.error)")
            let load = try await world.mafin(["cache", "import", name, "--cache", "\(name).sqlite"])
            #expect(
                load.status == 0 && load.output.contains("\(asked.count) of them new"), "\(load.error)\(load.output)")
        }
        // With the imported cache, nothing is paid to the same server again.
        let again = try await world.mafin(
            [
                "train", "--data", "data", "--encoder", "model", "--output", "ART2", "--rivals", "none", "--epochs",
                "1", "--quiet", "--threads", "2", "--cache", "v.npy.sqlite", "--force",
            ] + blackBox)
        #expect(again.status == 0 && paid.texts.withLock { $0.count } == asked.count, "\(again.error)")

        // Damage is found, reported by the status, and repaired.
        let gone = try await world.mafin(["cache", "gc", "--source", "1", "--cache", "a.sqlite"])
        #expect(gone.status == 0 && gone.output.contains("\(asked.count) vectors removed"), "\(gone.output)")
    }

    /// An artefact from a stranger names a server, and a provider for which the user has a key. Neither texts nor the
    /// key may be sent to that server.
    @Test func anArtefactDoesNotChooseWhereAKeyGoes() async throws {
        let world = try TinyWorld()
        defer { world.remove() }
        let server = try Self.server()
        defer { server.stop() }
        let train = try await world.mafin(
            [
                "train", "--data", "data", "--encoder", "model", "--output", "ART", "--rivals", "none", "--epochs", "1",
                "--quiet", "--threads", "2", "--cache", "a.sqlite", "--force", "--black-box", "openai:m", "--base-url",
                server.url,
            ], environment: ["OPENAI_API_KEY": "sk-of-the-user"])
        #expect(train.status == 0, "\(train.error)")
        let index = try await world.mafin(
            ["index", "ART", "--data", "data", "--output", "INDEX", "--cache", "a.sqlite", "--base-url", server.url])
        #expect(index.status == 0, "\(index.error)")
        let before = server.requests.count
        for command in [
            ["evaluate", "ART", "--data", "data"], ["search", "ART", "--data", "data", "f1 f2"],
            ["embed", "ART", "--input", "data/queries.jsonl", "--as", "query", "--output", "out.npy"],
            ["index", "ART", "--data", "data", "--output", "OTHER"],
            ["serve", "ART", "--port", "0"], ["serve", "ART", "--index", "INDEX", "--port", "0"],
        ] {
            let outcome = try await world.mafin(
                command + ["--cache", "b.sqlite"], environment: ["OPENAI_API_KEY": "sk-of-the-user"])
            #expect(outcome.status != 0, "\(command)")
            #expect(outcome.error.contains("--base-url \(server.url)"), "\(command): \(outcome.error)")
        }
        #expect(server.requests.count == before)
        let named = try await world.mafin(
            ["search", "ART", "--data", "data", "--cache", "b.sqlite", "--base-url", server.url, "f1 f2"])
        #expect(named.status == 0 && server.requests.count > before, "\(named.error)")
        #expect(named.error.contains("openai:m at \(server.url): "), "\(named.error)")
    }

    private final class Bill: Sendable {
        let texts = Mutex<[String]>([])
    }

    @Test func nothingIsSentAboveTheLimit() async throws {
        let world = try TinyWorld()
        defer { world.remove() }
        let server = try Self.server()
        defer { server.stop() }
        let outcome = try await world.mafin([
            "train", "--data", "data", "--encoder", "model", "--output", "ART", "--rivals", "none", "--cache",
            "a.sqlite",
            "--black-box", "openai:m", "--base-url", server.url, "--price", "1", "--max-cost", "0.0001",
        ])
        #expect(
            outcome.status == CommandStatus.budget.rawValue && outcome.error.contains("nothing was sent"),
            "\(outcome.error)")
        #expect(server.requests.isEmpty)
    }
}

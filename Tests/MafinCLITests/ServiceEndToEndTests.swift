import ArgumentParser
import AsyncHTTPClient
import Foundation
import MafinCommandLine
import MafinNumerics
import MafinTestSupport
import NIOCore
import NIOHTTP1
import Synchronization
import Testing

@testable import MafinCLI

/// `mafin index` and `mafin serve`, run as a user runs them and asked over the network.
///
/// The tests wait for events however long these take; the limit only ends the wait for one that never comes.
@Suite(
    "Commands: index and serve", .enabled(if: Program.url != nil, Comment(rawValue: Program.skipMessage)),
    .timeLimit(.minutes(10)))
struct ServiceEndToEndTests {
    private static let key = "a-key-of-the-test"

    /// Trains, indexes and serves. `body` receives the data, the run and its port. SIGTERM then ends the service.
    private func withService(
        _ flags: [String] = [], _ body: (TinyWorld, Program.Running, Int) async throws -> Void
    ) async throws {
        let world = try TinyWorld()
        defer { world.remove() }
        try TinyWorld.writeModel(to: world.folder, name: "box", width: 32, seed: 11)
        let train = try await world.mafin(
            ["train", "--output", "ART", "--rivals", "none", "--mode", "query", "--epochs", "2"] + TinyWorld.training
                + ["--black-box", "local:box"])
        try #require(train.status == 0, "\(train.error)")
        let index = try await world.mafin(["index", "ART", "--data", "data", "--output", "INDEX", "--json"])
        try #require(index.status == 0 && index.output.contains("\"documents\" : 60"), "\(index.error)")
        let run = try Program.start(
            ["serve", "ART", "--index", "INDEX", "--port", "0", "--feedback", "marks"] + flags, in: world.folder,
            environment: ["MAFIN_SERVE_KEYS": Self.key])
        var port: Int?
        while port == nil, !run.hasEnded {
            try await Task.sleep(for: .milliseconds(10))
            port = run.errorSoFar.firstMatch(of: #/"url":"https?://127\.0\.0\.1:(\d+)/#).flatMap { Int($0.1) }
        }
        do {
            try await body(world, run, try #require(port, "\(run.errorSoFar)"))
        } catch {
            kill(run.identifier, SIGTERM)
            throw error
        }
        kill(run.identifier, SIGTERM)
        let outcome = try await run.outcome()
        #expect(outcome.status == 0 && outcome.output.isEmpty, "\(outcome.status) \(outcome.error)")
        #expect(!outcome.error.contains(Self.key))
        let lines = outcome.error.split(separator: "\n")
        #expect(!lines.isEmpty)
        for line in lines {
            #expect((try? JSONSerialization.jsonObject(with: Data(line.utf8))) is [String: Any], "\(line)")
        }
    }

    private func ask(
        _ port: Int, _ path: String, _ body: [String: Any]? = nil, key: String? = key, client: HTTPClient = .shared,
        scheme: String = "http"
    ) async throws -> (status: Int, body: [String: Any]) {
        var request = HTTPClientRequest(url: "\(scheme)://127.0.0.1:\(port)\(path)")
        if let key { request.headers.add(name: "authorization", value: "Bearer \(key)") }
        if let body {
            request.method = .POST
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: try JSONSerialization.data(withJSONObject: body)))
        }
        let response = try await client.execute(request, timeout: TimeAmount.seconds(20))
        let data = Data(try await response.body.collect(upTo: 1 << 24).readableBytesView)
        let value = try JSONSerialization.jsonObject(with: data) as? [String: Any]
        return (Int(response.status.code), value ?? [:])
    }

    private func vector(_ answer: (status: Int, body: [String: Any])) throws -> [Float] {
        let data = try #require(answer.body["data"] as? [[String: Any]], "\(answer)")
        return try #require(data[0]["embedding"] as? [NSNumber]).map(\.floatValue)
    }

    @Test func vectorsAreThoseOfEmbed() async throws {
        try await withService { world, run, port in
            for (input, role, texts) in [
                ("queries", "query", (0..<3).map(TinyWorld.text(ofQuery:))),
                ("corpus", "document", ["w0 w0 \(try documentText(world, 0))"]),
            ] {
                let embed = try await world.mafin(
                    ["embed", "ART", "--input", "data/\(input).jsonl", "--as", role, "--output", "\(role).npy"])
                try #require(embed.status == 0, "\(embed.error)")
                let expected = try NumPyFile.read(world.url("\(role).npy"))
                for (row, text) in texts.enumerated() {
                    let answer = try await ask(port, "/v1/embeddings", ["model": "ART:\(role)", "input": text])
                    let found = try vector(answer)
                    let worst = zip(found, expected.row(row)).map { abs($0 - $1) }.max() ?? 1
                    #expect(found.count == expected.columns && worst < 1e-5)
                }
            }
            #expect(try await ask(port, "/v1/models", key: nil).status == 401)
            let ready = try await ask(port, "/readyz")
            #expect(ready.status == 200 && ready.body["index"] as? Int == 60)

            let search = try await ask(port, "/search", ["query": TinyWorld.text(ofQuery: 17), "top": 60])
            let results = try #require(search.body["results"] as? [[String: Any]])
            let command = try await world.mafin(
                ["search", "ART", "--data", "data", "--top", "60", "--json", TinyWorld.text(ofQuery: 17)])
            let other = try #require(
                try JSONSerialization.jsonObject(with: Data(command.output.utf8)) as? [String: Any])
            let expected = try #require(other["results"] as? [[String: Any]])
            for (mine, theirs) in zip(results, expected) {
                let difference =
                    try #require(mine["score"] as? NSNumber).doubleValue
                    - #require(theirs["score"] as? NSNumber).doubleValue
                #expect(abs(difference) < 1e-5)
            }

            // Trained again with another seed: the index is the same, and query vectors differ.
            let before = try vector(try await ask(port, "/v1/embeddings", ["model": "ART:query", "input": "w3 f1"]))
            let train = try await world.mafin(
                [
                    "train", "--output", "ART", "--rivals", "none", "--mode", "query", "--epochs", "1", "--seed", "5",
                ] + TinyWorld.training + ["--black-box", "local:box"])
            try #require(train.status == 0, "\(train.error)")
            kill(run.identifier, SIGHUP)
            var after = before
            while after == before {
                try await Task.sleep(for: .milliseconds(20))
                after = try vector(try await ask(port, "/v1/embeddings", ["model": "ART:query", "input": "w3 f1"]))
            }
        }
    }

    /// The rest of a document's text after its own word, as in the corpus.
    private func documentText(_ world: TinyWorld, _ number: Int) throws -> String {
        let lines = try String(contentsOf: world.url("data/corpus.jsonl"), encoding: .utf8).split(separator: "\n")
        let object = try JSONSerialization.jsonObject(with: Data(lines[number].utf8)) as? [String: String]
        return String(try #require(object?["text"]).dropFirst("w\(number) ".count))
    }

    // MARK: A server as the black box

    /// OpenAI's embeddings with vectors drawn from the text, or the answer that `mood` sets.
    private final class Provider: Sendable {
        let mood = Mutex<StubHTTPServer.Response?>(nil)
        let asked = Mutex<[String]>([])

        func start() throws -> StubHTTPServer {
            try StubHTTPServer { [self] request in
                let texts = request.json?["input"] as? [String] ?? []
                asked.withLock { $0 += texts }
                if let answer = mood.withLock({ $0 }) { return answer }
                let rows = texts.enumerated().map { index, text -> [String: Any] in
                    var values = [Double](repeating: 0, count: 16)
                    for (place, byte) in text.utf8.enumerated() { values[(Int(byte) + place) % 16] += Double(byte) }
                    return ["index": index, "embedding": values]
                }
                let body = try? JSONSerialization.data(withJSONObject: ["data": rows, "usage": ["total_tokens": 9]])
                return .text(String(decoding: body ?? Data(), as: UTF8.self))
            }
        }
    }

    /// Trains with a server as the black box and serves. `body` receives the service's port and a way to send requests.
    private func withProvider(
        _ flags: [String], _ body: (Provider, Program.Running, Int) async throws -> Void
    ) async throws {
        let world = try TinyWorld()
        defer { world.remove() }
        let provider = Provider()
        let server = try provider.start()
        defer { server.stop() }
        let blackBox = ["--black-box", "openai:m", "--base-url", server.url, "--cache", "c.sqlite"]
        let train = try await world.mafin(
            ["train", "--output", "ART", "--rivals", "none", "--mode", "query", "--epochs", "1", "--force"]
                + TinyWorld.training + blackBox)
        try #require(train.status == 0, "\(train.error)")
        provider.asked.withLock { $0 = [] }
        let run = try Program.start(
            ["serve", "ART", "--cache", "c.sqlite", "--port", "0", "--base-url", server.url] + flags, in: world.folder)
        defer { kill(run.identifier, SIGKILL) }
        var port: Int?
        while port == nil, !run.hasEnded {
            try await Task.sleep(for: .milliseconds(10))
            port = run.errorSoFar.firstMatch(of: #/"url":"http://127\.0\.0\.1:(\d+)/#).flatMap { Int($0.1) }
        }
        try await body(provider, run, try #require(port, "\(run.errorSoFar)"))
    }

    private func raw(_ port: Int, _ path: String, _ body: [String: Any]? = nil) async throws -> (
        HTTPClientResponse, String
    ) {
        var request = HTTPClientRequest(url: "http://127.0.0.1:\(port)\(path)")
        if let body {
            request.method = .POST
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: try JSONSerialization.data(withJSONObject: body)))
        }
        let response = try await HTTPClient.shared.execute(request, timeout: TimeAmount.seconds(20))
        return (response, String(buffer: try await response.body.collect(upTo: 1 << 24)))
    }

    @Test func aBusyBlackBoxIsReportedAtOnceAndRememberedTextsGoOn() async throws {
        try await withProvider(["--price", "2", "--max-cost", "5/day"]) { provider, _, port in
            #expect(try await raw(port, "/v1/embeddings", ["input": ["f1 new", "f2 new"]]).0.status == .ok)
            let metrics = try await raw(port, "/metrics").1
            let cost = try #require(metrics.firstMatch(of: #/\nmafin_black_box_cost_estimate_total ([0-9.e-]+)/#))
            #expect((Double(cost.1) ?? 0) > 0, "\(cost.1)")
            // Nine tokens at 2 a million. The training before it had no price.
            let spent = try #require(metrics.firstMatch(of: #/\nmafin_black_box_spent_today ([0-9.e-]+)\n/#))
            #expect(abs((Double(spent.1) ?? 0) - 18e-6) < 1e-9, "\(spent.1)")
            #expect(metrics.contains("\nmafin_black_box_budget_today 5\n"))
            #expect(metrics.contains("mafin_black_box_texts_total{source=\"asked\"} 2"))
            let size = try #require(metrics.firstMatch(of: #/\nmafin_cache_bytes ([0-9]+)\n/#))
            #expect((Int(size.1) ?? 0) > 0 && metrics.contains("\nmafin_cache_write_failures_total 0\n"))
            #expect(metrics.contains("\nmafin_cache_evicted_vectors_total 0\n"))

            provider.mood.withLock {
                $0 = .text(#"{"error":{"message":"slow down"}}"#, status: 429, headers: ["retry-after": "30"])
            }
            let (busy, text) = try await raw(port, "/v1/embeddings", ["input": "f3 new"])
            #expect(busy.status == .serviceUnavailable && !text.contains("slow down"), "\(text)")
            #expect((1...30).contains(Int(busy.headers.first(name: "retry-after") ?? "") ?? 0))
            // It was asked once: whoever waits for 30 s asks again.
            #expect(provider.asked.withLock { $0.count { $0 == "f3 new" } } == 1)
            // Vectors that are held need nobody.
            #expect(try await raw(port, "/v1/embeddings", ["input": ["f2 new", "f1 new"]]).0.status == .ok)
            #expect(
                try await raw(port, "/metrics").1.contains("mafin_black_box_texts_total{source=\"cache\"} 2"))
        }
        try await withProvider(["--degrade"]) { provider, _, port in
            provider.mood.withLock { $0 = .text("oops", status: 500) }
            let (answer, _) = try await raw(port, "/v1/embeddings", ["input": "f3 new", "input_type": "query"])
            #expect(answer.status == .ok && answer.headers.first(name: "x-mafin-degraded") == "black_box")
            #expect(provider.asked.withLock { $0 } == ["f3 new"])
        }
    }

    /// A reload of the artefact does not renew the spending limit.
    @Test func aReloadDoesNotAllowMore() async throws {
        try await withProvider(["--max-requests", "1"]) { provider, run, port in
            #expect(try await raw(port, "/v1/embeddings", ["input": "f1 new"]).0.status == .ok)
            kill(run.identifier, SIGHUP)
            var metrics = ""
            while !metrics.contains("mafin_reloads_total{outcome=\"succeeded\"} 1") {
                try await Task.sleep(for: .milliseconds(20))
                metrics = try await raw(port, "/metrics").1
            }
            let (answer, text) = try await raw(port, "/v1/embeddings", ["input": "f2 new"])
            #expect(
                answer.status == .serviceUnavailable && text.contains("budget_reached"), "\(answer.status) \(text)")
            #expect(provider.asked.withLock { $0 } == ["f1 new"])
        }
    }

    @Test func noFlagIsThereTwice() async throws {
        func repeated(_ command: any ParsableCommand.Type) -> [String] {
            let help = command.helpMessage(columns: 200)
            let names = help.matches(of: #/(?m)^  (?:-\w, )?(--[a-z0-9-]+)/#).map { String($0.1) }
            let own = Dictionary(grouping: names, by: \.self).filter { $0.value.count > 1 }.keys.sorted()
            return own.map { "\(command._commandName) \($0)" } + command.configuration.subcommands.flatMap(repeated)
        }
        #expect(repeated(MafinCommand.self) == [])
    }

    @Test func wrongFlagsAreRefusedAtOnce() async throws {
        try await TemporaryFolder.with { folder in
            for (flags, words) in [
                (["--port", "70000"], "--port must lie between"), (["--bm25"], "mafin train --compose"),
                (["--feedback", "x"], "--feedback needs --index"), (["--tls-key", "x"], "go together"),
                (["--deadline", "0"], "--deadline must be above 0"), (["--name", "a:b"], "--name must be a word"),
                (["--host", "0.0.0.0"], "or --no-keys"), (["--host", "::", "--quiet"], "or --no-keys"),
                (["--host", "127.anything.example"], "or --no-keys"),
            ] {
                let outcome = try await Program.run(["serve", "ART"] + flags, in: folder)
                #expect(
                    outcome.status == CommandStatus.usage.rawValue && outcome.error.contains(words), "\(outcome.error)")
            }
            let missing = try await Program.run(["serve", "ART"], in: folder)
            #expect(missing.status == CommandStatus.data.rawValue && missing.error.contains("not an artefact"))
            let keys = try await Program.run(["serve", "ART", "--keys-file", "none"], in: folder)
            #expect(keys.status == CommandStatus.usage.rawValue && keys.error.contains("cannot be read"))
            try folder.write("x", to: "full/file")
            let index = try await Program.run(["index", "ART", "--data", "d", "--output", "full"], in: folder)
            #expect(index.status == CommandStatus.usage.rawValue && index.error.contains("nothing was written"))
        }
    }
}

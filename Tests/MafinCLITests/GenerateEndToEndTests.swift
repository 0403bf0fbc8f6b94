import Foundation
import MafinCommandLine
import MafinGeneration
import MafinNumerics
import MafinRetrieval
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinCLI

/// A corpus without labels, a language model that knows how people ask for it, and an embedding API: the whole path through the program.
@Suite("Commands: generate", .enabled(if: Program.url != nil, Comment(rawValue: Program.skipMessage)), .serialized)
struct GenerateEndToEndTests {
    /// `w3 …` is asked for as `j3 …`, as in ``TinyWorld``.
    private static func text(_ number: Int) -> String {
        var random = RandomGenerator(seed: UInt64(5000 + number))
        return "w\(number) " + (0..<20).map { _ in "f\(Int.random(in: 0..<20, using: &random))" }.joined(separator: " ")
    }

    private static func query(_ number: Int, _ variant: Int) -> String {
        let words = text(number).split(separator: " ").dropFirst()
        return "j\(number) " + words.dropFirst(2 * variant).prefix(2).joined(separator: " ") + " v\(variant)"
    }

    /// What both servers have answered.
    private final class Bill: Sendable {
        let state = Mutex<(prompts: [Int], texts: [String])>(([], []))
        var prompts: [Int] { state.withLock { $0.prompts } }
        var texts: [String] { state.withLock { $0.texts } }
    }

    private static func server(_ bill: Bill, pause: Double = 0) throws -> StubHTTPServer {
        @Sendable func answer(_ object: [String: Any]) -> StubHTTPServer.Response {
            .text(String(decoding: (try? JSONSerialization.data(withJSONObject: object)) ?? Data(), as: UTF8.self))
        }
        return try StubHTTPServer { request in
            guard let json = request.json else { return .text(#"{"error":"no JSON"}"#, status: 400) }
            if request.target.hasSuffix("/chat/completions") {
                let prompt = ((json["messages"] as? [[String: Any]])?.last?["content"] as? String) ?? ""
                let passage = prompt.components(separatedBy: "<passage>\n").last ?? ""
                let number = Int(passage.prefix { $0 != " " }.dropFirst()) ?? -1
                if pause > 0 { Thread.sleep(forTimeInterval: pause) }
                bill.state.withLock { $0.prompts.append(number) }
                var written = (0..<3).map { query(number, $0) }
                if number % 10 == 0 { written[0] = "what does this passage say about f1" }
                if number % 10 == 1 { written[1] = text(number).split(separator: " ").prefix(9).joined(separator: " ") }
                let queries: [[String: String]] = written.map { ["style": "question", "text": $0] }
                let reply =
                    (try? JSONSerialization.data(withJSONObject: ["queries": queries])).map {
                        String(decoding: $0, as: UTF8.self)
                    } ?? ""
                return answer([
                    "choices": [["finish_reason": "stop", "message": ["content": reply]]],
                    "usage": ["prompt_tokens": 100, "completion_tokens": 20],
                ])
            }
            let texts = json["input"] as? [String] ?? []
            bill.state.withLock { $0.texts += texts }
            return answer([
                "data": texts.enumerated().map { ["index": $0, "embedding": vector($1)] },
                "usage": ["total_tokens": texts.count],
            ])
        }
    }

    /// A black box that sees the common words, and half of the rest.
    private static func vector(_ text: String) -> [Double] {
        var values = [Double](repeating: 0.01, count: 20)
        for word in text.split(separator: " ") where word.hasPrefix("f") {
            values[(Int(word.dropFirst()) ?? 0) % 20] += 1
        }
        let length = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return values.map { $0 / length }
    }

    private func withWorld(pause: Double = 0, _ body: (TinyWorld, StubHTTPServer, Bill) async throws -> Void)
        async throws
    {
        let world = try TinyWorld()
        defer { world.remove() }
        let bill = Bill()
        let server = try Self.server(bill, pause: pause)
        defer { server.stop() }
        try world.folder.write(
            TinyWorld.lines((0..<60).map { ["_id": "d\($0)", "text": Self.text($0)] }), to: "corpus.jsonl")
        try await body(world, server, bill)
    }

    private func flags(_ server: StubHTTPServer) -> [String] {
        ["--data", "corpus.jsonl", "--llm", "openai:writer", "--llm-base-url", server.url, "--cache", "cache.sqlite"]
    }

    private func blackBox(_ server: StubHTTPServer) -> [String] {
        ["--black-box", "openai:m", "--base-url", server.url]
    }

    @Test func makesACollection() async throws {
        try await withWorld { world, server, bill in
            let outcome = try await world.mafin(
                ["generate", "--output", "GEN", "--round-trip", "40", "--llm-price", "1,2", "--json"] + flags(server)
                    + blackBox(server))
            #expect(outcome.status == 0, "\(outcome.error)")
            #expect(
                outcome.error.contains("openai:writer at \(server.url): 60 of 60 prompts to send"), "\(outcome.error)")
            let report = try JSONDecoder().decode(GenerationReport.self, from: Data(outcome.output.utf8))
            #expect(
                report.generated == ["question": 180] && report.rejected["deictic"] == 6
                    && report.rejected["copied"] == 6)
            #expect(report.requests == 60 && abs((report.cost ?? 0) - 60 * (100 + 2 * 20) / 1e6) < 1e-9)
            let collection = try RetrievalCollection(contentsOf: world.url("GEN"))
            #expect(collection.documents.count == 60 && collection.splits == ["train", "dev", "test"])
            #expect(collection.queries.count == report.kept.values.reduce(0, +) && collection.queries.count > 100)
            #expect(bill.prompts.sorted() == Array(0..<60))
            #expect(Set(bill.texts).count == bill.texts.count)

            // Once more: nothing is asked, and the same comes out.
            let before = try String(contentsOf: world.url("GEN/queries.jsonl"), encoding: .utf8)
            let again = try await world.mafin(
                ["generate", "--output", "GEN", "--round-trip", "40", "--quiet"] + flags(server) + blackBox(server))
            #expect(again.status == 0 && bill.prompts.count == 60)
            #expect(try String(contentsOf: world.url("GEN/queries.jsonl"), encoding: .utf8) == before)
        }
    }

    @Test func saysWhatItWouldCostAndKeepsTheLimit() async throws {
        try await withWorld { world, server, bill in
            let plan = try await world.mafin(
                ["generate", "--output", "GEN", "--dry-run", "--llm-price", "1,2"] + flags(server))
            #expect(
                plan.status == 0 && plan.output.contains("60, 0 cached, 60 to send")
                    && plan.output.contains("at most 0."), "\(plan.output)")
            let refused = try await world.mafin(
                ["generate", "--output", "GEN", "--llm-price", "1,2", "--llm-max-cost", "0.001"] + flags(server))
            #expect(
                refused.status == CommandStatus.budget.rawValue && refused.error.contains("nothing was sent"),
                "\(refused.error)")
            #expect(bill.prompts.isEmpty && !FileManager.default.fileExists(atPath: world.url("GEN").path))
        }
    }

    /// The limit is one for writer and judge; the writer's key goes to nobody else.
    @Test func theJudgeSharesTheLimitAndNotTheKey() async throws {
        try await withWorld { world, server, bill in
            let shared = try await world.mafin(
                ["generate", "--output", "GEN", "--judge", "openai:writer", "--llm-max-requests", "70"] + flags(server))
            #expect(
                shared.status == CommandStatus.budget.rawValue
                    && shared.error.contains("requests are needed and 10 are left of the 70 allowed"), "\(shared.error)"
            )
            #expect(bill.prompts.count == 60)
            let elsewhere = try await world.mafin(
                ["generate", "--output", "GEN", "--judge", "anthropic:grader"] + flags(server))
            #expect(
                elsewhere.status != 0 && elsewhere.error.contains("ANTHROPIC_API_KEY") && bill.prompts.count == 60,
                "\(elsewhere.error)")
        }
    }

    @Test func boundsOnRepliesAreSent() async throws {
        try await withWorld { world, server, _ in
            let outcome = try await world.mafin(
                ["generate", "--output", "GEN", "--llm-max-tokens", "4000"] + flags(server))
            #expect(outcome.status == 0, "\(outcome.error)")
            #expect(server.requests.allSatisfy { $0.json?["max_completion_tokens"] as? Int == 4000 })
        }
    }

    /// Killed in the middle: the next run asks what is missing, and nothing twice.
    @Test func goesOnAfterAKill() async throws {
        try await withWorld(pause: 0.03) { world, server, bill in
            let arguments = ["generate", "--output", "GEN", "--llm-concurrency", "2"] + flags(server)
            let run = try Program.start(arguments, in: world.folder)
            while bill.prompts.count < 15, !run.hasEnded { try await Task.sleep(for: .milliseconds(2)) }
            kill(run.identifier, SIGKILL)
            _ = try await run.outcome()
            #expect(!FileManager.default.fileExists(atPath: world.url("GEN").path))
            let before = bill.prompts.count
            let outcome = try await world.mafin(arguments)
            #expect(
                outcome.status == 0 && FileManager.default.fileExists(atPath: world.url("GEN/qrels/train.tsv").path),
                "\(outcome.error)")
            // What was in flight when the kill came is asked again: two, and the one whose reply was not yet written.
            #expect(bill.prompts.count - 60 <= 3 && before >= 15 && Set(bill.prompts).count == 60)
        }
    }

    /// In a folder whose name begins with a dash, which no command line in between may take for a flag.
    @Test func adaptRunsTheWholePath() async throws {
        try await withWorld { world, server, _ in
            try world.folder.write(
                "name = \"house\"\nextends = \"openai\"\n[endpoint]\nbase_url = \"\(server.url)\"\nkey_required = false\n",
                to: "house.toml")
            let outcome = try await world.mafin(
                [
                    "adapt", "--output=-odd out", "--encoder", "model", "--time", "2s", "--rivals", "none", "--threads",
                    "2", "--round-trip", "60", "--provider-file", "house.toml", "--black-box", "house:m",
                ] + flags(server))
            #expect(outcome.status == 0, "\(outcome.error)")
            #expect(outcome.output.contains("black-box") && outcome.output.contains("mafin"), "\(outcome.output)")
            #expect(FileManager.default.fileExists(atPath: world.url("-odd out/artefact/manifest.json").path))
            #expect(FileManager.default.fileExists(atPath: world.url("-odd out/collection/generation.json").path))
        }
    }

    @Test func withoutALanguageModel() async throws {
        try await withWorld { world, server, bill in
            let outcome = try await world.mafin(
                [
                    "generate", "--without-llm", "--data", "corpus.jsonl", "--output", "GEN", "--pieces", "crop",
                    "--per-passage", "2",
                ])
            #expect(outcome.status == 0 && outcome.output.contains("pieces of the passages (crop)"), "\(outcome.error)")
            #expect(bill.prompts.isEmpty && server.requests.isEmpty)
            #expect(try RetrievalCollection(contentsOf: world.url("GEN")).queries.count > 60)
        }
    }

    /// A collection's own labels stay what is measured on.
    @Test func ownLabelsAreKept() async throws {
        try await withWorld { world, _, _ in
            let outcome = try await world.mafin(
                ["generate", "--without-llm", "--data", "data", "--output", "GEN", "--keep-labels"])
            #expect(
                outcome.status == CommandStatus.data.rawValue && outcome.error.contains("40 characters"),
                "\(outcome.error)")
            try world.folder.write(
                TinyWorld.lines((0..<60).map { ["_id": "d\($0)", "text": Self.text($0)] }), to: "data/corpus.jsonl")
            let kept = try await world.mafin([
                "generate", "--without-llm", "--data", "data", "--output", "GEN", "--keep-labels",
            ])
            #expect(kept.status == 0, "\(kept.error)")
            let collection = try RetrievalCollection(contentsOf: world.url("GEN"))
            let own = try RetrievalCollection(contentsOf: world.url("data"))
            #expect(try collection.qrels(split: "test") == own.qrels(split: "test"))
            #expect(try collection.qrels(split: "dev") == own.qrels(split: "dev"))
            #expect(try collection.qrels(split: "train").queryIds.allSatisfy { $0.hasPrefix("g") })
        }
    }

    @Test(arguments: [
        (["--llm", "opnai:m"], "there is no provider 'opnai'; did you mean 'openai'?", CommandStatus.usage),
        (["--llm", "voyage:m"], "no chat API", .usage), (["--llm", "openai:m"], "OPENAI_API_KEY", .usage),
        (["--without-llm", "--llm", "openai:m"], "--without-llm", .usage), ([], "--llm", .usage),
        (["--without-llm", "--mix", "poem"], "not a mix of styles", .usage),
        (["--without-llm", "--black-box", "vectors:vectors"], "--round-trip 0", .usage),
        (["--llm", "openai:m", "--llm-base-url", "http://127.0.0.1:1", "--examples", "nowhere"], "nowhere", .data),
    ])
    func faultsAreNamed(arguments: [String], words: String, status: CommandStatus) async throws {
        try await withWorld { world, _, _ in
            let outcome = try await world.mafin(["generate", "--data", "corpus.jsonl", "--output", "GEN"] + arguments)
            #expect(outcome.status == status.rawValue && outcome.error.contains(words), "\(outcome.error)")
            #expect(!FileManager.default.fileExists(atPath: world.url("GEN").path))
        }
    }
}

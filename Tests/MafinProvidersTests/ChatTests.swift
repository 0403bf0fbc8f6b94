import Foundation
import MafinBlackBox
import MafinGeneration
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinProviders

@Suite struct ChatTests {
    // MARK: - Dialects

    @Test(arguments: [("openai", ChatForm.Dialect.openAI), ("anthropic", .anthropic), ("ollama", .ollama)])
    func speaksTheDialect(provider: String, dialect: ChatForm.Dialect) async throws {
        let server = try ChatServer(dialect)
        defer { server.stop() }
        let replies = try await server.model(provider).replies(prompts(["a", "b"]))
        #expect(replies.map(\.text) == ["reply to a", "reply to b"])
        #expect(
            replies.allSatisfy { $0.inputTokens == 11 && $0.outputTokens == 7 && !$0.isCutOff && $0.refusal == nil })
        let request = try #require(server.requests.first)
        let json = try #require(request.json)
        #expect(json["model"] as? String == "writer")
        switch dialect {
        case .openAI:
            #expect(
                request.target == "/v1/chat/completions"
                    && request.headers["authorization"] == "Bearer \(ChatServer.key)")
            let format = try #require(json["response_format"] as? [String: Any])
            #expect(format["type"] as? String == "json_schema" && json["max_completion_tokens"] as? Int == 50)
            #expect(
                (json["messages"] as? [[String: String]])?.map { $0["role"] } == ["system", "user"]
                    && json["seed"] as? Int == 3)
        case .anthropic:
            #expect(request.target == "/v1/messages" && request.headers["x-api-key"] == ChatServer.key)
            #expect(request.headers["anthropic-version"] == "2023-06-01" && request.headers["authorization"] == nil)
            #expect(json["system"] as? String == "be brief" && json["max_tokens"] as? Int == 50 && json["seed"] == nil)
        case .ollama:
            #expect(request.target == "/api/chat" && json["stream"] as? Bool == false)
            #expect(json["format"] as? [String: String] == ["type": "object"])
            #expect((json["options"] as? [String: Any])?["num_predict"] as? Int == 50)
        }
    }

    @Test func providerWithoutVectorsIsNotAskedForThem() throws {
        let profile = try ProfileCatalog.builtIn.profile("anthropic")
        #expect(throws: ProviderError.self) { try ProviderBlackBox(profile, model: "m") }
        #expect(throws: ProviderError.self) { try ChatModel(ProfileCatalog.builtIn.profile("voyage"), model: "m") }
    }

    @Test func cutAndRefusedRepliesAreTold() async throws {
        let server = try ChatServer { call in
            switch call.prompt {
            case "long": .text(ChatServer.answer(.openAI, "half", reason: "length"))
            case "bad": .text(ChatServer.answer(.openAI, "", reason: "content_filter"))
            case "filtered":
                .text(#"{"error":{"message":"The response was filtered","code":"content_filter"}}"#, status: 400)
            default: nil
            }
        }
        defer { server.stop() }
        let replies = try await server.model().replies(prompts(["long", "bad", "filtered", "good"]))
        #expect(replies.map(\.isCutOff) == [true, false, false, false])
        #expect(replies.map { $0.refusal != nil } == [false, true, true, false])
    }

    // MARK: - What a server does not know

    @Test func stepsBackFromWhatIsUnknown() async throws {
        let server = try ChatServer { call in
            func refuse(_ words: String) -> StubHTTPServer.Response {
                .text(#"{"error":{"message":"\#(words)"}}"#, status: 400)
            }
            let json = call.json
            if json["max_completion_tokens"] != nil {
                return refuse("Unrecognized request argument supplied: max_completion_tokens")
            }
            if let format = json["response_format"] as? [String: Any] {
                return refuse("response_format \(format["type"] as? String ?? "") is not supported by this model")
            }
            if json["temperature"] != nil {
                return refuse("Unsupported value: temperature does not support 0.7 with this model")
            }
            return nil
        }
        defer { server.stop() }
        let model = try server.model(options: ChatModel.Options(maximumConcurrentRequests: 1))
        #expect(
            try await model.replies(prompts(["a", "b", "c"])).map(\.text) == ["reply to a", "reply to b", "reply to c"])
        // The first prompt is refused four times, each time for one setting; the others are sent once.
        #expect(server.requests.count == 4 + 3)
    }

    // MARK: - Faults

    @Test func nothingIsLostOrAskedTwiceInAStorm() async throws {
        let server = try ChatServer { call in
            switch (call.number &* 7919) % 6 {
            case 0: .text(#"{"error":{"message":"slow down"}}"#, status: 429, headers: ["retry-after-ms": "3"])
            case 1: .text("<html>bad gateway</html>", status: 502)
            case 2: StubHTTPServer.Response(status: 200, delivery: .hangUp)
            case 3: .text(#"{"error":{"message":"Overloaded","type":"overloaded_error"}}"#, status: 200)
            default: nil
            }
        }
        defer { server.stop() }
        var options = ChatModel.Options(maximumConcurrentRequests: 6)
        options.retry.maximumAttempts = 60
        let texts = (0..<40).map { "p\($0)" }
        let replies = try await server.model(options: options).replies(prompts(texts))
        #expect(replies.map(\.text) == texts.map { "reply to \($0)" })
        #expect(server.paid.sorted() == texts.sorted())
    }

    @Test(arguments: [
        (401, #"{"error":{"message":"Incorrect API key provided: sk-very-secret-key","code":"invalid_api_key"}}"#),
        (429, #"{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}"#),
        (404, #"{"error":{"message":"The model 'writer' does not exist","code":"model_not_found"}}"#),
        (400, #"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}"#),
    ])
    func finalErrorsStopAtOnce(status: Int, body: String) async throws {
        let server = try ChatServer { _ in .text(body, status: status) }
        defer { server.stop() }
        do {
            _ = try await server.model().replies(prompts((0..<50).map { "p\($0)" }))
            Issue.record("no error")
        } catch let error as ProviderError {
            #expect(!"\(error)".contains(ChatServer.key) && "\(error)".contains("\(status)"))
        }
        #expect(server.requests.count <= 4)
    }

    /// Some vendors write "quota" and "billing" in the message of a rate limit per minute.
    @Test(arguments: RateTests.rates) func ratesAreNoEndOfTheAccount(body: String, header: String?) async throws {
        let server = try ChatServer { call in
            call.number > 0
                ? nil
                : .text(
                    body.replacingOccurrences(of: "\"26s\"", with: "\"0.02s\"").replacingOccurrences(
                        of: "in 20s", with: "in 20ms"), status: 429,
                    headers: header == nil ? [:] : ["retry-after-ms": "5"])
        }
        defer { server.stop() }
        let options = ChatModel.Options(maximumConcurrentRequests: 1)
        #expect(try await server.model(options: options).replies(prompts(["a"])).map(\.text) == ["reply to a"])
    }

    /// Reasoning models can use up a low token limit before the reply begins.
    @Test func emptyCutOffRepliesAreNoticedAndNotKept() async throws {
        let server = try ChatServer { call in
            (call.json["max_completion_tokens"] as? Int ?? 0) < 100
                ? .text(ChatServer.answer(.openAI, " ", reason: "length")) : nil
        }
        defer { server.stop() }
        try await TemporaryFolder.with { folder in
            let cache = try EmbeddingCache(file: folder.url.appendingPathComponent("cache.sqlite"))
            let model = CachedLanguageModel(
                try server.model(options: ChatModel.Options(maximumConcurrentRequests: 2)), cache: cache)
            let asked = prompts((0..<50).map { "p\($0)" })
            let text = await message { _ = try await model.replies(asked) }
            #expect(
                text.contains("the first 10 replies are empty or cut off at 50 tokens")
                    && text.contains("--llm-max-tokens"), "\(text)")
            #expect(server.requests.count <= 12)
            #expect(try await model.missing(asked).count == 50)
            let more = asked.map { prompt in
                var prompt = prompt
                prompt.maximumTokens = 4096
                return prompt
            }
            #expect(try await model.replies(more).count == 50)
        }
    }

    /// A reply that ended by itself would be the same under any token limit; one that was cut off would not.
    @Test func anotherBoundAsksOnlyWhatWasCutOff() async throws {
        let server = try ChatServer { call in
            call.prompt == "long" && (call.json["max_completion_tokens"] as? Int ?? 0) < 100
                ? .text(ChatServer.answer(.openAI, "half of", reason: "length")) : nil
        }
        defer { server.stop() }
        try await TemporaryFolder.with { folder in
            let cache = try EmbeddingCache(file: folder.url.appendingPathComponent("cache.sqlite"))
            let model = CachedLanguageModel(try server.model(), cache: cache)
            func asked(tokens: Int) -> [LanguagePrompt] {
                ["short", "long"].map { LanguagePrompt(system: "", user: $0, maximumTokens: tokens) }
            }
            #expect(try await model.replies(asked(tokens: 50)).map(\.text) == ["reply to short", "half of"])
            #expect(try await model.missing(asked(tokens: 20)).isEmpty)
            #expect(try await model.missing(asked(tokens: 200)).map(\.user) == ["long"])
            #expect(
                try await model.replies(asked(tokens: 200)).map(\.text) == ["reply to short", "reply to long"])
            #expect(server.requests.count == 3)
            #expect(try await model.replies(asked(tokens: 50)).map(\.text) == ["reply to short", "reply to long"])
            #expect(server.requests.count == 3)
        }
    }

    /// The writer and the judge share one limit.
    @Test func modelsShareWhatMayBeSpent() async throws {
        let server = try ChatServer()
        defer { server.stop() }
        let spending = ChatModel.spending(requests: 5, cost: nil)
        let options = ChatModel.Options(maximumConcurrentRequests: 1, maximumRequests: 5, sharedSpending: spending)
        let (writer, judge) = (try server.model(options: options), try server.model(options: options))
        _ = try await writer.replies(prompts(["a", "b", "c"]))
        let text = await message { _ = try await judge.replies(prompts(["d", "e", "f"])) }
        #expect(text.contains("all 5 requests allowed are used up") && server.paid.count == 5, "\(text)")
        #expect(judge.spent.requests == 5)
    }

    @Test func aServerThatRefusesAllIsNotAskedToTheEnd() async throws {
        let server = try ChatServer { _ in .text(#"{"error":{"message":"cannot do this"}}"#, status: 422) }
        defer { server.stop() }
        let model = try server.model()
        await #expect(throws: ProviderError.refused(endpoint: model.url, status: 400, message: "cannot do this")) {
            _ = try await model.replies(prompts((0..<50).map { "p\($0)" }))
        }
        #expect(server.requests.count <= 10)
    }

    @Test func nothingIsSentAboveTheLimit() async throws {
        let server = try ChatServer()
        defer { server.stop() }
        var options = ChatModel.Options(maximumConcurrentRequests: 1, price: ChatPrice(input: 1, output: 10))
        let one = Double(ChatModel.estimatedTokens(of: prompts(["a"])[0])) / 1e6 + 50 * 10 / 1e6
        options.maximumCost = one * 1.05
        let model = try server.model(options: options)
        let count = Mutex(0)
        await #expect(throws: ProviderError.self) {
            try await model.answer(prompts(["a", "b", "c", "d"])) { _, _ in count.withLock { $0 += 1 } }
        }
        // 11 input and 7 output tokens cost less than was reserved for each request, so a few requests fit; their cost
        // is below the limit.
        #expect(model.spent.cost <= one * 1.05 && count.withLock { $0 } == server.requests.count)
        #expect(throws: ProviderError.self) {
            _ = try server.model(options: ChatModel.Options(maximumCost: 1))
        }
    }

    // MARK: - Cache

    @Test func repliesAreAskedOnce() async throws {
        try await TemporaryFolder.with { folder in
            let server = try ChatServer { call in
                call.prompt == "bad" ? .text(#"{"error":{"message":"filtered"}}"#, status: 400) : nil
            }
            defer { server.stop() }
            let file = folder.url.appendingPathComponent("cache.sqlite")
            let first = CachedLanguageModel(try server.model(), cache: try EmbeddingCache(file: file))
            let asked = prompts(["a", "b", "a", "bad", "c"])
            #expect(try await first.missing(asked).count == 4)
            #expect(
                try await first.replies(asked).map(\.text) == [
                    "reply to a", "reply to b", "reply to a", "", "reply to c",
                ])
            #expect(server.paid.sorted() == ["a", "b", "c"])
            // A later process sends only the prompts that were refused.
            let second = CachedLanguageModel(try server.model(), cache: try EmbeddingCache(file: file))
            _ = try await second.replies(asked)
            #expect(server.paid.count == 3 && server.requests.count == 5)
            // Another seed is another prompt.
            var other = asked[0]
            other.seed = 4
            #expect(try await second.missing([other]).count == 1)
        }
    }

    @Test func twoProcessesAskOnce() async throws {
        try await TemporaryFolder.with { folder in
            let server = try ChatServer(misbehave: { _ in
                Thread.sleep(forTimeInterval: 0.01)
                return nil
            })
            defer { server.stop() }
            let file = folder.url.appendingPathComponent("cache.sqlite")
            let asked = prompts((0..<30).map { "p\($0)" })
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<3 {
                    let model = CachedLanguageModel(try server.model(), cache: try EmbeddingCache(file: file))
                    group.addTask {
                        let replies = try await model.replies(asked)
                        #expect(replies.map(\.text) == asked.map { "reply to \($0.user)" })
                    }
                }
                try await group.waitForAll()
            }
            #expect(server.paid.count == 30 && Set(server.paid).count == 30)
        }
    }
}

import Foundation
import MafinBlackBox
import MafinNumerics
import MafinPipeline
import MafinTestSupport
import Testing

@testable import MafinProviders

@Suite struct PlanTests {
    private func plan(
        _ provider: String, model: String, _ texts: [(TextRole, [String])], cache: EmbeddingCache, local: Int? = nil,
        change: (inout ProviderBlackBox.Options) -> Void = { _ in }
    ) async throws -> EmbeddingPlan {
        var options = ProviderBlackBox.Options()
        change(&options)
        let box = try ProviderBlackBox(
            ProfileCatalog.builtIn.profile(provider), model: model, apiKey: try APIKey(Dialect.key), options: options,
            environment: [:])
        return try await EmbeddingPlan(
            box, cache: cache, texts: texts.map { ($0.0, items($0.1)) },
            ruler: TokenRuler(bytesPerToken: box.profile.tokens.bytesPerToken),
            localDimension: local)
    }

    @Test func countsTextsRequestsMinutesAndMoney() async throws {
        try await TemporaryFolder.with { folder in
            let cache = try EmbeddingCache(file: folder.url.appendingPathComponent("cache.sqlite"))
            let texts = (0..<500).map { "text number \($0)" } + ["text number 1"]
            let plan = try await plan(
                "cohere", model: "embed-v4.0", [(.document, texts), (.query, ["a query"])], cache: cache, local: 384
            ) {
                $0.spending = SpendingLimit(pricePerMillionTokens: 0.12)
                $0.limits = BatchLimits(items: 96)
            }
            #expect(plan.toAsk == 501 && plan.parts.map(\.distinct) == [500, 1])
            #expect(plan.requests == 6 + 1)  // 96 texts to a request
            // The limit is 2,000 texts a minute, each counted as a request.
            #expect(abs((plan.minutes ?? 0) - 501.0 / 2000) < 1e-9)
            #expect(abs((plan.cost ?? 0) - Double(plan.tokens) * 0.12 / 1e6) < 1e-12)
            #expect(plan.summary.contains("at most \(plan.tokens) tokens (estimated)"), "\(plan.summary)")
            #expect(plan.joinedDimension == 1920 && plan.indexesTooSmall.isEmpty && plan.batchSaving == nil)
            #expect(
                plan.summary.hasPrefix("cohere:embed-v4.0 at api.cohere.com: 501 of 501 distinct texts to send"),
                "\(plan.summary)")
        }
    }

    @Test func indexesThatWouldNotTakeTheVectorAreNamed() async throws {
        try await TemporaryFolder.with { folder in
            let cache = try EmbeddingCache(file: folder.url.appendingPathComponent("cache.sqlite"))
            let plan = try await plan(
                "openai", model: "text-embedding-3-large", [(.query, ["a"])], cache: cache, local: 384
            ) {
                $0.spending = SpendingLimit(pricePerMillionTokens: 0.13)
            }
            #expect(plan.joinedDimension == 3456 && plan.indexesTooSmall.map(\.dimension) == [2000])
            #expect(plan.batchSaving.map { abs($0 - (plan.cost ?? 0) / 2) < 1e-15 } ?? false)
        }
    }

    @Test func longTextsAreListed() async throws {
        try await TemporaryFolder.with { folder in
            let cache = try EmbeddingCache(file: folder.url.appendingPathComponent("cache.sqlite"))
            let texts = ["short", String(repeating: "a", count: 3 * 9000), String(repeating: "b", count: 3 * 20_000)]
            let plan = try await plan("openai", model: "text-embedding-3-small", [(.document, texts)], cache: cache)
            #expect(plan.parts[0].mayBeOverLimit == ["d1"] && plan.parts[0].overLimit == ["d2"])
        }
    }

    @Test func batchesArePromisedWhereThereAreSome() async throws {
        try await TemporaryFolder.with { folder in
            let cache = try EmbeddingCache(file: folder.url.appendingPathComponent("cache.sqlite"))
            for name in ["llama-cpp", "vllm", "infinity", "azure-classic"] {
                let box = try ProviderBlackBox(ProfileCatalog.builtIn.profile(name), model: "m", baseURL: "http://h")
                let plan = try await EmbeddingPlan(
                    box, cache: cache, texts: [(.query, items(["a"]))], ruler: TokenRuler())
                #expect(plan.batchDiscount == nil && !plan.rows.contains { $0.name == "batch API" }, "\(name)")
            }
            var options = ProviderBlackBox.Options()
            options.spending = SpendingLimit(cost: 150e-6, pricePerMillionTokens: 1)
            let box = try ProviderBlackBox(
                ProfileCatalog.builtIn.profile("openai"), model: "m", apiKey: APIKey(Dialect.key), options: options)
            let texts = items([String(repeating: "a", count: 3 * 100)])
            let plain = try await EmbeddingPlan(box, cache: cache, texts: [(.query, texts)], ruler: TokenRuler())
            let batch = try await EmbeddingPlan(
                box, cache: cache, texts: [(.query, texts)], ruler: TokenRuler(), isInBatches: true)
            #expect(plain.cost == (batch.cost ?? 0) * 2 && batch.batchSaving == nil)
            await #expect(throws: ProviderError.self) { try await plain.require(withinLimitOf: box) }
            try await batch.require(withinLimitOf: box)
        }
    }

    /// A run whose pieces are all cached plans no cost, and sends no request.
    @Test(arguments: [OverflowPolicy.truncate, .splitMean], [nil, 12, 40])
    func piecesOfLongTextsAreFoundAgain(policy: OverflowPolicy, limit: Int?) async throws {
        try await TemporaryFolder.with { folder in
            let cache = try EmbeddingCache(file: folder.url.appendingPathComponent("cache.sqlite"))
            let server = try EmbeddingServer { call in
                call.texts.contains { $0.split(separator: " ").count > 10 }
                    ? .text(#"{"error":{"message":"maximum context length is 10 tokens"}}"#, status: 400) : nil
            }
            defer { server.stop() }
            // Some texts are too long by their bytes, some only by the server's count, and parts of some by both.
            let texts =
                (0..<20).map { "short \($0)" }
                + (0..<20).map { n in (0..<13).map { "\(n)a\($0)" }.joined(separator: " ") }
                + (0..<9).map { n in
                    (0..<90).map { $0 < 40 ? "\(n) \($0)" : "long\(n)word\($0)" }.joined(separator: " ")
                }
            let box = try server.blackBox()
            let whole = OverflowBlackBox(
                CachedBlackBox(box, cache: cache), policy: policy, limit: limit, ruler: TokenRuler(), cache: cache)
            let vectors = try await whole.embed(items(texts), as: .document)
            let (paid, requests) = (server.paid, server.requests.count)
            #expect(Set(paid).count == paid.count && vectors.rows == 49)
            let stated = try box.profile.overriding(
                toml: "[limits]\ntext_tokens = \(limit ?? 1_000_000)", source: "test")
            let plan = try await EmbeddingPlan(
                ProviderBlackBox(stated, model: "m", baseURL: server.url), cache: cache,
                texts: [(.document, items(texts))], ruler: TokenRuler(), overflow: policy)
            if limit != nil { #expect(plan.toAsk == 0 && plan.tokens == 0 && plan.requests == 0, "\(plan.parts)") }
            #expect(try await whole.embed(items(texts), as: .document) == vectors)
            #expect(server.requests.count == requests)
        }
    }

    @Test func cachedTextsCostNothingAndEarlierCountsAreAMeasure() async throws {
        try await TemporaryFolder.with { folder in
            let cache = try EmbeddingCache(file: folder.url.appendingPathComponent("cache.sqlite"))
            let server = try EmbeddingServer()
            defer { server.stop() }
            let texts = (0..<200).map { "number \($0) of many" }
            let box = try server.blackBox()
            _ = try await CachedBlackBox(box, cache: cache).embed(items(texts), as: .document)
            let plan = try await EmbeddingPlan(
                box, cache: cache, texts: [(.document, items(texts + ["number 1000 of many"]))], ruler: TokenRuler())
            #expect(plan.toAsk == 1 && plan.parts[0].cached == 200)
            // The server counted 6 tokens for each of about 18 bytes.
            #expect(plan.expectedTokens.map { (5...7).contains($0) } ?? false)
            let all = try await EmbeddingPlan(
                box, cache: cache, texts: [(.document, items(texts))], ruler: TokenRuler())
            #expect(all.summary == "openai:m: all 200 distinct texts are cached, nothing is sent")
        }
    }

    @Test func nothingIsSentAboveTheLimit() async throws {
        let server = try EmbeddingServer()
        defer { server.stop() }
        let texts = items((0..<40).map { "text \($0)" })
        let few = try server.blackBox { $0.spending = SpendingLimit(requests: 5) }
        let text = await message { _ = try await few.embed(texts, as: .document) }
        #expect(text.contains("10 requests are needed and 5 are left") && server.requests.isEmpty, "\(text)")
        let cheap = try server.blackBox { $0.spending = SpendingLimit(cost: 0.0001, pricePerMillionTokens: 1) }
        let words = await message { _ = try await cheap.embed(texts, as: .document) }
        #expect(words.contains("nothing was sent") && server.requests.isEmpty, "\(words)")
    }

    @Test func blackBoxesWithSharedSpendingHaveOneLimit() async throws {
        let server = try EmbeddingServer()
        defer { server.stop() }
        let spending = Spending(limit: SpendingLimit(requests: 1))
        let boxes = try (0..<2).map { _ in try server.blackBox { $0.sharedSpending = spending } }
        _ = try await boxes[0].embed(items(["a"]), as: .document)
        let text = await message { _ = try await boxes[1].embed(items(["b"]), as: .document) }
        #expect(text.contains("0 are left of the 1 allowed") && server.requests.count == 1, "\(text)")
        #expect(boxes[1].spent.requests == 1 && boxes[1].spendingLimit.requests == 1)
    }

    /// The server asks for a wait longer than the client's limit: the error says when to try again.
    @Test func theDelayThatAServerAsksForIsInTheError() async throws {
        let server = try EmbeddingServer { _ in
            .text(#"{"error":{"message":"slow down"}}"#, status: 429, headers: ["retry-after": "7"])
        }
        defer { server.stop() }
        let box = try server.blackBox { $0.retry = RetryPolicy(maximumAttempts: 2, longestServerDelay: .seconds(1)) }
        do {
            _ = try await box.embed(items(["a"]), as: .document)
            Issue.record("it is busy")
        } catch ProviderError.unavailable(_, let attempts, let reason, let delay) {
            #expect(attempts == 1 && reason.contains("slow down") && delay == .seconds(7))
        }
        #expect(server.requests.count == 1)
    }
}

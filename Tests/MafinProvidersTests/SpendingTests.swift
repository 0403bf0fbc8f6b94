import Foundation
import MafinBlackBox
import MafinGeneration
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinProviders

/// A spending limit holds whatever a server does, and requests that were never sent cost nothing.
@Suite struct SpendingTests {
    private static let text = "how do statins work"
    private static let answer = EmbeddingServer.answer([text], base64: true)

    /// At this price one request with the text costs at most 4.
    private static var price: Double { 4e6 / Double(TokenEstimate.upperBound(of: text)) }

    // MARK: - Limits

    @Test func aServerThatNeverAnswersGetsOneRequest() async throws {
        let server = try EmbeddingServer { _ in StubHTTPServer.Response(delivery: .silence(seconds: 5)) }
        defer { server.stop() }
        let box = try server.blackBox(attempts: 8, timeout: .milliseconds(300)) {
            $0.spending = SpendingLimit(cost: 5, pricePerMillionTokens: Self.price)
        }
        let text = await message { _ = try await box.embed(items([Self.text]), as: .document) }
        #expect(text.contains("could cost more than is left of the 5.00 allowed"), "\(text)")
        #expect(server.requests.count == 1)
    }

    @Test func aChatServerThatNeverAnswersGetsOneRequest() async throws {
        let server = try ChatServer { _ in StubHTTPServer.Response(delivery: .silence(seconds: 5)) }
        defer { server.stop() }
        let prompt = LanguagePrompt(system: "", user: Self.text, maximumTokens: 50)
        let price = 4e6 / Double(ChatModel.estimatedTokens(of: prompt) + 50)
        let model = try server.model(
            options: ChatModel.Options(
                retry: RetryPolicy(maximumAttempts: 8, firstDelay: .milliseconds(1)),
                connection: ConnectionSettings(timeout: .milliseconds(300)),
                price: ChatPrice(input: price, output: price), maximumCost: 5))
        let text = await message { try await model.answer([prompt]) { _, _ in } }
        #expect(text.contains("could cost more than is left of the 5.00 allowed"), "\(text)")
        #expect(server.requests.count == 1)
    }

    @Test func aProbeStopsAtTheLimit() async throws {
        let server = try EmbeddingServer()
        defer { server.stop() }
        let box = try server.blackBox { $0.spending = SpendingLimit(requests: 1) }
        let text = await message { _ = try await ProviderProbe(box).run(limits: true) }
        #expect(text.contains("all 1 requests allowed are used up"), "\(text)")
        #expect(server.requests.count == 1)
        let cheap = try server.blackBox { $0.spending = SpendingLimit(cost: 1e-5, pricePerMillionTokens: 1) }
        let words = await message { _ = try await ProviderProbe(cheap).run() }
        #expect(words.contains("allowed") && server.requests.count == 1, "\(words)")
    }

    /// The error names the jobs that were begun before the limit was reached.
    @Test func aBatchThatWouldCostTooMuchIsNotBegun() async throws {
        let server = try BatchServer()
        defer { server.stop() }
        try await TemporaryFolder.with { folder in
            let cache = try EmbeddingCache(file: folder.url.appendingPathComponent("cache.sqlite"))
            let texts = (0..<8).map { "t\($0)" }
            let job = Double(texts.prefix(4).reduce(0) { $0 + TokenEstimate.upperBound(of: $1) }) / 2  // half price
            let box = try ProviderBlackBox(
                ProfileCatalog.builtIn.profile("openai").overriding(toml: "[batch]\nitems = 4", source: "test"),
                model: "m", baseURL: server.url, apiKey: try APIKey(Dialect.key),
                options: ProviderBlackBox.Options(
                    limits: BatchLimits(items: 4),
                    spending: SpendingLimit(cost: 1.5 * job / 1e6, pricePerMillionTokens: 1), sharing: cache),
                environment: [:])
            let batched = try BatchedBlackBox(box, cache: cache, waiting: .no)
            let text = await message { _ = try await batched.embed(items(texts), as: .document) }
            #expect(text.contains("before that, 1 batch of 4 texts was begun"), "\(text)")
            #expect(server.requests.count { $0 == "POST /v1/batches" } == 1)
            #expect(box.spent.tokens == Int(job))
        }
    }

    // MARK: - What counts as spent

    enum Outcome: CaseIterable {
        case silence, hangUp, cut, page, noVectors, gatewayTimeout, overloaded, refused, tooMany, answered

        var response: StubHTTPServer.Response {
            switch self {
            case .silence: StubHTTPServer.Response(delivery: .silence(seconds: 5))
            case .hangUp: .text("", delivery: .hangUp)
            case .cut: .text(SpendingTests.answer, delivery: .cut(after: 40))
            case .page: .text("<html>welcome</html>")
            case .noVectors: .text(#"{"data": []}"#)
            case .gatewayTimeout: .text("", status: 504)
            case .overloaded: .text("", status: 503)
            case .refused: .text(#"{"error":{"message":"no"}}"#, status: 401)
            case .tooMany: .text(#"{"error":{"message":"slow down"}}"#, status: 429)
            case .answered: .text(SpendingTests.answer)
            }
        }

        /// Whether the vendor may bill a request that ends in this way, although it reported no token count.
        var isSpent: Bool {
            switch self {
            case .silence, .hangUp, .cut, .page, .noVectors, .gatewayTimeout: true
            case .overloaded, .refused, .tooMany, .answered: false
            }
        }
    }

    @Test(arguments: Outcome.allCases)
    func unansweredRequestsCountAsSpentUnlessRefused(outcome: Outcome) async throws {
        let server = try EmbeddingServer { _ in outcome.response }
        defer { server.stop() }
        let box = try server.blackBox(attempts: 1, timeout: .milliseconds(300)) {
            $0.spending = SpendingLimit(pricePerMillionTokens: 1)
        }
        _ = try? await box.embed(items([Self.text]), as: .document)
        let requests = server.requests.count
        #expect(requests >= 1 && box.spent.requests == requests)
        let booked = requests * TokenEstimate.upperBound(of: Self.text)
        // The server's answer says that it has counted 8 tokens.
        #expect(box.spent.tokens == (outcome == .answered ? 8 : outcome.isSpent ? booked : 0))
    }

    @Test func aRefusedConnectionCostsNothing() async throws {
        let server = try EmbeddingServer()
        let box = try server.blackBox(attempts: 1)
        server.stop()
        let text = await message { _ = try await box.embed(items([Self.text]), as: .document) }
        #expect(text.contains("connection failed") || text.contains("no connection"), "\(text)")
        #expect(box.spent.tokens == 0)
    }

    @Test func aCancelledRequestCountsAsSpent() async throws {
        let server = try EmbeddingServer { _ in StubHTTPServer.Response(delivery: .silence(seconds: 5)) }
        defer { server.stop() }
        let box = try server.blackBox()
        let call = Task { try await box.embed(items([Self.text]), as: .document) }
        while server.requests.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        call.cancel()
        await #expect(throws: CancellationError.self) { try await call.value }
        #expect(box.spent.tokens == TokenEstimate.upperBound(of: Self.text))
    }

    // MARK: - Days

    /// A daily limit holds for all processes that use a cache file, and after a restart.
    @Test func aDayHasOneBudget() async throws {
        let server = try EmbeddingServer { _ in StubHTTPServer.Response(delivery: .silence(seconds: 5)) }
        defer { server.stop() }
        try await TemporaryFolder.with { folder in
            let file = folder.url.appendingPathComponent("cache.sqlite")
            func ask() async throws -> (words: String, cache: EmbeddingCache) {
                let cache = try EmbeddingCache(file: file)
                let box = try server.blackBox(attempts: 1, timeout: .milliseconds(300)) {
                    $0.spending = SpendingLimit(costPerDay: 9, pricePerMillionTokens: Self.price)
                    $0.sharing = cache
                }
                let words = await message { _ = try await box.embed(items([Self.text]), as: .document) }
                return (words, cache)
            }
            for number in 1...2 {
                let (words, cache) = try await ask()
                #expect(words.contains("no answer"), "\(words)")
                let spent = try await cache.spentToday(for: .vectors)
                #expect(spent.requests == number && abs(spent.cost - 4 * Double(number)) < 0.01, "\(spent)")
            }
            let (words, cache) = try await ask()
            #expect(words.contains("1.00 is left of the 9.00 allowed today"), "\(words)")
            #expect(server.requests.count == 2)
            #expect(try await cache.spentToday(for: .replies).requests == 0)
        }
    }

    /// An amount counts only for its day, and a correction counts for the day of its request.
    @Test func daysAreCountedApart() async throws {
        try await TemporaryFolder.with { folder in
            let cache = try EmbeddingCache(file: folder.url.appendingPathComponent("cache.sqlite"))
            for ledger: any AccountLedger in [cache.ledger, LocalLedger()] as [any AccountLedger] {
                func spend(_ cost: Double, _ day: Int) async throws -> Bool {
                    try await ledger.spend(
                        DailySpending(requests: 1, cost: cost), by: "a", for: .vectors, on: day, limit: 5)
                }
                #expect(try await spend(4, 20_000))
                #expect(try await !spend(4, 20_000))
                #expect(try await ledger.spent(on: 20_000, for: .vectors).cost == 4)
                #expect(try await spend(4, 20_001))
                _ = try await ledger.spend(
                    DailySpending(cost: -4), by: "a", for: .vectors, on: 20_000, limit: nil)
                #expect(try await ledger.spent(on: 20_001, for: .vectors).cost == 4)
            }
        }
    }

    // MARK: - Estimates

    private struct Golden: Decodable {
        struct Text: Decodable {
            var name: String
            var text: String
            var tokens: Int
        }
        var texts: [Text]
    }

    /// Counts of five real tokenizers (Tools/write_token_goldens.py).
    @Test func noTextHasMoreTokensThanEstimated() throws {
        let goldens = try #require(Bundle.module.url(forResource: "Goldens", withExtension: nil))
        let golden = try JSONDecoder().decode(
            Golden.self, from: Data(contentsOf: goldens.appendingPathComponent("tokens.json")))
        #expect(golden.texts.count > 30)
        for text in golden.texts {
            let estimate = TokenEstimate.upperBound(of: text.text)
            #expect(estimate >= text.tokens, "\(text.name): \(estimate) for \(text.tokens)")
        }
        let prose = try #require(golden.texts.first { $0.name == "English" })
        #expect(TokenEstimate.upperBound(of: prose.text) <= 3 * prose.tokens)
    }
}

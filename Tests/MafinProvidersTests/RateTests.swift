import Foundation
import MafinBlackBox
import MafinNumerics
import MafinTestSupport
import NIOHTTP1
import Synchronization
import Testing

@testable import MafinProviders

@Suite struct RateTests {
    // MARK: - What servers say

    @Test(arguments: [
        ("1s", 1), ("6m0s", 360), ("20ms", 0.02), ("1h2m3.5s", 3723.5), ("34s", 34), ("0.5", 0.5), ("7", 7),
        ("1µs", 1e-6),
    ])
    func lengthsOfTime(text: String, seconds: Double) throws {
        let duration = try #require(RetryPolicy.duration(text))
        #expect(abs(duration.inSeconds - seconds) < 1e-9)
    }

    @Test(arguments: ["", "soon", "1x", "-3", "s", "1s2"])
    func invalidDurations(text: String) { #expect(RetryPolicy.duration(text) == nil) }

    @Test func retryHints() {
        let now = Date(timeIntervalSince1970: 784_111_777 - 30)  // half a minute before the date below
        func delay(_ milliseconds: String?, _ after: String?) -> Duration? {
            RetryPolicy.serverDelay(milliseconds: milliseconds, after: after, now: now)
        }
        #expect(delay("250", "60") == .milliseconds(250))
        #expect(delay(nil, "1.5") == .milliseconds(1500))
        #expect(delay(nil, "Sun, 06 Nov 1994 08:49:37 GMT") == .seconds(30))
        #expect(delay(nil, "2m0s") == .seconds(120))
        #expect(delay("soon", "later") == nil && delay(nil, nil) == nil && delay(nil, "-1") == nil)
    }

    @Test(arguments: [
        (
            #"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"@type":"Help"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34s"}]}}"#,
            34
        ),
        (#"[{"error":{"code":429,"message":"m","details":[{"retryDelay":"3.5s"}]}}]"#, 3.5),
        (#"{"error":{"message":"Please retry after 9 seconds."}}"#, 9),
        (#"{"error":{"message":"Rate limit reached. Please try again in 6m12.5s. Visit"}}"#, 372.5),
        (#"{"error":{"message":"Please try again in 120ms."}}"#, 0.12),
        (#"{"detail":"Please retry after 2 minutes"}"#, 120),
    ])
    func retryHintsInBodies(body: String, seconds: Double) throws {
        let delay = try #require(ServerComplaint(status: 429, body: body.utf8).retryDelay)
        #expect(abs(delay.inSeconds - seconds) < 1e-9)
    }

    @Test(
        arguments: [
            ("Requested 453357 tokens, max 300000 tokens per request", 300_000, 453_357),
            ("invalid request: total number of texts must be at most 96 - received 104", 96, 104),
            (
                "The max allowed tokens per submitted batch is 120000. Your batch has 124417 tokens after truncation.",
                120_000, 124_417
            ),
            ("Too many tokens in batch. Max is 16384 got 17555", 16384, 17555),
            ("batch size 33 > maximum allowed batch size 32", 32, 33),
            ("This model's maximum context length is 8192 tokens, however you requested 9000 tokens", 8192, 9000),
            ("at most 100 requests can be in one batch", 100, nil),
            ("Request too large for m on tokens per min (TPM): Limit 40000, Requested 120000", 40000, 120_000),
            ("input must have less than 8,192 tokens", 8192, nil), ("something else went wrong", nil, nil),
        ] as [(String, Int?, Int?)])
    func boundsInWords(words: String, allowed: Int?, sent: Int?) {
        let complaint = ServerComplaint(status: 400, body: words.utf8)
        #expect(complaint.namedLimit?.allowed == allowed && complaint.namedLimit?.sent == sent)
    }

    /// Messages of vendors that say "quota" or "billing" but are about a rate limit.
    static let rates: [(body: String, header: String?)] = [
        (
            #"{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details. For more information on this error, head over to: https://ai.google.dev/gemini-api/docs/rate-limits. * Quota exceeded for metric: generativelanguage.googleapis.com/embed_content_free_tier_requests, limit: 100","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.Help","links":[]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"26s"}]}}"#,
            nil
        ),
        (
            #"{"detail":"You have not yet added your payment method in the billing page and will have reduced rate limits of 3 RPM and 10K TPM. To unlock our standard rate limits, please add a payment method in the billing page for the appropriate organization in the user dashboard."}"#,
            nil
        ),
        (
            #"{"error":{"message":"Rate limit reached for text-embedding-3-small in organization org-a on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s. Visit https://platform.openai.com/account/rate-limits to learn more. You can increase your rate limit by adding a payment method to your account at https://platform.openai.com/account/billing.","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#,
            nil
        ),
        (#"{"error":{"message":"You exceeded your current quota"}}"#, "2"),
    ]

    @Test(arguments: rates) func ratesAreNoEndOfTheAccount(body: String, header: String?) async throws {
        var complaint = ServerComplaint(status: 429, body: body.utf8)
        complaint.retryDelay = complaint.retryDelay ?? header.map { _ in .seconds(2) }
        #expect(complaint.verdict() == .retry)
        let transport = FakeTransport(.openAI, model: "m") { number, _ in
            number == 0
                ? .respond(status: 429, headers: header.map { ["retry-after": $0] } ?? [:], body: body) : .answer
        }
        let box = try ProviderBlackBox(
            ProfileCatalog.builtIn.profile("openai"), model: "m", baseURL: "http://fake/v1",
            apiKey: APIKey(Dialect.key), transport: transport, time: VirtualTime())
        #expect(try await box.embed(items(["a", "b"]), as: .document).rows == 2)
        #expect(transport.paid == ["a", "b"] && transport.requests == 2)
    }

    @Test(arguments: [
        #"{"error":{"message":"You exceeded your current quota. Please try again in 20s.","code":"insufficient_quota"}}"#,
        #"{"error":{"message":"You exceeded your current quota, please check your plan and billing details."}}"#,
        #"{"error":{"message":"Your account is not active, please check your billing details","code":"billing_not_active"}}"#,
    ])
    func emptyAccountsAreFinal(body: String) {
        #expect(ServerComplaint(status: 429, body: body.utf8).verdict() == .final)
    }

    /// llama.cpp, tools/server: status 500 for a text that is longer than the server's physical batch.
    @Test func physicalBatchesAreABoundOfTexts() throws {
        let complaint = ServerComplaint(
            status: 500,
            body:
                #"{"error":{"code":500,"message":"input (992 tokens) is too large to process. increase the physical batch size (current batch size: 512)","type":"server_error"}}"#
                .utf8)
        #expect(complaint.verdict() == .tooLarge(.text))
        let named = try #require(complaint.namedLimit)
        #expect(named.allowed == 512 && named.sent == 992)
    }

    @Test func rateHeaders() throws {
        let headers = RateHeaders([
            "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "1s",
            "X-RateLimit-Limit-Tokens": "150000", "x-ratelimit-remaining-tokens": "149984",
            "x-ratelimit-reset-tokens": "6m0s", "x-should-retry": "false",
        ])
        #expect(headers.pause(beforeTokens: 10) == .seconds(1) && headers.shouldRetry == false)
        let few = RateHeaders([
            "x-ratelimit-limit-tokens": "1000", "x-ratelimit-remaining-tokens": "200",
            "x-ratelimit-reset-tokens": "40s",
        ])
        #expect(few.pause(beforeTokens: 200) == nil)
        #expect(few.pause(beforeTokens: 600) == .seconds(20))  // half of what is missing to full
        #expect(RateHeaders([:]).pause(beforeTokens: 1_000_000) == nil)
        #expect(RateHeaders(["x-ratelimit-remaining-requests": "0"]).pause(beforeTokens: 1) == nil)
    }

    @Test func headersSlowTheClientDown() async throws {
        let times = Mutex<[Date]>([])
        let server = try EmbeddingServer { call in
            times.withLock { $0.append(Date()) }
            return .text(
                EmbeddingServer.answer(call.texts, base64: true),
                headers: ["x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "150ms"])
        }
        defer { server.stop() }
        _ = try await server.blackBox(concurrency: 1).embed(items((0..<12).map { "t\($0)" }), as: .document)
        let arrived = times.withLock { $0 }
        #expect(arrived.count == 3 && zip(arrived, arrived.dropFirst()).allSatisfy { $1.timeIntervalSince($0) >= 0.14 })
    }

    @Test func shouldRetryOverrulesTheStatus() async throws {
        let server = try EmbeddingServer { _ in
            .text(#"{"error":{"message":"no"}}"#, status: 500, headers: ["x-should-retry": "false"])
        }
        defer { server.stop() }
        let text = await message { _ = try await server.blackBox().embed(items(["a"]), as: .query) }
        #expect(text.hasSuffix("answered 500: no") && server.requests.count == 1)
        let stubborn = try EmbeddingServer { call in
            call.request.number == 0
                ? .text(#"{"error":{"message":"no"}}"#, status: 403, headers: ["x-should-retry": "true"]) : nil
        }
        defer { stubborn.stop() }
        #expect(try await stubborn.blackBox().embed(items(["a"]), as: .query).rows == 1)
    }

    // MARK: - Buckets

    /// For any times of the requests, no window of a minute has more than the rate allows, and the rate is used fully.
    @Test(arguments: 0..<20)
    func noMinuteSeesMoreThanTheRate(seed: Int) {
        var random = RandomNumbers(seed: seed)
        let rate = [1, 7, 60, 500, 30_000][seed % 5]
        var bucket = TokenBucket(perMinute: rate, at: 0)
        var sent: [(time: Double, amount: Double)] = []
        var now = 0.0
        while now < 400 {
            let amount = Double(1 + random.next(below: max(1, rate / 20)))
            let wait = bucket.take(amount, perMinute: rate, at: now)
            now += wait
            sent.append((now, amount))
            if random.next(below: 10) == 0 { now += Double(random.next(below: 100)) / 50 }
        }
        for start in sent.indices {
            let minute = sent[start...].prefix { $0.time < sent[start].time + 60 }.reduce(0) { $0 + $1.amount }
            // One request larger than the remaining amount may cross the border of the window.
            #expect(minute <= Double(rate) + max(1, Double(rate) / 20), "\(minute) of \(rate)")
        }
        let total = sent.reduce(0) { $0 + $1.amount }
        #expect(total >= Double(rate) * 400 / 60 * 0.75)
    }

    struct RandomNumbers {
        private var state: UInt64
        init(seed: Int) { state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 | 1 }
        mutating func next(below bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
    }

    @Test func callsKeepToTheRateTogether() async throws {
        let time = VirtualTime()
        let ledger = LocalLedger(time: time)
        let transport = FakeTransport(.openAI, model: "m") { _, _ in .answer }
        var options = ProviderBlackBox.Options(limits: BatchLimits(items: 1), maximumConcurrentRequests: 8)
        options.requestsPerMinute = 60
        let boxes = try (0..<2).map { _ in
            try ProviderBlackBox(
                ProfileCatalog.builtIn.profile("openai"), model: "m", baseURL: "http://fake",
                apiKey: APIKey(Dialect.key),
                options: options, transport: transport, time: time, ledger: ledger)
        }
        for box in boxes { _ = try await box.embed(items((0..<30).map { "t\($0)" }), as: .document) }
        // 60 requests at 60 a minute: the first does not wait, each of the others waits a second (and a sixtieth).
        #expect(time.now >= .seconds(58) && time.now < .seconds(64))
    }

    @Test func processesShareTheBucketThroughTheCache() async throws {
        try await TemporaryFolder.with { folder in
            let file = folder.url.appendingPathComponent("cache.sqlite")
            let ledgers = try (0..<3).map { _ in try EmbeddingCache(file: file).ledger }
            let rates = RateLimits(requestsPerMinute: 600, tokensPerMinute: 60_000)
            var waits: [Double] = []
            let start = ContinuousClock.now
            for turn in 0..<30 {
                let wait = try await ledgers[turn % 3].reserve(
                    RequestCost(requests: 1, tokens: 100), account: "a", rates: rates)
                waits.append(wait.inSeconds)
            }
            // Ten requests a second, ten of them available at once: the thirtieth waits about two seconds, whichever
            // task sends it.
            let passed = (ContinuousClock.now - start).inSeconds
            #expect(waits[..<8].allSatisfy { $0 == 0 } && waits[29] > 1.5 - passed && waits[29] < 2.2, "\(waits)")
            let sum = zip(waits, waits.dropFirst()).reduce(0) { $0 + max(0, $1.1 - $1.0) }
            #expect(passed > 1 || sum > 0.5, "\(waits)")
            let other = try await ledgers[0].reserve(RequestCost(requests: 1, tokens: 100), account: "b", rates: rates)
            #expect(other == .zero)
            try await ledgers[1].pause(account: "b", for: .seconds(5))
            let paused = try await ledgers[2].reserve(RequestCost(requests: 1, tokens: 1), account: "b", rates: rates)
            #expect(paused > .seconds(4) && paused <= .seconds(5))
        }
    }

    @Test func limitsLearnedFromAServerAreStoredForLaterRuns() async throws {
        try await TemporaryFolder.with { folder in
            let server = try EmbeddingServer { call in
                if call.texts.count > 2 { return .text(#"{"error":"batch size too large"}"#, status: 413) }
                return call.wantsBase64 ? .text(#"{"object":"list","data":[]}"#) : nil
            }
            defer { server.stop() }
            let file = folder.url.appendingPathComponent("cache.sqlite")
            let texts = (0..<8).map { "t\($0)" }
            for run in 0..<2 {
                let cache = try EmbeddingCache(file: file)
                let before = server.requests.count
                let box = try server.blackBox(concurrency: 1) { $0.sharing = cache }
                _ = try await box.embed(items(texts.map { "\(run) \($0)" }), as: .document)
                if run == 1 { #expect(server.requests.count - before == 4) }
            }
        }
    }

    // MARK: - Concurrency

    @Test func theWindowHalvesOnceARoundAndGrowsAgain() {
        var window = ConcurrencyWindow(maximum: 16)
        let numbers = (0..<16).map { _ in window.send() }
        for number in numbers { window.overloaded(number: number) }
        #expect(window.limit == 8)
        let second = window.send()
        window.overloaded(number: second)
        #expect(window.limit == 4)
        for _ in 0..<4 { window.answered() }
        #expect(window.limit == 4)
        for _ in 0..<2 { window.answered() }
        #expect(window.limit == 5)
        for _ in 0..<1000 { window.answered() }
        #expect(window.limit == 16)
        for _ in 0..<10 { window.overloaded(number: window.send()) }
        #expect(window.limit == 1)
    }

    @Test func overloadLowersTheConcurrency() async throws {
        let inFlight = Mutex((now: 0, highest: 0, calm: 0))
        let server = try EmbeddingServer { call in
            let (now, number) = inFlight.withLock { state in
                state.now += 1
                state.highest = max(state.highest, state.now)
                if call.request.number > 40 { state.calm = max(state.calm, state.now) }
                return (state.now, call.request.number)
            }
            Thread.sleep(forTimeInterval: 0.01)
            inFlight.withLock { $0.now -= 1 }
            return now > 3 ? .text(#"{"error":{"message":"overloaded \#(number)"}}"#, status: 529) : nil
        }
        defer { server.stop() }
        let texts = (0..<120).map { "t\($0)" }
        let box = try server.blackBox(limits: BatchLimits(items: 1), concurrency: 12, attempts: 30)
        _ = try await box.embed(items(texts), as: .document)
        #expect(server.paid.sorted() == texts.sorted())
        let state = inFlight.withLock { $0 }
        #expect(state.highest > 4 && state.calm <= 8, "\(state)")
    }

    @Test func aServerThatNamesTimesWithoutEndIsGivenUp() async throws {
        let transport = FakeTransport(.openAI, model: "m") { _, _ in
            .respond(status: 429, headers: ["retry-after": "60"], body: #"{"error":{"message":"slow down"}}"#)
        }
        let time = VirtualTime()
        let box = try ProviderBlackBox(
            ProfileCatalog.builtIn.profile("openai"), model: "m", baseURL: "http://fake", apiKey: APIKey(Dialect.key),
            transport: transport, time: time)
        let text = await message { _ = try await box.embed(items(["a"]), as: .document) }
        #expect(text.contains("429 slow down (nothing was answered for 1"), "\(text)")
        #expect(transport.requests > 20 && time.now > .seconds(1500) && time.now <= .seconds(1860))
    }
}

import Foundation
import MafinBlackBox
import MafinNumerics
import MafinProviders
import MafinTestSupport
import Synchronization
import Testing

/// Failures of real servers, and the end of calls: checks the user's error message and what is paid for.
@Suite struct ProviderFailureTests: MisbehavingServer {
    typealias Response = StubHTTPServer.Response

    // MARK: - Trap 5: too large

    @Test(arguments: [
        (413, #"{"error":"batch size 4 > maximum allowed batch size 2","error_type":"Validation"}"#),
        (422, #"{"error":"batch size 4 > maximum allowed batch size 2","error_type":"Validation"}"#),
        (400, #"{"message":"invalid request: total number of texts must be at most 2 - received 4"}"#),
        (400, #"{"object":"error","message":"Too many inputs in request, split into more batches.","code":"3210"}"#),
        (
            400,
            #"{"error":{"code":"InvalidParameter","message":"<400> InternalError.Algo.InvalidParameter: Value error, batch size is invalid, it should not be larger than 2.: input.contents","type":"InvalidParameter"}}"#
        ),
    ])
    func itemCapsAreLearnedFromTheFirstRefusal(status: Int, body: String) async throws {
        let server = try EmbeddingServer { $0.texts.count > 2 ? .text(body, status: status) : nil }
        defer { server.stop() }
        let box = try server.blackBox(limits: BatchLimits(items: 4), concurrency: 1)
        let vectors = try await box.embed(items(Self.texts), as: .document)
        #expect(vectors.values == EmbeddingServer.vectors(Self.texts))
        #expect(server.paid.sorted() == Self.texts.sorted())
        let refused = server.requests.filter { ($0.json?["input"] as? [String])?.count ?? 0 > 2 }.count
        #expect(refused <= 2, "\(refused) requests above a cap that the first refusal told")
        let before = server.requests.count
        _ = try await box.embed(items(Self.texts.map { $0 + "!" }), as: .document)
        #expect(server.requests[before...].allSatisfy { ($0.json?["input"] as? [String])?.count ?? 0 <= 2 })
    }

    @Test(arguments: [
        (
            400,
            #"{"error":{"message":"Requested 453357 tokens, max 300000 tokens per request","type":"max_tokens_per_request"}}"#
        ),
        (400, #"{"object":"error","message":"Too many tokens in batch. Max is 16384 got 17555"}"#),
        (400, #"{"detail":"Request to model failed. The max allowed tokens per submitted batch is 120000."}"#),
        (429, #"{"error":{"message":"Request too large for m on tokens per min (TPM): Limit 40, Requested 120"}}"#),
        (413, "<html>413 Request Entity Too Large</html>"),
        (413, ""),
    ])
    func tooManyTokensOrBytesHalveTheBatch(status: Int, body: String) async throws {
        try await expectAnswered { call in
            call.texts.joined().utf8.count > 40 ? .text(body, status: status) : nil
        }
    }

    @Test(arguments: [
        (
            400,
            #"{"error":{"message":"This model's maximum context length is 8192 tokens, however you requested 9000"}}"#,
            "This model's maximum context length is 8192"
        ),
        (
            422,
            #"{"detail":[{"type":"string_too_long","loc":["body","input",3],"msg":"String should have at most 122880 characters"}]}"#,
            "String should have at most 122880 characters"
        ),
        (498, #"{"message":"the request was blocked by a guardrail"}"#, "the request was blocked by a guardrail"),
    ])
    func oneTextThatIsTooLongIsFoundAndTheRestIsAnswered(status: Int, body: String, words: String) async throws {
        let texts = Self.texts + [String(repeating: "long ", count: 100)] + ["last"]
        let server = try EmbeddingServer { call in
            call.texts.contains { $0.utf8.count > 400 } ? .text(body, status: status) : nil
        }
        defer { server.stop() }
        let box = try server.blackBox(limits: BatchLimits(items: 8))
        let answered = Mutex<[Int]>([])
        let text = await message {
            try await box.embed(items(texts), as: .document) { rows in answered.withLock { $0 += rows.indices } }
        }
        #expect(text.contains("refuses 1 documents ('d12'): \(words)"), "\(text)")
        #expect(answered.withLock { $0 }.sorted() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13])
        #expect(server.paid.count == texts.count - 1)
    }

    @Test func whenEveryTextIsTooLongItIsNotTheTexts() async throws {
        let server = try EmbeddingServer { _ in .text(#"{"error":"input is too long"}"#, status: 400) }
        defer { server.stop() }
        let texts = (0..<3000).map { "t\($0)" }
        let text = await message { _ = try await server.blackBox().embed(items(texts), as: .document) }
        #expect(text.contains("refuses 100 documents ('d"), "\(text)")
        #expect(server.requests.count < 300)
    }

    @Test func emptyTextsAreNotSent() async throws {
        let server = try EmbeddingServer()
        defer { server.stop() }
        let text = await message { _ = try await server.blackBox().embed(items(["a", "", "b", ""]), as: .query) }
        #expect(text == "2 queries to embed are empty: 'd1', 'd3'")
        #expect(server.requests.isEmpty)
    }

    // MARK: - Trap 6: overload, broken connections, errors with status 200

    @Test(arguments: [408, 409, 429, 499, 500, 502, 503, 504, 529])
    func temporaryFailuresAreRetried(status: Int) async throws {
        try await expectAnswered { call in
            call.request.number % 2 == 0 ? .text("<html>upstream</html>", status: status, type: "text/html") : nil
        }
    }

    @Test func lastingFailureEndsAfterTheAttemptsAllowed() async throws {
        let (text, requests) = try await failure { _ in .text(#"{"error":{"message":"overloaded"}}"#, status: 529) }
        #expect(text.hasSuffix("/v1/embeddings: no answer after 3 attempts; the last: 529 overloaded"), "\(text)")
        #expect(requests == 3)
    }

    @Test(arguments: [
        ["retry-after-ms": "300"], ["Retry-After": "0.3"], ["retry-after-ms": "300", "retry-after": "60"],
    ])
    func theServersPauseIsKeptByAllRequests(headers: [String: String]) async throws {
        let times = Mutex<[(Int, Double)]>([])
        try await expectAnswered(concurrency: 1) { call in
            let now = Date().timeIntervalSinceReferenceDate
            times.withLock { $0.append((call.request.number, now)) }
            return call.request.number == 0 ? .text("{}", status: 429, headers: headers) : nil
        }
        let arrived = times.withLock { $0 }.sorted { $0.0 < $1.0 }.map(\.1)
        #expect(arrived[1] - arrived[0] >= 0.28)
    }

    @Test func aPauseOfHoursIsNotWaitedFor() async throws {
        let (text, requests) = try await failure { _ in
            .text(#"{"error":"slow down"}"#, status: 429, headers: ["retry-after": "7200"])
        }
        #expect(text.contains("429 slow down (asks for a pause of 7200"), "\(text)")
        #expect(requests == 1)
    }

    @Test(arguments: [
        #"{"error":{"message":"Rate limit exceeded","code":429}}"#,
        #"{"error":{"message":"x","type":"rate_limit_error"}}"#,
        #"{"error":{"message":"Internal","code":"server_error"}}"#, #"{"detail":"upstream timed out"}"#,
    ])
    func passingErrorsWithStatus200(body: String) async throws {
        let server = try EmbeddingServer { $0.request.number % 2 == 0 ? .text(body) : nil }
        defer { server.stop() }
        let vectors = try await server.blackBox().embed(items(Self.texts), as: .document)
        #expect(vectors.values == EmbeddingServer.vectors(Self.texts))
    }

    @Test func finalErrorWithStatus200() async throws {
        let (text, requests) = try await failure { _ in .text(#"{"error":{"message":"model not loaded","code":404}}"#) }
        #expect(text.hasSuffix("answered 404: model not loaded"), "\(text)")
        #expect(requests == 1)
    }

    @Test func pageOfAProxyWithStatus200() async throws {
        let (text, requests) = try await failure { _ in
            .text("<!DOCTYPE html><html><body>Please <b>sign in</b></body></html>", type: "text/html")
        }
        #expect(text.hasSuffix("unusable answer: no JSON object: HTML page: Please sign in"), "\(text)")
        #expect(requests == 1)
    }

    /// One HTML page of a proxy, after the first answers, does not end the call; repeated pages do.
    @Test func htmlPagesInsteadOfAnswersAreRetried() async throws {
        let server = try EmbeddingServer { call in
            [3, 5, 6].contains(call.request.number) ? .text("<html>Please log in</html>") : nil
        }
        defer { server.stop() }
        let texts = (0..<40).map { "t\($0)" }
        let vectors = try await server.blackBox().embed(items(texts), as: .document)
        #expect(vectors.values == EmbeddingServer.vectors(texts))

        let broken = try EmbeddingServer { $0.request.number < 3 ? nil : .text("<html>Please log in</html>") }
        defer { broken.stop() }
        let text = await message { _ = try await broken.blackBox().embed(items(texts), as: .document) }
        #expect(text.contains("unusable answer") && text.contains("Please log in"), "\(text)")
        #expect(broken.requests.count < 20)
    }

    /// Each request that contains a certain text gets one vector too few.
    @Test func aTextThatMakesAnswersUnusableIsFound() async throws {
        let server = try EmbeddingServer { call in
            guard call.texts.contains("t21") else { return nil }
            return .text(EmbeddingServer.answer(call.texts.filter { $0 != "t21" }, base64: true))
        }
        defer { server.stop() }
        let texts = (0..<40).map { "t\($0)" }
        let got = Mutex(0)
        let text = await message {
            try await server.blackBox(concurrency: 1).embed(items(texts), as: .document) { rows in
                got.withLock { $0 += rows.indices.count }
            }
        }
        #expect(text.contains("'d21'") && got.withLock { $0 } == 39, "\(text)")
    }

    /// Ollama answers a text that it considers empty with status 200 and no vector.
    @Test func successWithoutAVectorNamesTheText() async throws {
        let server = try EmbeddingServer(.ollama) { call in
            guard call.texts.contains(" ") else { return nil }
            let kept = call.texts.filter { $0 != " " }
            return kept.isEmpty
                ? .text(#"{"model":"m","embeddings":[]}"#)
                : .text(Dialect.ollama.answer(kept.map { EmbeddingServer.vector($0) }, base64: false))
        }
        defer { server.stop() }
        let texts = (0..<9).map { $0 == 7 ? " " : "t\($0)" }
        let got = Mutex(0)
        let text = await message {
            try await server.blackBox(key: nil, concurrency: 1).embed(items(texts), as: .document) { rows in
                got.withLock { $0 += rows.indices.count }
            }
        }
        #expect(text.contains("'d7'") && got.withLock { $0 } == 8, "\(text)")
    }

    /// vLLM shortens vectors only for Matryoshka models: no text is at fault.
    @Test func dimensionsThatAModelCannotGiveAreNoFaultOfTheTexts() async throws {
        let (text, requests) = try await failure(dimensions: 64) { _ in
            .text(
                #"{"object":"error","message":"Model \"m\" does not support matryoshka representation, changing output dimensions will lead to poor results.","type":"BadRequestError","param":null,"code":400}"#,
                status: 400)
        }
        #expect(text.contains("does not support matryoshka representation") && requests <= 8, "\(text) \(requests)")
    }

    /// Servers quote a key without the word "Bearer"; version numbers are not secret.
    @Test func keysInHeadersAreInNoMessage() async throws {
        let server = try EmbeddingServer(.ollama) { _ in
            .text(
                #"{"error":{"message":"bad key hdr-secret-123 or cookie-secret-9 or conversion-secret-7, version 2023-06-01"}}"#,
                status: 401)
        }
        defer { server.stop() }
        let box = try server.blackBox(key: nil) {
            $0.headers = [
                "Authorization": "Bearer hdr-secret-123", "Cookie": "a=cookie-secret-9; b=1",
                "X-Api-Version": "2023-06-01", "X-Conversion": "conversion-secret-7",
            ]
        }
        let text = await message { _ = try await box.embed(items(["a"]), as: .document) }
        #expect(text.hasSuffix("bad key [key] or [key] or [key], version 2023-06-01"), "\(text)")
    }

    /// Black boxes of one model in one command share its limit.
    @Test func modelsShareWhatMayBeSpent() async throws {
        let server = try EmbeddingServer()
        defer { server.stop() }
        let limit = SpendingLimit(requests: 3)
        let spending = Spending(limit: limit)
        func open() throws -> ProviderBlackBox {
            try server.blackBox { ($0.spending, $0.sharedSpending) = (limit, spending) }
        }
        _ = try await open().embed(items((0..<8).map { "a\($0)" }), as: .document)
        let text = await message { _ = try await open().embed(items((0..<8).map { "b\($0)" }), as: .document) }
        #expect(text.contains("2 requests are needed and 1 are left of the 3"), "\(text)")
        #expect(server.requests.count == 2)
    }

    @Test func deadKeepAliveConnections() async throws {
        try await expectAnswered { call in
            .text(EmbeddingServer.answer(call.texts, base64: true), delivery: .wholeThenClose)
        }
    }

    @Test func requestsOnBrokenConnectionsAreRetried() async throws {
        try await expectAnswered { call in
            switch call.request.number % 3 {
            case 0: .text(EmbeddingServer.answer(call.texts, base64: true), delivery: .cut(after: 60))
            case 1: .text("", delivery: .hangUp)
            default: nil
            }
        }
    }

    @Test func slowDripAndChunksArrive() async throws {
        try await expectAnswered { call in
            .text(
                EmbeddingServer.answer(call.texts, base64: true),
                delivery: call.request.number % 2 == 0 ? .drip(bytes: 60, pause: 0.01) : .chunked(7))
        }
    }

    @Test func requestsWithoutAnswerTimeOutAndAreRetried() async throws {
        try await expectAnswered(timeout: .milliseconds(400)) { call in
            call.request.number == 0 ? .text("", delivery: .silence(seconds: 3)) : nil
        }
    }

    @Test func nobodyListening() async throws {
        let server = try EmbeddingServer()
        let box = try server.blackBox(attempts: 2)
        server.stop()
        let text = await message { _ = try await box.embed(items(["a"]), as: .document) }
        #expect(text.contains("no answer after 2 attempts; the last: connection failed: Connection refused"), "\(text)")
    }

    // MARK: - Ends

    @Test func answersInFlightAtAFailureAreDelivered() async throws {
        let server = try EmbeddingServer { call in
            if call.texts.contains("bad") { return .text(#"{"error":"no"}"#, status: 403) }
            Thread.sleep(forTimeInterval: 0.2)  // answered after the refusal
            return nil
        }
        defer { server.stop() }
        let texts = ["a", "bad", "b"] + (0..<40).map { "later \($0)" }
        let box = try server.blackBox(limits: BatchLimits(items: 1), concurrency: 3)
        let answered = Mutex<[Int]>([])
        let text = await message {
            try await box.embed(items(texts), as: .document) { rows in answered.withLock { $0 += rows.indices } }
        }
        #expect(text.hasSuffix("answered 403: no"))
        let kept = answered.withLock { $0 }.map { texts[$0] }.sorted()
        #expect(kept == server.paid.sorted() && kept.contains("a") && kept.contains("b"))
        #expect(kept.count < texts.count - 1, "nothing new is asked after a final failure")
    }

    /// The server answers only after the call has ended. The limit ends the wait for a call that does not.
    @Test(.timeLimit(.minutes(5))) func aCancelledCallDoesNotWaitForASilentServerForever() async throws {
        let hasEnded = DispatchSemaphore(value: 0)
        let server = try EmbeddingServer { _ in
            hasEnded.wait()
            return nil
        }
        defer {
            for _ in server.requests { hasEnded.signal() }
            server.stop()
        }
        let box = try server.blackBox(timeout: .seconds(86_400)) { $0.retry.finishing = .milliseconds(100) }
        let task = Task { try await box.embed(items(Self.texts), as: .document) }
        while server.requests.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}

import Foundation
import MafinBlackBox
import MafinNumerics
import MafinProviders
import MafinTestSupport
import Synchronization
import Testing

/// What servers really do (see the list of compatibility traps): for each, what the user gets, and that nothing is paid for twice.
@Suite struct ProviderBlackBoxTests {
    typealias Response = StubHTTPServer.Response

    static let texts = (0..<11).map { "text number \($0)" } + ["tab\t\"quote\" \\ \u{1} line\n é 日本 😀"]

    /// The call succeeds, every text was paid once, and every vector is where it belongs.
    private func expectAnswered(
        _ texts: [String] = Self.texts, concurrency: Int = 3, limits: BatchLimits = BatchLimits(items: 4),
        timeout: Duration = .seconds(20),
        sourceLocation: SourceLocation = #_sourceLocation,
        misbehave: @escaping @Sendable (EmbeddingServer.Call) -> Response?
    ) async throws {
        let server = try EmbeddingServer(misbehave: misbehave)
        defer { server.stop() }
        let box = try server.blackBox(limits: limits, concurrency: concurrency, timeout: timeout)
        let vectors = try await box.embed(items(texts), as: .document)
        #expect(close(vectors.values, EmbeddingServer.vectors(texts)), sourceLocation: sourceLocation)
        #expect(server.paid.sorted() == texts.sorted(), sourceLocation: sourceLocation)
    }

    /// What the user sees when the call fails.
    private func failure(
        _ texts: [String] = Self.texts, key: String? = Dialect.key, dimensions: Int? = nil, attempts: Int = 3,
        timeout: Duration = .seconds(20),
        misbehave: @escaping @Sendable (EmbeddingServer.Call) -> Response?
    ) async throws -> (message: String, requests: Int) {
        let server = try EmbeddingServer(misbehave: misbehave)
        defer { server.stop() }
        let box = try server.blackBox(
            key: key, dimensions: dimensions, concurrency: 1, attempts: attempts, timeout: timeout)
        let text = await message { _ = try await box.embed(items(texts), as: .document) }
        return (text, server.requests.count)
    }

    private func close(_ one: [Float], _ other: [Float]) -> Bool {
        one.count == other.count && zip(one, other).allSatisfy { abs($0 - $1) < 1e-6 }
    }

    private static func openAI(_ base: String) throws -> ProviderBlackBox {
        try ProviderBlackBox(ProfileCatalog.builtIn.profile("openai"), model: "m", baseURL: base)
    }

    // MARK: - Right answers

    @Test func base64InBatches() async throws {
        let server = try EmbeddingServer()
        defer { server.stop() }
        let box = try server.blackBox()
        let vectors = try await box.embed(items(Self.texts), as: .document)
        #expect(vectors.values == EmbeddingServer.vectors(Self.texts))  // base64 carries every bit
        #expect(server.requests.count == 3)
        #expect(server.paid.sorted() == Self.texts.sorted())
        let request = try #require(server.requests.first)
        #expect(request.target == "/v1/embeddings" && request.method == "POST")
        #expect(request.headers["authorization"] == "Bearer \(Dialect.key)")
        #expect(request.json?["model"] as? String == "m")
        #expect(request.json?["encoding_format"] as? String == "base64")
        #expect(request.json?["dimensions"] == nil)
        #expect(try await box.embed([], as: .query) == Matrix(rows: 0, columns: 0))
    }

    @Test func prefixAndDimensionsAreSent() async throws {
        let server = try EmbeddingServer()
        defer { server.stop() }
        let box = try server.blackBox(dimensions: 8, queryPrefix: "query: ")
        _ = try await box.embed(items(["a"]), as: .query)
        _ = try await box.embed(items(["a"]), as: .document)
        #expect(server.paid == ["query: a", "a"])
        #expect(server.requests.first?.json?["dimensions"] as? Int == 8)
        #expect(box.identity.dimension == 8 && box.identity.queryPrefix == "query: ")
        #expect(box.identity.endpoint == server.url + "/v1")
    }

    @Test(arguments: [
        ("http://h:1", "http://h:1/v1/embeddings"), ("http://h:1/", "http://h:1/v1/embeddings"),
        ("https://h/v1", "https://h/v1/embeddings"), ("https://h/v1/", "https://h/v1/embeddings"),
        ("https://h/openai/v1", "https://h/openai/v1/embeddings"), ("http://h/embeddings", "http://h/embeddings"),
    ])
    func baseAddresses(base: String, url: String) throws {
        let box = try Self.openAI(base)
        #expect((box.identity.endpoint ?? "") + "/embeddings" == url)
    }

    @Test(arguments: ["localhost:8080", "ftp://h/v1", "", "https://name:secret@h/v1", "https://h/v1?key=secret"])
    func badAddresses(base: String) async {
        let text = await message { _ = try Self.openAI(base) }
        #expect(text.contains("address") && !text.contains("name:secret"), "\(text)")
    }

    @Test func batchesKeepToEveryBound() async throws {
        let texts = (0..<40).map { String(repeating: "x", count: 10 + $0 * 7 % 50) }
        for limits in [BatchLimits(items: 3), BatchLimits(tokens: 40), BatchLimits(bytes: 120)] {
            let server = try EmbeddingServer()
            defer { server.stop() }
            _ = try await server.blackBox(limits: limits).embed(items(texts), as: .document)
            let batches = server.requests.map { $0.json?["input"] as? [String] ?? [] }
            #expect(batches.allSatisfy { $0.count <= limits.items })
            #expect(
                batches.allSatisfy { $0.count == 1 || $0.reduce(0) { $0 + $1.utf8.count / 3 + 1 } <= limits.tokens })
            #expect(batches.allSatisfy { $0.count == 1 || $0.reduce(0) { $0 + $1.utf8.count + 3 } <= limits.bytes })
            #expect(batches.count > 1 && server.paid.count == texts.count)
        }
    }

    @Test func concurrencyIsKeptFullAndNeverExceeded() async throws {
        let gauge = Gauge()
        let server = try EmbeddingServer { _ in
            gauge.enter()
            // Nobody is answered before the sixth is there (or has had ten seconds to come).
            for _ in 0..<1000 where gauge.highest < 6 { Thread.sleep(forTimeInterval: 0.01) }
            Thread.sleep(forTimeInterval: 0.02)
            gauge.leave()
            return nil
        }
        defer { server.stop() }
        let texts = (0..<48).map { "t\($0)" }
        _ = try await server.blackBox(limits: BatchLimits(items: 2), concurrency: 6).embed(items(texts), as: .document)
        #expect(gauge.highest == 6)
    }

    final class Gauge: Sendable {
        private let counts = Mutex((now: 0, highest: 0))
        func enter() { counts.withLock { $0 = ($0.now + 1, max($0.highest, $0.now + 1)) } }
        func leave() { counts.withLock { $0.now -= 1 } }
        var highest: Int { counts.withLock { $0.highest } }
    }

    // MARK: - Traps 1 and 2: base64 asked, something else given

    @Test func numbersInsteadOfBase64() async throws {
        try await expectAnswered { .text(EmbeddingServer.answer($0.texts, base64: false)) }
    }

    @Test func numbersAndBase64Mixed() async throws {
        try await expectAnswered { call in
            .text(
                EmbeddingServer.answer(
                    call.texts.enumerated().map { index, text in
                        let vector = EmbeddingServer.vector(text)
                        let base64 = EmbeddingServer.base64(vector).replacingOccurrences(of: "/", with: "\\/")
                        return (index, index % 2 == 0 ? EmbeddingServer.numbers(vector) : "\"\(base64)\"")
                    }))
        }
    }

    @Test(arguments: [#"{"object":"list","data":[]}"#, #"{"data":null}"#, #"{"object":"list"}"#])
    func emptyDataForBase64IsAskedAgainAsNumbers(empty: String) async throws {
        let server = try EmbeddingServer { $0.wantsBase64 ? .text(empty) : nil }
        defer { server.stop() }
        let box = try server.blackBox(concurrency: 1)
        let vectors = try await box.embed(items(Self.texts), as: .document)
        #expect(close(vectors.values, EmbeddingServer.vectors(Self.texts)))
        // Only the first batch had to find out.
        #expect(server.requests.filter { $0.json?["encoding_format"] as? String == "base64" }.count == 1)
        #expect(server.requests.count == 4)
    }

    @Test func emptyDataForNumbersTooIsAnError() async throws {
        let (text, requests) = try await failure { _ in .text(#"{"data":[]}"#) }
        #expect(text.hasSuffix("unusable answer: no vectors in it, asked as base64 and as float"), "\(text)")
        #expect(requests == 2)
    }

    @Test func refusedEncodingFormatIsAskedAgainAsNumbers() async throws {
        try await expectAnswered { call in
            call.wantsBase64
                ? .text(#"{"error":{"message":"encoding_format 'base64' is not supported"}}"#, status: 400) : nil
        }
    }

    // MARK: - Trap 3: order, count and values

    @Test func anyOrderOfIndex() async throws {
        try await expectAnswered { call in
            .text(
                EmbeddingServer.answer(
                    call.texts.enumerated().reversed().map { index, text in
                        (index, EmbeddingServer.numbers(EmbeddingServer.vector(text)))
                    }))
        }
    }

    @Test func noIndexAtAllMeansTheOrderOfTheRequest() async throws {
        try await expectAnswered { call in
            .text(EmbeddingServer.answer(call.texts.map { (nil, EmbeddingServer.numbers(EmbeddingServer.vector($0))) }))
        }
    }

    private static func rows(_ embeddings: [(Int?, String)]) -> @Sendable (EmbeddingServer.Call) -> Response? {
        { _ in .text(EmbeddingServer.answer(embeddings.map { (index: $0.0, embedding: $0.1) })) }
    }

    @Test(
        arguments: [
            ([(0, "[1,0]"), (0, "[0,1]")], "'index' 0 on two vectors"),
            ([(0, "[1,0]"), (2, "[0,1]")], "'index' 2 in an answer of 2 vectors"),
            ([(0, "[1,0]"), (nil, "[0,1]")], "'index' is missing on 1 of 2 vectors"),
            ([(0, "[1,0]")], "1 vectors for 2 texts"),
            ([(0, "[1,0]"), (1, "[1,0]"), (2, "[0,1]")], "3 vectors for 2 texts"),
            ([(1, "[1,null]"), (0, "[0,1]")], "unusable vector for 'd1': null or NaN at 1"),
            ([(0, "[1,0]"), (1, "[NaN,1]")], "unusable vector for 'd1': null or NaN at 0"),
            ([(0, "[Infinity,0]"), (1, "[1,1]")], "unusable vector for 'd0': inf at 0"),
            ([(0, "[1,0]"), (1, "[0,0]")], "unusable vector for 'd1': all zeros"),
            ([(0, "[1,0]"), (1, "[]")], "unusable vector for 'd1': it is missing or empty"),
            ([(0, "[1,0]"), (1, "null")], "unusable vector for 'd1': it is missing or empty"),
            (
                [(0, "[1,0]"), (1, "[1,0,0]")],
                "unusable vector for 'd1': 3 numbers where the first of the answer has 2"
            ),
            ([(0, "[1,0]"), (1, "\"AAAA\"")], "unusable vector for 'd1': its base64 does not hold 32-bit floats"),
            ([(0, "[1,0]"), (1, "\"?\"")], "unusable vector for 'd1': its base64 does not hold 32-bit floats"),
        ] as [([(Int?, String)], String)])
    func faultyVectorsAreNamedAndNotAskedAgain(rows: [(Int?, String)], expected: String) async throws {
        let (text, requests) = try await failure(["a", "b"], misbehave: Self.rows(rows))
        #expect(text.hasSuffix(expected), "\(text)")
        #expect(requests == 1)
    }

    @Test func anotherDimensionInTheMiddle() async throws {
        let (text, _) = try await failure { call in
            call.request.number < 1 ? nil : .text(EmbeddingServer.answer(call.texts.indices.map { ($0, "[0.6, 0.8]") }))
        }
        #expect(text.hasSuffix("unusable vector for 'd4': 2 numbers where 8 were in earlier answers"), "\(text)")
    }

    @Test func ignoredDimensions() async throws {
        let (text, _) = try await failure(dimensions: 4) { call in
            .text(EmbeddingServer.answer(call.texts, base64: true))
        }
        #expect(text.hasSuffix("unusable vector for 'd0': 8 numbers where 4 were asked for"), "\(text)")
    }

    @Test func vectorsAreBroughtToUnitLength() async throws {
        let server = try EmbeddingServer { call in
            .text(EmbeddingServer.answer(call.texts.indices.map { ($0, "[3, 4]") }))
        }
        defer { server.stop() }
        #expect(try await server.blackBox().embed(items(["a"]), as: .document).values == [0.6, 0.8])
        let raw = try ProviderBlackBox(
            ProfileCatalog.builtIn.profile("openai"), model: "m", baseURL: server.url, apiKey: APIKey(Dialect.key),
            normalisation: .none)
        #expect(try await raw.embed(items(["a"]), as: .document).values == [3, 4])
    }

    // MARK: - Trap 4: shapes of errors

    @Test(arguments: [
        (#"{"error":{"message":"no such model","type":"invalid_request_error","code":null}}"#, "no such model"),
        (#"{"object":"error","message":"bad input","code":40301}"#, "bad input"),
        (#"{"detail":"Not allowed"}"#, "Not allowed"),
        (
            #"{"detail":[{"loc":["body","input"],"msg":"field required"},{"msg":"and more"}]}"#,
            "field required; and more"
        ),
        (#"{"message":"plain message"}"#, "plain message"),
        (#"{"error":"only words"}"#, "only words"),
        (#"{"message":"m","code":7,"error_type":"t"}"#, "m"),
        (
            "<html><head><title>403 Forbidden</title><style>p{}</style></head><body><h1>403</h1>go\naway</body></html>",
            "HTML page: 403 Forbidden 403 go away"
        ),
        ("", "no explanation (empty body)"),
        ("Forbidden by policy", "Forbidden by policy"),
    ])
    func finalErrorsStopAtOnceInTheVendorsWords(body: String, words: String) async throws {
        for status in [401, 403, 404] {
            let (text, requests) = try await failure { _ in .text(body, status: status) }
            #expect(text.hasSuffix("/v1/embeddings answered \(status): \(words)"), "\(text)")
            #expect(requests == 1)
        }
        // A text could be to blame for a 400: when two of them are refused alone and nothing is answered, it is not the texts.
        let (text, requests) = try await failure { _ in .text(body, status: 400) }
        #expect(text.hasSuffix("/v1/embeddings answered 400: \(words)"), "\(text)")
        #expect(requests <= 4)
    }

    @Test(arguments: [
        #"{"error":{"message":"The model `m` does not exist","code":"model_not_found"}}"#,
        #"{"message":"invalid model: m"}"#, #"{"detail":"Invalid API key"}"#,
    ])
    func refusalsOfTheAccountAreNotBlamedOnTexts(body: String) async throws {
        let (text, requests) = try await failure { _ in .text(body, status: 400) }
        #expect(text.contains("/v1/embeddings answered 400: ") && requests == 1, "\(text)")
    }

    @Test func quotaIsFinalThough429() async throws {
        let body =
            #"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#
        let (text, requests) = try await failure { _ in .text(body, status: 429) }
        #expect(text.hasSuffix("answered 429: You exceeded your current quota"))
        #expect(requests == 1)
    }

    @Test func theKeyIsInNoMessage() async throws {
        let (text, _) = try await failure { call in
            .text(#"{"error":{"message":"Incorrect API key provided: \#(Dialect.key)."}}"#, status: 401)
        }
        #expect(text.hasSuffix("answered 401: Incorrect API key provided: [key]."), "\(text)")
        let key = try APIKey("sk-very-secret")
        #expect(!"\(key) \(String(reflecting: key)) \(Mirror(reflecting: key).children.map { $0 })".contains("secret"))
        var dumped = ""
        dump(key, to: &dumped)
        #expect(!dumped.contains("secret"))
    }

    @Test func keysFromTheEnvironmentAndFiles() async throws {
        #expect(try APIKey(environmentVariable: "K", environment: [:]) == nil)
        #expect(try APIKey(environmentVariable: "K", environment: ["K": " a \n"]) == APIKey("a"))
        let empty = await message { _ = try APIKey(environmentVariable: "K", environment: ["K": " "]) }
        #expect(empty == "environment variable K: the key is empty")
        let broken = await message { _ = try APIKey("a\r\nx: y") }
        #expect(broken == "API key: the key holds characters that cannot stand in a header")
        try await TemporaryFolder.with { folder in
            let file = try folder.write("from-file\n", to: "key")
            #expect(try APIKey(file: file) == APIKey("from-file"))
        }
    }

    @Test func redirectsAreNotFollowedWithTheKey() async throws {
        let (text, requests) = try await failure { _ in
            Response(status: 308, headers: ["Location": "http://elsewhere/v1/embeddings"])
        }
        #expect(text.hasSuffix("answered 308: redirects to http://elsewhere/v1/embeddings"), "\(text)")
        #expect(requests == 1)
    }

    // MARK: - Trap 5: too large

    @Test(arguments: [
        (413, #"{"error":"batch size 4 > maximum allowed batch size 2","error_type":"Validation"}"#),
        (422, #"{"error":"batch size 4 > maximum allowed batch size 2","error_type":"Validation"}"#),
        (400, #"{"message":"invalid request: total number of texts must be at most 2 - received 4"}"#),
        (400, #"{"object":"error","message":"Too many inputs in request, split into more batches.","code":"3210"}"#),
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

    @Test func oneTextThatIsTooLongIsFoundAndTheRestIsAnswered() async throws {
        let texts = Self.texts + [String(repeating: "long ", count: 100)] + ["last"]
        let server = try EmbeddingServer { call in
            call.texts.contains { $0.utf8.count > 400 }
                ? .text(
                    #"{"error":{"message":"This model's maximum context length is 8192 tokens, however you requested 9000"}}"#,
                    status: 400) : nil
        }
        defer { server.stop() }
        let box = try server.blackBox(limits: BatchLimits(items: 8))
        let answered = Mutex<[Int]>([])
        let text = await message {
            try await box.embed(items(texts), as: .document) { rows in answered.withLock { $0 += rows.indices } }
        }
        #expect(text.contains("refuses 1 documents ('d12'): This model's maximum context length is 8192"), "\(text)")
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

    // MARK: - Trap 6: overload, dead connections, success that is none

    @Test(arguments: [408, 409, 429, 500, 502, 503, 504, 529])
    func passingFailuresAreAskedAgain(status: Int) async throws {
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
        #expect(text.contains("429 slow down (asks to come back after 7200"), "\(text)")
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

    /// A proxy's page long after the first answer ends nothing; one that stays does.
    @Test func pagesAmongAnswersAreAskedAgain() async throws {
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

    /// One vector too few, again and again, for whichever request holds one text.
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

    /// Servers quote a key without the word before it; versions are no secrets.
    @Test func keysInHeadersAreInNoMessage() async throws {
        let server = try EmbeddingServer(.ollama) { _ in
            .text(
                #"{"error":{"message":"bad key hdr-secret-123 or cookie-secret-9, version 2023-06-01"}}"#, status: 401)
        }
        defer { server.stop() }
        let box = try server.blackBox(key: nil) {
            $0.headers = [
                "Authorization": "Bearer hdr-secret-123", "Cookie": "a=cookie-secret-9; b=1",
                "X-Api-Version": "2023-06-01",
            ]
        }
        let text = await message { _ = try await box.embed(items(["a"]), as: .document) }
        #expect(text.hasSuffix("bad key [key] or [key], version 2023-06-01"), "\(text)")
    }

    /// Openings of one model in one command share its limit.
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

    @Test func cutConnectionsAreAskedAgain() async throws {
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

    @Test func silenceIsGivenUpAndAskedAgain() async throws {
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

    @Test func whatWasInFlightWhenOneFailsIsStillHandedOver() async throws {
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

    @Test func cancellationEndsTheCallAtOnce() async throws {
        let server = try EmbeddingServer { _ in .text("", delivery: .silence(seconds: 60)) }
        defer { server.stop() }
        let box = try server.blackBox()
        let start = ContinuousClock.now
        let task = Task { try await box.embed(items(Self.texts), as: .document) }
        try await Task.sleep(for: .milliseconds(150))
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(ContinuousClock.now - start < .seconds(30))
    }
}

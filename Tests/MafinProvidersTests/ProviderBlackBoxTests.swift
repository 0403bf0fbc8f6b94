import Foundation
import MafinBlackBox
import MafinNumerics
import MafinProviders
import MafinTestSupport
import Synchronization
import Testing

/// Behaviour of real servers (see the list of compatibility traps). Each test checks the user's result, and that
/// nothing is paid for twice.
@Suite struct ProviderBlackBoxTests: MisbehavingServer {
    typealias Response = StubHTTPServer.Response

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
            // No request is answered before the sixth has arrived, or ten seconds have passed.
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
        // Only the first batch was sent twice.
        #expect(server.requests.filter { $0.json?["encoding_format"] as? String == "base64" }.count == 1)
        #expect(server.requests.count == 4)
    }

    @Test func emptyDataForNumbersTooIsAnError() async throws {
        let (text, requests) = try await failure { _ in .text(#"{"data":[]}"#) }
        #expect(text.hasSuffix("unusable answer: no vectors in it, tried as base64 and as float"), "\(text)")
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
        // One text may be the reason for a status 400. If two texts are each refused alone and no text is answered, the
        // client takes the whole call to be at fault.
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
        #expect(broken == "API key: the key contains characters that a header cannot hold")
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
}

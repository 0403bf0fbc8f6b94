import Foundation
import MafinBlackBox
import MafinNumerics
import MafinProviders
import MafinTestSupport
import Synchronization
import Testing

/// Every compatibility trap in every dialect: checks the user's result, and that each distinct text is paid for exactly
/// once.
@Suite struct DialectTests {
    typealias Response = StubHTTPServer.Response

    static let texts = (0..<9).map { "text number \($0)" } + ["tab\t\"quote\" \\ \u{1} line\n é 日本 😀 \u{2028}"]

    /// The result of one call to a black box with a cache, and the server that it used.
    private func outcome(
        _ dialect: Dialect, texts: [String] = Self.texts, as role: TextRole = .document, concurrency: Int = 1,
        attempts: Int = 6, timeout: Duration = .seconds(20),
        misbehave: @escaping @Sendable (EmbeddingServer.Call) -> Response?
    ) async throws -> Outcome {
        let server = try EmbeddingServer(dialect, misbehave: misbehave)
        defer { server.stop() }
        let box = try server.blackBox(concurrency: concurrency, attempts: attempts, timeout: timeout)
        return try await TemporaryFolder.with { folder in
            let cache = try EmbeddingCache(file: folder.url.appendingPathComponent("cache.sqlite"))
            let cached = CachedBlackBox(box, cache: cache)
            var vectors: Matrix?
            let text = await message { vectors = try await cached.embed(items(texts), as: role) }
            return Outcome(
                message: text, vectors: vectors, paid: server.paid.sorted(), requests: server.requests.count,
                stored: try await cache.count())
        }
    }

    struct Outcome {
        var message: String
        var vectors: Matrix?
        var paid: [String]
        var requests: Int
        var stored: Int
    }

    private func expectAnswered(
        _ outcome: Outcome, _ texts: [String] = Self.texts, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let expected = EmbeddingServer.vectors(texts)
        let found = outcome.vectors?.values ?? []
        #expect(
            found.count == expected.count && zip(found, expected).allSatisfy { abs($0 - $1) < 1e-6 },
            "\(outcome.message)", sourceLocation: sourceLocation)
        #expect(outcome.paid == Set(texts).sorted(), sourceLocation: sourceLocation)
    }

    // MARK: - Right answers

    @Test(arguments: Dialect.allCases)
    func queriesAndDocumentsAreAskedInTheVendorsWay(dialect: Dialect) async throws {
        let types = Mutex<[String?]>([])
        for role in [TextRole.query, .document] {
            let outcome = try await outcome(dialect, as: role, concurrency: 3) { call in
                types.withLock { $0.append(call.inputType) }
                return nil
            }
            expectAnswered(outcome)
            #expect(outcome.requests == 3 && outcome.stored == Self.texts.count)
        }
        let expected: [String?] = dialect.inputTypes.map { [$0.query, $0.document] } ?? [nil, nil]
        let found = types.withLock { $0 }
        #expect(found[..<3].allSatisfy { $0 == expected[0] } && found[3...].allSatisfy { $0 == expected[1] })
    }

    @Test(arguments: Dialect.allCases)
    func dimensionsAreAskedForAndChecked(dialect: Dialect) async throws {
        let server = try EmbeddingServer(dialect)
        defer { server.stop() }
        let box = try server.blackBox(dimensions: 6)
        let vectors = try await box.embed(items(Self.texts), as: .query)
        #expect(vectors.columns == 6)
        let expected = Self.texts.flatMap { EmbeddingServer.vector($0, dimension: 6) }
        #expect(zip(vectors.values, expected).allSatisfy { abs($0 - $1) < 1e-6 })
    }

    @Test(arguments: Dialect.allCases)
    func answersThatAreNotOfUnitLengthAreBroughtToIt(dialect: Dialect) async throws {
        let outcome = try await outcome(dialect) { call in
            .text(
                dialect.answer(call.texts.map { EmbeddingServer.vector($0).map { $0 * 3.5 } }, base64: call.wantsBase64)
            )
        }
        expectAnswered(outcome)
    }

    @Test(arguments: Dialect.allCases)
    func numbersThoughBase64WasAsked(dialect: Dialect) async throws {
        expectAnswered(
            try await outcome(dialect) {
                .text(dialect.answer($0.texts.map { EmbeddingServer.vector($0) }, base64: false))
            })
    }

    @Test(arguments: Dialect.allCases)
    func theVendorsCapIsKept(dialect: Dialect) async throws {
        let texts = (0..<400).map { "t\($0)" }
        let server = try EmbeddingServer(dialect)
        defer { server.stop() }
        let box = try server.blackBox(limits: BatchLimits(items: 5000))
        let vectors = try await box.embed(items(texts), as: .document)
        #expect(vectors.rows == 400 && server.paid.count == 400)
        let requests = dialect.cap.map { (400 + $0 - 1) / $0 } ?? 1
        #expect(dialect == .mistral ? server.requests.count == 7 : server.requests.count == requests)
    }

    // MARK: - Waiting

    /// Every form in which servers say when to try again.
    static let comeBack: [@Sendable (Dialect) -> Response] = [
        { .text($0.refusal("slow down", status: 429), status: 429, headers: ["retry-after-ms": "20"]) },
        { .text($0.refusal("slow down", status: 429), status: 429, headers: ["Retry-After": "0.02"]) },
        {
            .text(
                $0.refusal("slow down", status: 429), status: 429,
                headers: ["retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"])
        },
        { .text($0.refusal("slow down", status: 503), status: 503, headers: ["retry-after": "20ms"]) },
        { .text($0.refusal("Please retry after 0.02 seconds.", status: 429), status: 429) },
        { .text($0.refusal("Limit reached. Please try again in 20ms. Visit us.", status: 429), status: 429) },
        { _ in
            .text(
                #"{"error":{"code":429,"message":"Resource has been exhausted","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.Help"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"0.02s"}]}}"#,
                status: 429)
        },
        { .text($0.refusal("slow down", status: 429), status: 429) },
        { .text($0.refusal("overloaded", status: 529), status: 529) },
    ]

    @Test(arguments: Dialect.allCases)
    func repeated429sAreWaitedFor(dialect: Dialect) async throws {
        // Three refusals of each kind in a row before every answer: more than the attempts of one batch, since the server names times.
        let outcome = try await outcome(dialect, concurrency: 3) { call in
            let number = call.request.number
            return number % 3 == 2 ? nil : Self.comeBack[number / 2 % Self.comeBack.count](dialect)
        }
        expectAnswered(outcome)
    }

    @Test(arguments: Dialect.allCases)
    func slowDripCutsAndSilence(dialect: Dialect) async throws {
        let outcome = try await outcome(dialect, concurrency: 2, timeout: .seconds(1)) { call in
            let whole = dialect.answer(call.texts.map { EmbeddingServer.vector($0) }, base64: call.wantsBase64)
            switch call.request.number {
            case 0: return .text(whole, delivery: .cut(after: whole.utf8.count / 2))
            case 1: return .text("", delivery: .hangUp)
            case 2: return .text("", delivery: .silence(seconds: 3))
            case 3: return .text(whole, delivery: .drip(bytes: 100, pause: 0.005))
            case 4: return .text(whole, delivery: .chunked(50))
            default: return .text(whole, delivery: .wholeThenClose)
            }
        }
        expectAnswered(outcome)
    }

    @Test(arguments: Dialect.allCases)
    func htmlOfAProxy(dialect: Dialect) async throws {
        let page = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
        expectAnswered(
            try await outcome(dialect) {
                $0.request.number % 2 == 0 ? .text(page, status: 502, type: "text/html") : nil
            })
        let signIn = try await outcome(dialect) { _ in .text("<html>Please sign in</html>", type: "text/html") }
        #expect(signIn.message.hasSuffix("unusable answer: no JSON object: HTML page: Please sign in"))
        #expect(signIn.requests == 1 && signIn.stored == 0)
    }

    // MARK: - Too much

    @Test(
        arguments: Dialect.allCases,
        [
            (413, "Payload Too Large"), (400, "Too many tokens in batch. Max is 12 got 24"),
            (400, "invalid request: total number of texts must be at most 2 - received 4"),
            (400, "Requested 24 tokens, max 12 tokens per request"),
            (400, "The max allowed tokens per submitted batch is 12. Your batch has 24 tokens after truncation."),
        ])
    func batchesThatAreTooLargeAreCutAndTheBoundRemembered(dialect: Dialect, refusal: (Int, String)) async throws {
        let (status, words) = refusal
        let server = try EmbeddingServer(dialect) { call in
            call.texts.count > 2 ? .text(dialect.refusal(words, status: status), status: status) : nil
        }
        defer { server.stop() }
        let box = try server.blackBox(concurrency: 1)
        let vectors = try await box.embed(items(Self.texts), as: .document)
        #expect(vectors.rows == Self.texts.count && server.paid.sorted() == Self.texts.sorted())
        #expect(server.requests.count <= 3 + Self.texts.count)
        let before = server.requests.count
        _ = try await box.embed(items(Self.texts.map { $0 + "!" }), as: .document)
        // A request that is too large is not sent again.
        #expect(server.paid.count == 2 * Self.texts.count && server.requests.count - before <= Self.texts.count)
    }

    @Test(arguments: Dialect.allCases)
    func oneTextThatIsTooLongIsNamed(dialect: Dialect) async throws {
        let texts = Self.texts + [String(repeating: "long ", count: 60)] + ["last"]
        let outcome = try await outcome(dialect, texts: texts) { call in
            call.texts.contains { $0.utf8.count > 200 }
                ? .text(
                    dialect.refusal("Input is too long: maximum context length is 50 tokens", status: 400), status: 400)
                : nil
        }
        #expect(
            outcome.message.contains(
                "refuses 1 documents ('d10'): Input is too long: maximum context length is 50 tokens"),
            "\(outcome.message)")
        #expect(outcome.paid == texts.filter { $0.utf8.count <= 200 }.sorted())
        #expect(outcome.stored == texts.count - 1)
        #expect(outcome.requests <= 6)  // the longest of a batch is suspected first
    }

    // MARK: - One text that the server cannot bear

    @Test(arguments: Dialect.allCases, [400, 422, 500])
    func aPoisonousTextIsFoundAndTheRestGoesOn(dialect: Dialect, status: Int) async throws {
        let texts = Self.texts + ["poison"] + (0..<10).map { "later \($0)" }
        let outcome = try await outcome(dialect, texts: texts, attempts: 4) { call in
            call.texts.contains("poison")
                ? .text(dialect.refusal("cannot process", status: status), status: status) : nil
        }
        #expect(outcome.message.contains("refuses 1 documents ('d10'): "), "\(outcome.message)")
        #expect(outcome.message.hasSuffix("cannot process"))
        #expect(outcome.paid == texts.filter { $0 != "poison" }.sorted())
        #expect(outcome.stored == texts.count - 1)
    }

    @Test(arguments: Dialect.allCases, [Float.nan, .infinity, 0])
    func oneUnusableVectorIsNamedAndTheOthersKept(dialect: Dialect, value: Float) async throws {
        let outcome = try await outcome(dialect) { call in
            let vectors = call.texts.map { text -> [Float] in
                guard text == Self.texts[5] else { return EmbeddingServer.vector(text) }
                return value == 0 ? [Float](repeating: 0, count: 8) : [value] + EmbeddingServer.vector(text).dropFirst()
            }
            return .text(dialect.answer(vectors, base64: call.wantsBase64))
        }
        let reason = value.isNaN ? "null or NaN at 0" : value == 0 ? "all zeros" : "inf at 0"
        #expect(outcome.message.hasSuffix("unusable vector for 'd5': \(reason)"), "\(outcome.message)")
        #expect(outcome.stored == Self.texts.count - 1)
        #expect(outcome.paid == Self.texts.sorted() && outcome.requests == 3)
    }

    @Test(arguments: Dialect.allCases)
    func anotherDimensionInTheMiddleStopsTheCall(dialect: Dialect) async throws {
        let outcome = try await outcome(dialect) { call in
            call.request.number == 0
                ? nil
                : .text(
                    dialect.answer(
                        call.texts.map { EmbeddingServer.vector($0, dimension: 5) }, base64: call.wantsBase64))
        }
        #expect(
            outcome.message.hasSuffix("unusable vector for 'd4': 5 numbers where 8 were in earlier answers"),
            "\(outcome.message)")
        #expect(outcome.requests == 2 && outcome.stored == 4)
    }

    @Test(arguments: Dialect.allCases)
    func anAnswerWithTooFewVectorsIsNotStored(dialect: Dialect) async throws {
        let outcome = try await outcome(dialect) { call in
            .text(dialect.answer(call.texts.dropLast().map { EmbeddingServer.vector($0) }, base64: call.wantsBase64))
        }
        #expect(outcome.message.hasSuffix("unusable answer: 3 vectors for 4 texts"), "\(outcome.message)")
        #expect(outcome.requests == 1 && outcome.stored == 0)
    }

    // MARK: - Final

    @Test(
        arguments: Dialect.allCases,
        [
            (401, "Incorrect API key provided: \(Dialect.key)"), (403, "forbidden"),
            (404, "The model `m` does not exist"),
            (402, "no credit"), (429, "You exceeded your current quota, please check your plan and billing details."),
            (400, "unknown model: m not found"),
        ])
    func refusalsOfTheAccountStopAtOnce(dialect: Dialect, refusal: (Int, String)) async throws {
        let (status, words) = refusal
        let outcome = try await outcome(dialect) { call in
            call.request.number == 0 ? nil : .text(dialect.refusal(words, status: status), status: status)
        }
        let shown = words.replacingOccurrences(of: Dialect.key, with: "[key]")
        #expect(outcome.message.hasSuffix("answered \(status): \(shown)"), "\(outcome.message)")
        #expect(outcome.requests == 2 && outcome.stored == 4 && outcome.paid == Self.texts[..<4].sorted())
    }

    @Test(arguments: Dialect.allCases)
    func success200WithAnErrorInIt(dialect: Dialect) async throws {
        let outcome = try await outcome(dialect) { call in
            call.request.number % 2 == 0 ? .text(dialect.refusal("The server is overloaded", status: 503)) : nil
        }
        // The server's bill counts every answer with status 200. These hold errors, so the bill is not compared.
        #expect(outcome.vectors?.rows == Self.texts.count && outcome.stored == Self.texts.count, "\(outcome.message)")
    }
}

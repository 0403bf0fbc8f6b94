import Foundation
import MafinBlackBox
import MafinGeneration
import MafinNumerics
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinProviders

@Suite struct BatchTests {
    private func blackBox(
        _ server: BatchServer, _ cache: EmbeddingCache, waiting: BatchedBlackBox.Waiting = .untilAnswered,
        items: Int = 4, perJob: Int = 50_000, drift: DriftCheck? = nil, spending: SpendingLimit = SpendingLimit()
    ) throws -> CachedBlackBox<BatchedBlackBox> {
        let box = try ProviderBlackBox(
            ProfileCatalog.builtIn.profile("openai").overriding(toml: "[batch]\nitems = \(perJob)", source: "test"),
            model: "m", baseURL: server.url, apiKey: try APIKey(Dialect.key),
            options: ProviderBlackBox.Options(
                limits: BatchLimits(items: items), retry: RetryPolicy(maximumAttempts: 3, firstDelay: .milliseconds(2)),
                spending: spending, sharing: cache),
            environment: [:], transport: try HTTPTransport(ConnectionSettings()), time: VirtualTime())
        return CachedBlackBox(try BatchedBlackBox(box, cache: cache, waiting: waiting), cache: cache, drift: drift)
    }

    private func withServer(
        _ server: BatchServer, _ body: (EmbeddingCache) async throws -> Void
    ) async throws {
        defer { server.stop() }
        try await TemporaryFolder.with { folder in
            let cache = try EmbeddingCache(file: folder.url.appendingPathComponent("cache.sqlite"))
            try await body(cache)
        }
    }

    private static let texts = (0..<10).map { "t\($0)" }

    private func expect(_ vectors: Matrix, _ texts: [String]) {
        let expected = EmbeddingServer.vectors(texts)
        #expect(
            vectors.values.count == expected.count && zip(vectors.values, expected).allSatisfy { abs($0 - $1) < 1e-6 })
    }

    @Test func answersInAnyOrderAfterAWhile() async throws {
        let server = try BatchServer(course: { _ in .init(polls: 4) })
        try await withServer(server) { cache in
            let vectors = try await blackBox(server, cache).embed(items(Self.texts + ["t3"]), as: .document)
            expect(vectors, Self.texts + ["t3"])
            #expect(server.paid.sorted() == Self.texts.sorted() && server.batches.count == 1)
            #expect(server.requests.contains("POST /v1/files") && !server.requests.contains("POST /v1/embeddings"))
            _ = try await blackBox(server, cache).embed(items(Self.texts), as: .query)
            #expect(server.batches.count == 1)
        }
    }

    @Test func expiredAndCancelledBatchesBringWhatTheyHave() async throws {
        let server = try BatchServer(course: { number in
            number == 0
                ? .init(end: "expired", answered: { $0 == 1 })
                : number == 1 ? .init(end: "cancelled", answered: { $0 == 0 }) : .init()
        })
        try await withServer(server) { cache in
            expect(try await blackBox(server, cache).embed(items(Self.texts), as: .document), Self.texts)
            #expect(server.paid.sorted() == Self.texts.sorted() && server.batches.count == 3)
            #expect(!server.requests.contains("POST /v1/embeddings"))
        }
    }

    /// A line that failed because the server was overloaded goes into the next batch.
    @Test func overloadedLinesAreAskedInTheNextBatch() async throws {
        let server = try BatchServer(course: { number in number == 0 ? .init(overloads: { $0 < 2 }) : .init() })
        try await withServer(server) { cache in
            expect(try await blackBox(server, cache).embed(items(Self.texts), as: .document), Self.texts)
            #expect(server.paid.sorted() == Self.texts.sorted() && server.batches.count == 2)
            #expect(!server.requests.contains("POST /v1/embeddings"))
        }
    }

    /// Texts that the batch API does not answer are not sent to the ordinary API at the full price.
    @Test func batchesThatFailAreNotAskedInTheOrdinaryWay() async throws {
        let key = Dialect.key
        let refusing = try BatchServer(course: { _ in
            .init(objection: ("The model m is not supported by the batch API (key \(key))", "model_not_supported"))
        })
        try await withServer(refusing) { cache in
            let text = await message { _ = try await blackBox(refusing, cache).embed(items(Self.texts), as: .document) }
            #expect(text.contains("is not supported by the batch API (key [key])"), "\(text)")
            #expect(refusing.batches.count == 1 && refusing.paid.isEmpty)
            let notes = try await cache.allJobs().compactMap(\.note)
            #expect(notes.count == 1 && !notes[0].contains(key), "\(notes)")
        }
        let expiring = try BatchServer(course: { _ in .init(end: "expired", answered: { _ in false }) })
        try await withServer(expiring) { cache in
            let text = await message { _ = try await blackBox(expiring, cache).embed(items(Self.texts), as: .document) }
            #expect(text.contains("the last 10 texts") && text.contains("window expired"), "\(text)")
            #expect(expiring.batches.count == 4 && expiring.paid.isEmpty)
        }
        let all = try BatchServer(refuses: { _ in true })
        try await withServer(all) { cache in
            let text = await message { _ = try await blackBox(all, cache).embed(items(Self.texts), as: .document) }
            #expect(text.contains("cannot embed this") && !all.requests.contains("POST /v1/embeddings"), "\(text)")
        }
    }

    private static let full = (
        message:
            "Enqueued token limit reached for m in organization org-a. Limit: 3,000,000 enqueued tokens. Please try again once some in_progress batches have been completed.",
        code: "token_limit_exceeded"
    )

    /// The server's queue takes one job: the other jobs wait until it has ended, and the money reserved for them is
    /// released.
    @Test func jobsForWhichThereIsNoRoomAreHeld() async throws {
        let server = try BatchServer(course: { number in
            [1, 2].contains(number) ? .init(objection: Self.full) : .init(polls: 3)
        })
        try await withServer(server) { cache in
            let box = try blackBox(
                server, cache, perJob: 4, spending: SpendingLimit(cost: 47.5e-6, pricePerMillionTokens: 1))
            expect(try await box.embed(items(Self.texts), as: .document), Self.texts)
            #expect(server.paid.sorted() == Self.texts.sorted() && server.batches.count == 5)
            #expect(!server.requests.contains("POST /v1/embeddings"))
        }
    }

    /// A long input is sent block by block, and all its jobs are begun before the call waits for the first.
    @Test func jobsOfAllBlocksAreBegunFirst() async throws {
        let server = try BatchServer(course: { _ in .init(polls: 5) })
        try await withServer(server) { cache in
            let all = items(Self.texts)
            var left = all[...]
            func next() -> [EmbeddingItem]? {
                defer { left = left.dropFirst(4) }
                return left.isEmpty ? nil : Array(left.prefix(4))
            }
            let begun = try await BatchedBlackBox.begin(
                with: blackBox(server, cache, waiting: .no), as: .document, next: next)
            #expect(begun.jobs == ["batch-0", "batch-1", "batch-2"] && begun.texts == 10 && server.paid.isEmpty)
            let box = try blackBox(server, cache)
            for block in stride(from: 0, to: 10, by: 4).map({ Array(all[$0..<min($0 + 4, 10)]) }) {
                expect(try await box.embed(block, as: .document), block.map(\.text))
            }
            #expect(server.paid.sorted() == Self.texts.sorted() && server.batches.count == 3)
            // A second call begins no job.
            left = all[...]
            #expect(
                try await BatchedBlackBox.begin(
                    with: blackBox(server, cache, waiting: .no), as: .document, next: next
                ).texts == 0)
        }
    }

    /// Batches of other users fill the queue: the call waits, and tries again with a smaller batch.
    @Test func aFullQueueIsWaitedFor() async throws {
        let server = try BatchServer(course: { $0 < 6 ? .init(objection: Self.full) : .init() })
        try await withServer(server) { cache in
            expect(try await blackBox(server, cache).embed(items(Self.texts), as: .document), Self.texts)
            #expect(server.paid.sorted() == Self.texts.sorted() && server.batches.count == 7)
        }
    }

    /// The drift check sends ordinary requests, not another batch.
    @Test func driftIsCheckedWithoutABatch() async throws {
        let server = try BatchServer()
        try await withServer(server) { cache in
            _ = try await blackBox(server, cache).embed(items(Self.texts), as: .document)
            let counts = try await blackBox(server, cache, drift: DriftCheck(rate: 1)).answer(
                items(Self.texts), as: .document
            ).counts
            #expect(counts.rechecked == 10 && server.batches.count == 1)
            #expect(server.requests.contains("POST /v1/embeddings") && server.paid.count == 20)
        }
    }

    @Test func refusedLinesAreAskedByThemselvesAndTheTextIsNamed() async throws {
        let server = try BatchServer(refuses: { $0 == "t5" })
        try await withServer(server) { cache in
            let text = await message { _ = try await blackBox(server, cache).embed(items(Self.texts), as: .document) }
            #expect(text.contains("'d5'") && text.contains("cannot embed this"), "\(text)")
            #expect(server.paid.sorted() == Self.texts.filter { $0 != "t5" }.sorted())
            let count = try await cache.count()
            #expect(count == 9)
        }
    }

    /// A command ends, or is killed; another command continues its job.
    @Test func anotherRunCollects() async throws {
        let server = try BatchServer(course: { _ in .init(polls: 3) })
        try await withServer(server) { cache in
            let first = await message {
                _ = try await blackBox(server, cache, waiting: .no).embed(items(Self.texts), as: .document)
            }
            #expect(
                first.contains("10 texts are in 1 batch that the provider has not answered yet ('batch-0')"), "\(first)"
            )
            #expect(try await cache.pendingJobs().map(\.state) == [.running])
            // `batch resume` of another model leaves the job alone; `batch resume` of this model collects it.
            let box = try blackBox(server, cache)
            let other = try ProviderBlackBox(
                ProfileCatalog.builtIn.profile("openai"), model: "other", baseURL: server.url,
                apiKey: try APIKey(Dialect.key))
            #expect(try await cache.resumeJobs(of: other).isEmpty)
            for job in try await cache.pendingJobs() { try await cache.cancelJob(job, of: other) }
            #expect(!server.requests.contains { $0.hasSuffix("/cancel") })
            expect(try await box.embed(items(Self.texts), as: .document), Self.texts)
            #expect(server.batches.count == 1 && server.paid.count == 10)
            #expect(try await cache.pendingJobs().isEmpty)
        }
    }

    /// The answer to the request that begins a batch is lost: the client finds out whether the batch has begun before
    /// it pays again.
    @Test(arguments: [(true, 0), (true, 250), (false, 0)])
    func aLostAnswerToTheBeginningIsNotPaidTwice(hasBegun: Bool, others: Int) async throws {
        let isLost = Mutex(true)
        let server = try BatchServer(
            course: { _ in
                let loses = isLost.withLock { value in
                    defer { if hasBegun { value = false } }
                    return value
                }
                return .init(losesBegin: loses ? hasBegun : nil)
            }, others: others)
        try await withServer(server) { cache in
            if !hasBegun {
                let text = await message {
                    _ = try await blackBox(server, cache).embed(items(Self.texts), as: .document)
                }
                #expect(text.contains("no answer"), "\(text)")
                isLost.withLock { $0 = false }
            }
            expect(try await blackBox(server, cache).embed(items(Self.texts), as: .document), Self.texts)
            #expect(server.paid.sorted() == Self.texts.sorted() && server.batches.count == 1)
        }
    }

    @Test func providersWithoutABatchAPISaySo() async throws {
        let server = try BatchServer()
        try await withServer(server) { cache in
            let box = try ProviderBlackBox(
                ProfileCatalog.builtIn.profile("cohere"), model: "embed-v4.0", baseURL: server.url)
            #expect(throws: ProviderError.self) { try BatchedBlackBox(box, cache: cache) }
        }
    }

    // MARK: - Replies

    private func model(_ server: BatchServer, _ cache: EmbeddingCache) throws -> CachedLanguageModel {
        let model = try ChatModel(
            ProfileCatalog.builtIn.profile("openai"), model: "writer", baseURL: server.url,
            apiKey: try APIKey(Dialect.key),
            transport: try HTTPTransport(ConnectionSettings()), time: VirtualTime())
        return CachedLanguageModel(try BatchedLanguageModel(model, cache: cache), cache: cache)
    }

    @Test func repliesComeInBatchesToo() async throws {
        let server = try BatchServer(
            course: { number in
                guard number == 0 else { return BatchServer.Course(polls: 2) }
                return BatchServer.Course(polls: 2, end: "expired", answered: { $0 < 3 })
            }, refuses: { $0 == "p4" })
        try await withServer(server) { cache in
            let asked = prompts((0..<8).map { "p\($0)" })
            let replies = try await model(server, cache).replies(asked)
            #expect(
                replies.map(\.text) == (0..<8).map { $0 == 4 ? "" : "reply to p\($0)" }
                    && replies[4].refusal == "cannot embed this")
            #expect(server.paid.sorted() == (0..<8).filter { $0 != 4 }.map { "p\($0)" } && server.batches.count == 2)
            #expect(server.batches.allSatisfy { $0.endpoint == "/v1/chat/completions" })
            // Vectors are not read from batches of replies.
            let box = try ProviderBlackBox(
                ProfileCatalog.builtIn.profile("openai"), model: "writer", baseURL: server.url,
                apiKey: try APIKey(Dialect.key))
            #expect(try await cache.resumeJobs(of: box).isEmpty)
            _ = try await model(server, cache).replies(asked.filter { $0.user != "p4" })
            #expect(server.batches.count == 2)
        }
    }

    @Test func overloadedAndTurnedAwayPromptsAreAskedInTheNextBatch() async throws {
        let server = try BatchServer(course: { number in
            switch number {
            case 0: .init(objection: Self.full)
            case 1: .init(overloads: { $0 != 3 })
            default: .init()
            }
        })
        try await withServer(server) { cache in
            let replies = try await model(server, cache).replies(prompts((0..<8).map { "p\($0)" }))
            #expect(replies.map(\.text) == (0..<8).map { "reply to p\($0)" } && server.batches.count == 3)
            #expect(server.paid.count == 8)
        }
    }

    @Test func aBatchWithoutAnyReplyIsAnError() async throws {
        let server = try BatchServer(refuses: { _ in true })
        try await withServer(server) { cache in
            let text = await message { _ = try await model(server, cache).replies(prompts(["a", "b"])) }
            #expect(text.contains("cannot embed this"), "\(text)")
        }
    }
}

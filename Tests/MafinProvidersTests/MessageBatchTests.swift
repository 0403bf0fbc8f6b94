import Foundation
import MafinBlackBox
import MafinGeneration
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinProviders

/// Anthropic's message batches: no file is uploaded, and a batch has no tag by which it could be found again.
@Suite struct MessageBatchTests {
    private func model(_ server: MessageBatchServer, _ cache: EmbeddingCache) throws -> CachedLanguageModel {
        let model = try ChatModel(
            ProfileCatalog.builtIn.profile("anthropic"), model: "writer", baseURL: server.url,
            apiKey: try APIKey(Dialect.key), transport: try HTTPTransport(ConnectionSettings()), time: VirtualTime())
        return CachedLanguageModel(try BatchedLanguageModel(model, cache: cache), cache: cache)
    }

    private func withServer(
        _ server: MessageBatchServer, _ body: (EmbeddingCache) async throws -> Void
    ) async throws {
        defer { server.stop() }
        try await TemporaryFolder.with { folder in
            try await body(try EmbeddingCache(file: folder.url.appendingPathComponent("cache.sqlite")))
        }
    }

    private static let asked = prompts((0..<8).map { "p\($0)" })

    /// Lines that expired or failed at an overloaded server go into the next batch; refused lines do not.
    @Test func repliesComeInMessageBatches() async throws {
        let server = try MessageBatchServer(course: { number in
            .init(
                polls: 2,
                result: { prompt in
                    switch prompt {
                    case "p4": "invalid_request_error"
                    case "p1", "p2": number == 0 ? "expired" : nil
                    case "p6": number == 0 ? "overloaded_error" : nil
                    default: nil
                    }
                })
        })
        try await withServer(server) { cache in
            let replies = try await model(server, cache).replies(Self.asked)
            #expect(replies.map(\.text) == (0..<8).map { $0 == 4 ? "" : "reply to p\($0)" })
            #expect(replies[4].refusal == "said of p4" && replies[0].inputTokens == 11)
            #expect(server.paid.sorted() == (0..<8).filter { $0 != 4 }.map { "p\($0)" } && server.batches == 2)
            #expect(server.isAuthorised && !server.requests.contains { $0.contains("files") })
            #expect(Set(server.names).count == 11 && server.names.allSatisfy { $0.count <= 64 })
            #expect(
                server.names.allSatisfy { name in
                    name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "_-".contains($0)) }
                })
            _ = try await model(server, cache).replies(Self.asked.filter { $0.user != "p4" })
            #expect(server.batches == 2)
        }
    }

    /// The answer to the request that begins a batch is lost. The account has another batch of the same size. No prompt
    /// is paid for twice.
    @Test(arguments: [true, false], [1, 4])
    func aLostAnswerToTheBeginningIsNotPaidTwice(hasBegun: Bool, polls: Int) async throws {
        let isLost = Mutex(true)
        let server = try MessageBatchServer(
            foreign: 8,
            course: { _ in
                let loses = isLost.withLock { value in
                    defer { if hasBegun { value = false } }
                    return value
                }
                return .init(polls: polls, losesBegin: loses ? hasBegun : nil)
            })
        try await withServer(server) { cache in
            if !hasBegun {
                let text = await message { _ = try await model(server, cache).replies(Self.asked) }
                #expect(text.contains("no answer"), "\(text)")
                isLost.withLock { $0 = false }
            }
            let replies = try await model(server, cache).replies(Self.asked)
            #expect(replies.map(\.text) == (0..<8).map { "reply to p\($0)" })
            #expect(server.paid.sorted() == (0..<8).map { "p\($0)" } && server.batches == 2)
            #expect(try await cache.pendingJobs().isEmpty)
        }
    }

    @Test func theRefusalOfABatchIsTold() async throws {
        let server = try MessageBatchServer(course: { _ in .init(result: { _ in "invalid_request_error" }) })
        try await withServer(server) { cache in
            let text = await message { _ = try await model(server, cache).replies(Self.asked) }
            #expect(text.contains("said of p"), "\(text)")
        }
    }

    @Test func batchesAreReadAsTheyAreDescribed() throws {
        func read(_ json: String) throws -> BatchRemote? {
            let object = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
            return BatchRemote(ofMessages: object, batches: "https://api.anthropic.com/v1/messages/batches")
        }
        let ended = try #require(
            try read(
                #"""
                {"id":"msgbatch_1","type":"message_batch","processing_status":"ended","request_counts":{"processing":0,
                "succeeded":50,"errored":30,"canceled":10,"expired":10},"created_at":"2024-08-20T18:37:24.100435Z",
                "results_url":"https://api.anthropic.com/v1/messages/batches/msgbatch_1/results"}
                """#))
        #expect(ended.state == .completed && ended.completed == 50 && ended.failed == 50 && ended.total == 100)
        #expect(ended.results == ["https://api.anthropic.com/v1/messages/batches/msgbatch_1/results"])
        #expect(abs((ended.created?.timeIntervalSince1970 ?? 0) - 1_724_179_044.1) < 0.01)
        #expect(try read(#"{"id":"a","processing_status":"canceling"}"#)?.state == .cancelling)
        #expect(try read(#"{"id":"a","processing_status":"in_progress"}"#)?.results == [])
        #expect(try read(#"{"id":"a","processing_status":"anything"}"#) == nil)
    }
}

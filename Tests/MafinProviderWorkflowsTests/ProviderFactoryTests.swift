import Foundation
import MafinBlackBox
import MafinGeneration
import MafinNumerics
import MafinProviders
import MafinTestSupport
import MafinWorkflows
import Testing

@testable import MafinProviderWorkflows

/// Opening models as library calls: where keys and headers go, and which requests share a limit.
@Suite struct ProviderFactoryTests {
    private static func chatServer() throws -> StubHTTPServer {
        try StubHTTPServer { _ in .text(#"{"choices":[{"message":{"content":"yes"},"finish_reason":"stop"}]}"#) }
    }

    private static func embeddingServer() throws -> StubHTTPServer {
        try StubHTTPServer { request in
            let rows = (request.json?["input"] as? [String] ?? []).indices.map {
                #"{"index":\#($0),"embedding":[1,0]}"#
            }
            return .text(#"{"data":[\#(rows.joined(separator: ","))]}"#)
        }
    }

    /// Address, key and headers of the writer go to no other provider.
    @Test func settingsOfTheWriterAreNotSentToOtherProviders() async throws {
        let (writer, other) = (try Self.chatServer(), try Self.chatServer())
        defer {
            writer.stop()
            other.stop()
        }
        try await TemporaryFolder.with { folder in
            var shared = ProviderSettings()
            shared.cacheFile = folder.url.appendingPathComponent("cache.sqlite")
            shared.providerFile = folder.url.appendingPathComponent("other.toml")
            let profile =
                "name = \"other\"\nextends = \"openai\"\n[endpoint]\nbase_url = \"\(other.url)/v1\"\nkey_variables = [\"OTHER_KEY\"]"
            try Data(profile.utf8).write(to: folder.url.appendingPathComponent("other.toml"))
            var settings = LanguageModelFactory.Settings()
            settings.provider = "openai"
            settings.baseURL = writer.url
            settings.key = APIKeySource(variable: "MY_KEY")
            settings.headers = ["X-House": "secret-of-the-house"]
            let factory = LanguageModelFactory(
                settings,
                beside: BlackBoxFactory(
                    shared, context: WorkflowContext(), purse: Purse(),
                    environment: ["MY_KEY": "sk-writer", "OTHER_KEY": "sk-judge"]))
            let prompt = LanguagePrompt(system: "", user: "ready?")
            for provider in ["openai", "other"] {
                let opened = try factory.open(provider, model: "m")
                try await opened.model.answer([prompt]) { _, _ in }
            }
            let (first, second) = (try #require(writer.requests.first), try #require(other.requests.first))
            #expect(first.headers["authorization"] == "Bearer sk-writer")
            #expect(first.headers["x-house"] == "secret-of-the-house")
            #expect(second.headers["authorization"] == "Bearer sk-judge" && second.headers["x-house"] == nil)
            #expect(writer.requests.count == 1 && other.requests.count == 1)
        }
    }

    /// A limit holds for a command, however often it opens the model.
    @Test func oneLimitForAllOpeningsOfACommand() async throws {
        let server = try Self.embeddingServer()
        defer { server.stop() }
        try await TemporaryFolder.with { folder in
            var settings = ProviderSettings()
            settings.cacheFile = folder.url.appendingPathComponent("cache.sqlite")
            settings.maximumRequests = 1
            let factory = BlackBoxFactory(settings, context: WorkflowContext(), purse: Purse(), environment: [:])
            let source = BlackBoxSource(.openAI(model: "m"), baseURL: server.url)
            _ = try await factory.open(source).embed([EmbeddingItem(id: "1", text: "one")], as: .query)
            let again = try await factory.open(source)
            await #expect(throws: ProviderError.self) {
                try await again.embed([EmbeddingItem(id: "2", text: "two")], as: .query)
            }
            #expect(server.requests.count == 1)
            // Cached answers cost nothing.
            #expect(try await again.embed([EmbeddingItem(id: "1", text: "one")], as: .query).rows == 1)
        }
    }

    @Test func aCostIsBoundedOnlyWhereThereIsAPrice() async throws {
        try await TemporaryFolder.with { folder in
            var settings = ProviderSettings()
            settings.cacheFile = folder.url.appendingPathComponent("cache.sqlite")
            settings.maximumCost = CostLimit("5/day")
            let factory = BlackBoxFactory(settings, context: WorkflowContext(), environment: [:])
            await #expect(throws: ProviderError.missingPrice) {
                _ = try await factory.open(BlackBoxSource(.openAI(model: "m"), baseURL: "http://127.0.0.1:1"))
            }
        }
    }

    @Test func batchesAndDriftChecksAreRefusedForAService() async throws {
        try await TemporaryFolder.with { folder in
            let source = BlackBoxSource(.openAI(model: "m"), baseURL: "http://127.0.0.1:1")
            func flag(_ change: (inout ProviderSettings) -> Void) async throws -> String? {
                var settings = ProviderSettings()
                settings.cacheFile = folder.url.appendingPathComponent("cache.sqlite")
                change(&settings)
                let factory = BlackBoxFactory(settings, context: WorkflowContext(), environment: [:])
                do {
                    _ = try await factory.open(source, use: .service(retry: RetryPolicy()) { _ in })
                    return nil
                } catch ProviderError.notForService(let flag) {
                    return flag
                }
            }
            let flags = [
                try await flag { _ in }, try await flag { $0.usesBatches = true },
                try await flag { $0.driftCheck = 0.01 },
            ]
            #expect(flags == [nil, "--batch", "--drift-check"])
        }
    }

    @Test func costsAreReadAsPeopleWriteThem() {
        #expect(CostLimit("5").map { $0.amount == 5 && !$0.isPerDay } ?? false)
        #expect(CostLimit("0.50/day").map { $0.amount == 0.5 && $0.isPerDay } ?? false)
        for text in ["", "five", "-1", "5/week", "5/", "/day", "inf", "nan"] {
            #expect(CostLimit(text) == nil, "\(text)")
        }
    }
}

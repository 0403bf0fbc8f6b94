import Foundation
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinProviders
import MafinRetrieval
import MafinServer
import MafinTestSupport
import MafinWorkflows
import Synchronization
import Testing

@testable import MafinProviderWorkflows

/// How a black box is asked where somebody waits for each answer.
@Suite struct ServingWorkflowTests {
    private static func workflow(_ warn: @escaping @Sendable (String) -> Void = { _ in }) -> ServingWorkflow {
        let context = WorkflowContext(warn: warn)
        return ServingWorkflow(
            artefact: "ART", source: { _ in throw CancellationError() },
            factory: BlackBoxFactory(ProviderSettings(), context: context, purse: Purse(), environment: [:]),
            context: context)
    }

    @Test(arguments: [
        (ProviderError.textsRefused(endpoint: "e", role: .query, texts: []), UpstreamFailure.Kind.textRefused),
        (.textsTooLong(role: .query, limit: 1, count: 1, first: []), .textRefused),
        (.refused(endpoint: "e", status: 400, message: "m"), .textRefused),
        (.refused(endpoint: "e", status: 401, message: "m"), .refused),
        (.missingKey(endpoint: "e", variable: "v"), .refused),
        (.overBudget(endpoint: "e", reason: "r"), .overBudget),
        (.badAnswer(endpoint: "e", reason: "r"), .unavailable), (.cacheFull(path: "p"), .unavailable),
        (.unavailable(endpoint: "e", attempts: 1, reason: "r"), .unavailable),
    ])
    func errorsOfProvidersHaveAKind(_ error: ProviderError, _ kind: UpstreamFailure.Kind) {
        let failure = UpstreamFailure(of: error)
        #expect(failure.kind == kind && failure.detail == "\(error)" && failure.retryAfter == nil)
    }

    @Test func whatTheServerAskedForIsKept() {
        let busy = ProviderError.unavailable(endpoint: "e", attempts: 1, reason: "r", retryAfter: .milliseconds(1_200))
        #expect(UpstreamFailure(of: busy).retryAfter == 2)
        let own = UpstreamFailure(.unknownText, "own")
        #expect(UpstreamFailure(of: own) == own)
        #expect(UpstreamFailure(of: CancellationError()).kind == .unavailable)
    }

    @Test func storedAnswersAreAskedByText() async throws {
        try await TemporaryFolder.with { folder in
            let file = try folder.write(
                #"{"id": "d1", "vector": [1, 0]}"# + "\n" + #"{"id": "q1", "vector": [0, 1]}"# + "\n", to: "v.jsonl")
            try folder.write(#"{"_id": "d1", "text": "Two  words"}"# + "\n", to: "data/corpus.jsonl")
            try folder.write(#"{"_id": "q1", "text": "A question"}"# + "\n", to: "data/queries.jsonl")
            let stored = try StoredVectors(contentsOf: file)
            let warnings = Mutex<[String]>([])
            var workflow = Self.workflow { text in warnings.withLock { $0.append(text) } }
            workflow.data = folder.url.appendingPathComponent("data")
            let known = try workflow.askedByText(stored)
            let item = EmbeddingItem(id: "input 0", text: "two words")
            #expect(try await known.embed([item], as: .document).values == [1, 0])
            #expect(warnings.withLock { $0.isEmpty })

            workflow.data = nil
            let unknown = try workflow.askedByText(stored)
            let failure = await #expect(throws: UpstreamFailure.self) { try await unknown.embed([item], as: .document) }
            #expect(failure?.kind == .unknownText)
            #expect(warnings.withLock { $0.count == 1 && $0[0].contains("no text can be embedded unless --data") })
        }
    }

    /// Nothing is opened that could be asked, and no price is looked for: `source` of the workflow throws.
    @Test func anOfflineServiceOpensNoBlackBox() async throws {
        try await TemporaryFolder.with { folder in
            let artefact = folder.url.appendingPathComponent("ART")
            let source = MovedDocuments(
                ids: ["d1"], vectors: Matrix(rows: 1, columns: 2, values: [1, 0]),
                name: SourceName(rawValue: "nudge-n"))
            try Artefact.ship(
                ShippedSources([source], mixture: Mixture(SourceWeights([(source.name, 1)]))),
                Artefact.Shipment(
                    system: "toy",
                    blackBox: BlackBoxIdentity(provider: "toy", model: "toy", dimension: 2, normalisation: .unit),
                    blackBoxSource: nil, blackBoxDimension: 2, data: [],
                    verdict: Verdict(lambda: nil, metric: "nDCG@10", difference: (0.1, 0.05, 0.15), queries: 2),
                    knownQueries: KnownQueries([])), encoderFrom: nil, to: artefact)
            var workflow = Self.workflow()
            workflow.artefact = artefact.path
            let asking = workflow
            #expect(throws: CancellationError.self) { try asking.price() }
            await #expect(throws: CancellationError.self) { _ = try await asking.load(ServiceMetrics()).blackBox }
            workflow.isOffline = true
            #expect(try workflow.price() == nil)
            let loaded = try await workflow.load(ServiceMetrics())
            #expect(loaded.blackBox == nil && loaded.cache == nil)
        }
    }

    // MARK: Probing

    /// Without a profile to start from, some are tried, and the first one's error is told.
    @Test func aProbeTriesSomeProfiles() async throws {
        let server = try StubHTTPServer { _ in .text(#"{"error":{"message":"not found"}}"#, status: 404) }
        defer { server.stop() }
        try await TemporaryFolder.with { folder in
            let notes = Mutex<[String]>([])
            func probe(maximumRequests: Int?) async throws -> ProviderProbe.Report {
                var settings = ProviderSettings()
                settings.cacheFile = folder.url.appendingPathComponent("cache.sqlite")
                settings.maximumRequests = maximumRequests
                let context = WorkflowContext(note: { text in notes.withLock { $0.append(text) } })
                let factory = BlackBoxFactory(settings, context: context, purse: Purse(), environment: [:])
                return try await factory.probe(model: "m", provider: nil, baseURL: server.url, limits: false)
            }
            await #expect(throws: ProviderError.self) { try await probe(maximumRequests: nil) }
            #expect(
                notes.withLock { $0.compactMap { $0.split(separator: ":").first } } == [
                    "not openai", "not ollama", "not tei",
                ])
            notes.withLock { $0 = [] }
            let sent = server.requests.count
            // A limit is no reason to try the next.
            let error = await #expect(throws: ProviderError.self) { try await probe(maximumRequests: 0) }
            guard case .overBudget = error else {
                Issue.record("\(error as Any)")
                return
            }
            #expect(server.requests.count == sent && notes.withLock { $0.isEmpty })
        }
    }
}

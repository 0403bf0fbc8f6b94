import Foundation
import MafinBlackBox
import MafinEncoder
import MafinPipeline
import MafinProviders
import MafinRetrieval
import MafinServer
import MafinWorkflows
import Synchronization

/// Loads what `mafin serve` serves: an artefact, and its black box with the limits of a service, whose clients wait for each answer.
package struct ServingWorkflow: Sendable {
    /// Folder of the artefact.
    package var artefact: String
    /// Returns the black box to ask, from the one that the artefact names.
    package var source: @Sendable (BlackBoxSource?) throws -> BlackBoxSource
    package var factory: BlackBoxFactory
    /// Where warnings go.
    package var context: WorkflowContext
    /// Folder of the index that is searched.
    package var index: URL?
    /// The collection of a black box of stored answers.
    package var data: URL?
    /// Whether the artefact's stand-in answers all queries. No black box is opened then, so no key is needed.
    package var isOffline = false
    /// Whether queries are answered without the black box while it is away.
    package var degrades = false
    /// Largest number of bytes of clients' query vectors in the cache; nil: all are kept.
    package var maximumQueryBytes: Int?
    /// In which the encoders embed; nil for what the artefact says.
    package var precision: Precision?

    package init(
        artefact: String, source: @escaping @Sendable (BlackBoxSource?) throws -> BlackBoxSource,
        factory: BlackBoxFactory, context: WorkflowContext
    ) {
        (self.artefact, self.source) = (artefact, source)
        (self.factory, self.context) = (factory, context)
    }

    /// The price of a million tokens of the black box; nil if it is unknown, or if the black box is never asked.
    package func price() throws -> Double? {
        let manifest = try Artefact(readingFrom: URL(fileURLWithPath: artefact)).manifest
        guard manifest.asksBlackBox, !isOffline else { return nil }
        return try factory.price(of: source(manifest.blackBoxSource))
    }

    /// Opens everything except the index, and the black box only if it may be asked. The service opens the index only if it has changed.
    package func load(_ metrics: ServiceMetrics) async throws -> sending LoadedArtefact {
        let model = try ArtefactOpening.model(at: artefact, precision: precision, context)
        guard model.manifest.asksBlackBox, !isOffline else {
            return LoadedArtefact(model: model, blackBox: nil, index: index)
        }
        let source = try source(model.manifest.blackBoxSource)
        let opened = Mutex<EmbeddingCache?>(nil)
        let use = BlackBoxUse.service(
            retry: retry, maximumQueryBytes: maximumQueryBytes,
            cacheOpened: { cache in opened.withLock { $0 = cache } },
            progress: { counts in
                // The first report of a call says how many texts are in the cache, and so how many will be asked.
                if counts.asked == 0 { metrics.recordCache(hits: counts.cached, asked: counts.remaining) }
            })
        let blackBox = try await ArtefactOpening.blackBox(of: model) { _ in try await factory.open(source, use: use) }
        var loaded = LoadedArtefact(model: model, blackBox: try askedByText(blackBox), index: index)
        guard let cache = opened.withLock({ $0 }) else { return loaded }
        loaded.cache = {
            CacheFigures(
                bytes: cache.fileBytes, writeFailures: cache.writeFailures, evictedVectors: cache.evictedVectors,
                isWritable: cache.isWritable)
        }
        if try factory.price(of: source) != nil {
            let limit = factory.settings.maximumCost?.perDay
            loaded.spending = {
                // If the ledger cannot be read, the requests that need it report the error.
                guard let spent = try? await cache.spentToday(for: .vectors) else { return nil }
                return SpendingFigures(today: spent.cost, limitPerDay: limit)
            }
        }
        return loaded
    }

    /// Clients wait for each answer. So a failed call is tried once more at once, and the service does not wait for a black box that asks to come
    /// back later. If other sources can answer alone, there is no second attempt.
    private var retry: RetryPolicy {
        degrades
            ? RetryPolicy(maximumAttempts: 1, longestServerDelay: .zero, patience: .zero)
            : RetryPolicy(
                maximumAttempts: 2, firstDelay: .milliseconds(200), longestDelay: .seconds(1),
                longestServerDelay: .seconds(1), patience: .seconds(2))
    }

    /// Lets a black box of stored vectors be asked by text, because clients send texts and no ids.
    func askedByText(_ blackBox: any BlackBox) throws -> any BlackBox {
        guard blackBox is StoredVectors else { return blackBox }
        if let data {
            let collection = try RetrievalCollection(contentsOf: data)
            return KnownTexts(
                blackBox, queries: collection.queries.map { EmbeddingItem($0) },
                documents: collection.documents.map { EmbeddingItem($0) })
        }
        context.warn(
            "the black box is a file of stored answers, which are known by id only; "
                + (degrades ? "queries are answered without the black box" : "no text can be embedded")
                + " unless --data names its collection")
        return KnownTexts(blackBox, queries: [], documents: [])
    }
}

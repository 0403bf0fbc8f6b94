import Foundation
import HTTPTypes
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval
import MafinText

/// An artefact with everything that answers its requests. A reload replaces it as a whole.
///
/// A request keeps the model that it began with. An old model is freed when its last request has been answered.
final class ServedModel: Sendable {
    /// The name that clients call the model by.
    let name: String
    let manifest: ArtefactManifest
    let sources: [any ScoreSource]
    /// SHA-256 of the artefact's manifest. It shows which version of the artefact is served.
    let hash: String
    let created: Date
    /// `nil` if no source is a local encoder.
    let engine: LocalEngine?
    /// What answers without the black box; `nil` if the artefact has none, or if the service never uses it.
    let standIn: StandInAnswers?
    /// Whether the black box is never asked.
    let isOffline: Bool
    /// See ``ServiceOptions/askBelow``.
    let askBelow: Double?
    /// `nil` if no source needs the black box, or if it is never asked.
    let upstream: UpstreamBatcher?
    let index: ServedIndex?
    /// Services that search instead of an index of this one; `nil`: none.
    let shards: (any SearchShards)?
    let searching: SearchQueue
    let readiness: ReadinessCheck
    let cache: (@Sendable () -> CacheFigures)?
    let spending: (@Sendable () async -> SpendingFigures?)?
    /// `/openapi.json` and the page: they depend on nothing but the model and the options.
    let description: String
    let page: String
    let degrades: Bool
    let metrics: ServiceMetrics

    /// - Parameter index: the index of the model before. It is used again if its files are still the same.
    /// - Throws: ``IndexError`` for an index that does not fit; `ArtefactError` for an artefact without the stand-in that the options need; file
    ///   errors.
    init(
        _ loaded: sending LoadedArtefact, options: ServiceOptions, metrics: ServiceMetrics, log: ServiceLog,
        sharing before: ServedIndex? = nil
    ) throws {
        let artefact = loaded.model.artefact
        (isOffline, askBelow) = (options.isOffline, options.askBelow.flatMap { $0 < 1 ? $0 : nil })
        if options.isOffline || options.askBelow != nil { try artefact.requireOffline() }
        shards = options.shards
        name = options.name ?? artefact.folder.standardizedFileURL.lastPathComponent
        manifest = artefact.manifest
        let url = artefact.folder.appendingPathComponent(Artefact.manifestName)
        hash = try ContentHash.sha256(of: url)
        created = (try? FileManager.default.attributesOfItem(atPath: url.path)[.modificationDate] as? Date) ?? Date()
        let sources = loaded.model.sources
        self.sources = sources
        let precision = loaded.model.precision
        index = try loaded.index.map {
            try ServedIndex(
                $0, for: artefact, sources: sources, queries: precision, isOffline: options.isOffline,
                isExact: options.isExact,
                sharing: before
            ) { log.note($0) }
        }
        searching = SearchQueue(longestWait: options.longestSearchWait)
        upstream =
            options.isOffline
            ? nil
            : loaded.blackBox.map { blackBox in
                UpstreamBatcher(
                    blackBox, limits: .init(calls: options.upstreamCalls, timeout: options.upstreamTimeout),
                    observer: .init(
                        call: { metrics.recordCall(texts: $0, seconds: $1, failure: $2) },
                        known: { metrics.recordCache(hits: $0, asked: 0) }),
                    classify: options.classify)
            }
        (cache, spending) = (loaded.cache, loaded.spending)
        let reading = loaded.model.offlineReading
        let engines = LocalEngine.engines(
            of: loaded.model, limits: .init(batchTokens: options.batchTokens, queueTokens: options.queueTokens),
            observer: { metrics.recordBatch(rows: $0, tokens: $1, seconds: $2) })
        engine = engines.local
        let isUsed = options.isOffline || options.askBelow != nil || options.degrades
        standIn =
            if isUsed, let engine = engines.standIn, let reading {
                StandInAnswers(engine: engine, reading: reading)
            } else { nil }
        // Without a source that can go on alone, a service whose black box is away cannot do its work.
        let canDegrade =
            options.degrades
            && (standIn != nil || manifest.mixing.rankingWeights.withoutBlackBox(sources) != nil)
        readiness = ReadinessCheck(
            engine, standIn: standIn?.engine,
            upstream.map { BlackBoxProbe($0, asksForImage: engines.local?.reader(.query).readsImages == true) },
            cache: cache, degrades: canDegrade,
            log: log)
        let offered = manifest.offeredWeights(isOffline: isOffline, asksSome: askBelow != nil)
        let readsImages = engine?.reader(.query).readsImages
        description = try ServiceDescription(
            manifest, sources, offered: offered, readsImages: readsImages, name: name, options
        ).text()
        page = try PageSource.page([
            "model": name, "sources": offered.described(sources), "isOffline": options.isOffline,
            "documents": index?.search.count ?? 0, "hasIndex": index != nil || shards != nil,
            "isSharded": shards != nil, "hasLocal": engine != nil,
            // The texts of documents are with the shards.
            "explainsWords": shards == nil && engine?.tokenizer(.query) != nil,
            "readsImages": readsImages == true,
            "hasFeedback": options.feedbackFolder != nil, "hasReport": options.report != nil,
            "hasKeys": options.hasKeys,
        ])
        degrades = options.degrades
        self.metrics = metrics
    }

    /// Numbers in a joined vector; 0 if no source has vectors.
    var dimension: Int { sources.joinedDimension }

    /// How the texts of one role are counted.
    func tokens(_ role: TextRole) -> TokenCount { engine?.tokenizer(role).map { .local($0) } ?? .estimated }

    /// The weights that a request may replace.
    var offered: SourceWeights { manifest.offeredWeights(isOffline: isOffline, asksSome: askBelow != nil) }

    /// The names of the sources that may rank, for messages.
    var sourceNames: String { offered.sources.map(\.rawValue).joined(separator: ", ") }

    /// The sources with a weight that joined vectors do not hold: those without vectors, and documents moved by labels. The service does not
    /// know the ids of the documents that it embeds, so it gives the vector from which each was moved.
    var leftOut: [SourceName] { manifest.rankingWeights(offline: isOffline).leftOutOfVectors(sources) }

    /// - Throws: ``ServiceError`` 404 where no index is served.
    func requireIndex() throws -> ServedIndex {
        if let index { return index }
        throw ServiceError(
            .notFound, .invalidRequest,
            "no index is served: make one with 'mafin index' and start the service with --index", code: "no_index")
    }

    /// The index and the row of one of its documents.
    /// - Throws: ``ServiceError`` 404.
    func row(of id: String, parameter: String) throws -> (SearchIndex, Int) {
        let index = try requireIndex().search
        if let row = index.row(of: id) { return (index, row) }
        throw ServiceError(
            .notFound, .invalidRequest, "the index holds no document '\(id.clipped)'", parameter: parameter,
            code: "document_not_found")
    }

    func measured<Result: Sendable>(
        _ stage: ServiceMetrics.Stage, _ body: @Sendable () async throws -> Result
    ) async rethrows -> Result {
        let start = ContinuousClock.now
        defer { metrics.recordStage(stage, since: start) }
        return try await body()
    }
}

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
    /// `nil` if no source needs the black box.
    let upstream: UpstreamBatcher?
    let index: ServedIndex?
    let searching: SearchQueue
    let readiness: ReadinessCheck
    let cache: (@Sendable () -> CacheFigures)?
    let spending: (@Sendable () async -> SpendingFigures?)?
    /// `/openapi.json` and the page: they depend on nothing but the model and the options.
    let description: String
    let page: String
    private let degrades: Bool
    private let metrics: ServiceMetrics

    /// - Parameter index: the index of the model before. It is used again if its files are still the same.
    /// - Throws: ``IndexError`` for an index that does not fit; file errors.
    init(
        _ loaded: sending LoadedArtefact, options: ServiceOptions, metrics: ServiceMetrics, log: ServiceLog,
        sharing before: ServedIndex? = nil
    ) throws {
        let artefact = loaded.model.artefact
        name = options.name ?? artefact.folder.standardizedFileURL.lastPathComponent
        manifest = artefact.manifest
        let url = artefact.folder.appendingPathComponent(Artefact.manifestName)
        hash = try ContentHash.sha256(of: url)
        created = (try? FileManager.default.attributesOfItem(atPath: url.path)[.modificationDate] as? Date) ?? Date()
        let sources = loaded.model.sources
        self.sources = sources
        index = try loaded.index.map { try ServedIndex($0, for: artefact, sources: sources, sharing: before) }
        searching = SearchQueue(longestWait: options.longestSearchWait)
        upstream = loaded.blackBox.map { blackBox in
            UpstreamBatcher(
                blackBox, limits: .init(calls: options.upstreamCalls, timeout: options.upstreamTimeout),
                observer: .init(
                    call: { metrics.recordCall(texts: $0, seconds: $1, failure: $2) },
                    known: { metrics.recordCache(hits: $0, asked: 0) }),
                classify: options.classify)
        }
        (cache, spending) = (loaded.cache, loaded.spending)
        engine =
            loaded.model.encoder == nil
            ? nil
            : LocalEngine(
                loaded.model, limits: .init(batchTokens: options.batchTokens, queueTokens: options.queueTokens),
                observer: { metrics.recordBatch(rows: $0, tokens: $1, seconds: $2) })
        // Without a source that can go on alone, a service whose black box is away cannot do its work.
        let canDegrade = options.degrades && manifest.mixing.rankingWeights.withoutBlackBox(sources) != nil
        readiness = ReadinessCheck(
            engine, upstream.map { BlackBoxProbe($0) }, cache: cache, degrades: canDegrade, log: log)
        description = try ServiceDescription(manifest, sources, name: name, options).text()
        page = try PageSource.page([
            "model": name, "sources": manifest.mixing.rankingWeights.described(sources),
            "documents": index?.search.count ?? 0, "hasIndex": index != nil, "hasLocal": engine != nil,
            "hasFeedback": options.feedbackFolder != nil, "hasReport": options.report != nil,
            "hasKeys": options.hasKeys,
        ])
        degrades = options.degrades
        self.metrics = metrics
    }

    /// Numbers in a joined vector; 0 if no source has vectors.
    var dimension: Int { Mixture.denseParts(of: sources).reduce(0) { $0 + $1.dimension } }

    /// How the texts of one role are counted.
    func tokens(_ role: TextRole) -> TokenCount { engine.map { .local($0.tokenizer(role)) } ?? .estimated }

    /// The names of the sources, for messages.
    var sourceNames: String { sources.map(\.name.rawValue).joined(separator: ", ") }

    /// The sources with a weight that joined vectors do not hold: those without vectors, and documents moved by labels. The service does not
    /// know the ids of the documents that it embeds, so it gives the vector from which each was moved.
    var leftOut: [SourceName] { manifest.mixing.rankingWeights.leftOutOfVectors(sources) }

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

    // MARK: Vectors

    /// What the sources read of some texts.
    struct TextVectors: Sendable {
        /// The black box's rows; `nil` if it was not asked, or if it did not answer and the service goes on without it.
        var blackBox: Matrix?
        /// The local rows, as the encoder emits them; `nil` without a local encoder.
        var local: Matrix?
        /// Tokens of all texts; see ``TokenCount``.
        var tokens: Int
        /// Why the black box's vector is missing.
        var degraded: String?
    }

    /// Asks the black box and the local encoder at the same time, so it takes as long as the slower one. If the queue has no room, the request
    /// is refused before the black box is asked. An error of one ends the work of the other.
    /// - Parameters:
    ///   - asksBlackBox: whether its vectors are needed.
    ///   - goesOn: whether something is left to answer with if the black box is unavailable.
    /// - Throws: ``ServiceError``; `CancellationError`.
    func textVectors(
        of texts: [String], as role: TextRole, asksBlackBox: Bool, goesOn: Bool, maximumTokens: Int
    ) async throws -> TextVectors {
        let begin = ContinuousClock.now
        let batch = engine.map { engine in TokenBatch(rows: texts.map(engine.tokenizer(role).tokens)) }
        let tokens = batch?.tokenCount ?? texts.reduce(0) { $0 + TokenCount.estimated.count($1) }
        metrics.recordStage(.tokenize, since: begin)
        guard tokens <= maximumTokens else {
            throw ServiceError.tooLarge(
                "the texts have \(tokens) tokens, one request may have \(maximumTokens); send fewer texts at a time")
        }
        let work: (engine: LocalEngine, job: LocalEngine.Job)? =
            if let engine, let batch { (engine, try engine.submit(batch, as: role)) } else { nil }
        metrics.recordInputs(role, texts: texts.count, tokens: tokens)
        return try await withThrowingTaskGroup(of: Answer.self) { group in
            if let (engine, job) = work {
                group.addTask { .local(try await self.measured(.local) { try await engine.vectors(of: job) }) }
            }
            if asksBlackBox {
                group.addTask { try await self.blackBoxAnswer(of: texts, as: role, goesOn: goesOn) }
            }
            var vectors = TextVectors(tokens: tokens)
            for try await answer in group {
                switch answer {
                case .local(let matrix): vectors.local = matrix
                case .blackBox(let matrix): vectors.blackBox = matrix
                case .degraded(let reason): vectors.degraded = reason
                }
            }
            return vectors
        }
    }

    private enum Answer: Sendable {
        case local(Matrix), blackBox(Matrix)
        /// The black box's vector is left out, and why.
        case degraded(String)
    }

    private func blackBoxAnswer(of texts: [String], as role: TextRole, goesOn: Bool) async throws -> Answer {
        do {
            return .blackBox(try await ask(texts, as: role))
        } catch let failure as UpstreamFailure {
            guard degrades, goesOn, failure.kind != .textRefused, role == .query else {
                let isOfDocument = degrades && role == .document && failure.kind == .unavailable
                throw failure.serviceError(
                    note: isOfDocument
                        ? "; a document's vector without the black box's part would stay wrong in an index, so it is not made"
                        : "")
            }
            metrics.recordDegraded()
            return .degraded(failure.sentence)
        }
    }

    private func ask(_ texts: [String], as role: TextRole) async throws -> Matrix {
        guard let upstream else { preconditionFailure("no source needs the black box") }
        let items = texts.enumerated().map { EmbeddingItem(id: "input \($0.offset)", text: $0.element) }
        let answer = try await measured(.blackBox) { try await upstream.embed(items, as: role) }
        guard answer.columns == manifest.blackBoxDimension else {
            throw UpstreamFailure(
                .refused,
                "the black box gives vectors of \(answer.columns) numbers, the artefact was trained beside \(manifest.blackBoxDimension)"
            )
        }
        return answer
    }

    func measured<Result: Sendable>(
        _ stage: ServiceMetrics.Stage, _ body: @Sendable () async throws -> Result
    ) async rethrows -> Result {
        let start = ContinuousClock.now
        defer { metrics.recordStage(stage, since: start) }
        return try await body()
    }

    /// Joined vectors of texts.
    struct Joined: Sendable {
        var vectors: Matrix
        var tokens: Int
        var degraded: String?
    }

    /// Joined vectors, `(texts.count, dimension)`: what `mafin embed` writes for the same texts, but for documents moved by labels
    /// (``leftOut``).
    /// - Parameter lambda: instead of the artefact's, for queries of the query-sided form.
    /// - Throws: ``ServiceError``; `CancellationError`.
    func embed(
        _ texts: [String], as role: TextRole, lambda: Float?, maximumTokens: Int
    ) async throws -> Joined {
        guard dimension > 0 else {
            throw ServiceError(
                .notFound, .invalidRequest,
                "this artefact has no vectors: its sources (\(sourceNames)) rank the documents of an index, with /search",
                code: "no_vectors")
        }
        var mixture = try self.mixture(lambda: lambda, role: role)
        let weights = mixture.rankingWeights
        // A source without weight adds nothing to a query's vector, so the black box is not paid for it. A document's vector has all parts.
        let asks = sources.contains { source in
            source is any DenseSource
                && (role == .document
                    ? source.documentInputs.contains(.blackBox)
                    : source.queryInputs.contains(.blackBox) && weights[source.name] > 0)
        }
        let vectors = try await textVectors(
            of: texts, as: role, asksBlackBox: asks, goesOn: engine != nil, maximumTokens: maximumTokens)
        let start = ContinuousClock.now
        defer { metrics.recordStage(.join, since: start) }
        if vectors.degraded != nil {
            mixture = mixture.withLocalAlone
        }
        do {
            let ids = texts.indices.map { "input \($0)" }
            // Without the black box there is nothing that the length of a local vector would weigh.
            let form = asks && vectors.blackBox == nil ? .unit : mixture.localForm
            let joined =
                switch role {
                case .query:
                    try mixture.join(
                        SourceQueries(ids: ids, blackBox: vectors.blackBox, local: vectors.local, form: form),
                        of: sources)
                case .document:
                    try mixture.join(
                        SourceDocuments(ids: ids, blackBox: vectors.blackBox, local: vectors.local, form: form),
                        of: sources)
                }
            return Joined(vectors: joined, tokens: vectors.tokens, degraded: vectors.degraded)
        } catch let error as CombinationError {
            throw ServiceError(.unprocessableContent, .invalidRequest, "\(error)", parameter: "input")
        }
    }

    /// The artefact's mixture, with another λ if the request gives one.
    func mixture(lambda: Float?, role: TextRole) throws -> Mixture {
        let own = manifest.mixing
        guard let lambda else { return own }
        try requireShare(lambda)
        guard own.lambda != nil else { throw noLambda() }
        guard own.areWeightsFree else {
            throw ServiceError.invalid(
                "this artefact's vectors hold its own lambda on both sides; only a query-sided artefact takes another by request",
                parameter: "lambda")
        }
        guard role == .query else {
            throw ServiceError.invalid(
                "vectors of documents do not depend on lambda: it belongs to the query's vector", parameter: "lambda")
        }
        return own.with(lambda: lambda)
    }

    func requireShare(_ lambda: Float) throws {
        guard (0...1).contains(lambda) else {
            throw ServiceError.invalid("lambda must lie between 0 and 1, found \(lambda)", parameter: "lambda")
        }
    }

    func noLambda() -> ServiceError {
        .invalid(
            "lambda is the share of the local encoder beside the black box; this artefact has no such pair with a weight, but the sources "
                + sourceNames, parameter: "lambda")
    }
}

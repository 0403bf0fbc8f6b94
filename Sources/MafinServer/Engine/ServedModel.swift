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
    /// SHA-256 of the artefact's manifest. It shows which version of the artefact is served.
    let hash: String
    let created: Date
    let engine: LocalEngine
    let upstream: UpstreamBatcher
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
        index = try loaded.index.map { try ServedIndex.open($0, holdsBM25: options.usesBM25, sharing: before) }
        try index?.search.require(artefact)
        searching = SearchQueue(longestWait: options.longestSearchWait)
        upstream = UpstreamBatcher(
            loaded.blackBox,
            limits: .init(calls: options.upstreamCalls, timeout: options.upstreamTimeout),
            observer: .init(
                call: { metrics.recordCall(texts: $0, seconds: $1, failure: $2) },
                known: { metrics.recordCache(hits: $0, asked: 0) }),
            classify: options.classify)
        engine = LocalEngine(
            loaded.model, limits: .init(batchTokens: options.batchTokens, queueTokens: options.queueTokens),
            observer: { metrics.recordBatch(rows: $0, tokens: $1, seconds: $2) })
        (cache, spending) = (loaded.cache, loaded.spending)
        readiness = ReadinessCheck(
            engine, BlackBoxProbe(upstream), cache: loaded.cache, degrades: options.degrades, log: log)
        description = try ServiceDescription(manifest, name: name, hasBM25: index?.lexical != nil, options).text()
        page = try PageSource.page([
            "model": name, "lambda": manifest.mixing.lambda ?? 0.5, "documents": index?.search.count ?? 0,
            "hasIndex": index != nil, "hasFeedback": options.feedbackFolder != nil, "hasReport": options.report != nil,
            // BM25's weight when the page adds it.
            "hasBM25": index?.lexical != nil, "bm25Weight": Float(1) / 3, "hasKeys": options.hasKeys,
        ])
        degrades = options.degrades
        self.metrics = metrics
    }

    /// Numbers in a joined vector.
    var dimension: Int { manifest.joinedDimension }

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

    /// The vectors of both sources for some texts.
    struct SourceVectors: Sendable {
        /// The black box's rows; `nil` if it was not asked, or if it did not answer and the service goes on without it.
        var blackBox: Matrix?
        /// The local rows, as the encoder emits them.
        var local: Matrix
        /// Tokens of all texts, as the local encoder reads them.
        var tokens: Int
        /// Why the black box's vector is missing.
        var degraded: String?
    }

    /// Computes both sources at the same time, so it takes as long as the slower one. If the queue has no room, the request is refused before
    /// the black box is asked. An error of one source ends the work on the other.
    /// - Parameter asksBlackBox: false if only the local encoder is wanted.
    /// - Throws: ``ServiceError``; `CancellationError`.
    func sourceVectors(
        of texts: [String], as role: TextRole, asksBlackBox: Bool = true, maximumTokens: Int
    ) async throws -> SourceVectors {
        let begin = ContinuousClock.now
        let tokenizer = engine.tokenizer(role)
        let batch = TokenBatch(rows: texts.map(tokenizer.tokens))
        metrics.recordStage(.tokenize, since: begin)
        guard batch.tokenCount <= maximumTokens else {
            throw ServiceError.tooLarge(
                "the texts have \(batch.tokenCount) tokens, one request may have \(maximumTokens); send fewer texts at a time"
            )
        }
        let job = try engine.submit(batch, as: role)
        metrics.recordInputs(role, texts: texts.count, tokens: batch.tokenCount)
        return try await withThrowingTaskGroup(of: SourceAnswer.self) { group in
            group.addTask {
                .local(try await self.measured(.local) { try await self.engine.vectors(of: job) })
            }
            if asksBlackBox { group.addTask { try await self.blackBoxAnswer(of: texts, as: role) } }
            var sources = SourceVectors(local: Matrix(rows: 0, columns: 0), tokens: batch.tokenCount)
            for try await answer in group {
                switch answer {
                case .local(let matrix): sources.local = matrix
                case .blackBox(let matrix): sources.blackBox = matrix
                case .degraded(let reason): sources.degraded = reason
                }
            }
            return sources
        }
    }

    private enum SourceAnswer: Sendable {
        case local(Matrix), blackBox(Matrix)
        /// The black box's vector is left out, and why.
        case degraded(String)
    }

    private func blackBoxAnswer(of texts: [String], as role: TextRole) async throws -> SourceAnswer {
        do {
            return .blackBox(try await ask(texts, as: role))
        } catch let failure as UpstreamFailure {
            guard degrades, failure.kind != .textRefused, role == .query else {
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
        let items = texts.enumerated().map { EmbeddingItem(id: "input \($0.offset)", text: $0.element) }
        let answer = try await measured(.blackBox) { [upstream] in try await upstream.embed(items, as: role) }
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

    /// Joined vectors, `(texts.count, dimension)`: what `mafin embed` writes for the same texts.
    /// - Parameter lambda: instead of the artefact's, for queries of the query-sided form.
    /// - Throws: ``ServiceError``; `CancellationError`.
    func embed(
        _ texts: [String], as role: TextRole, lambda: Float?, maximumTokens: Int
    ) async throws -> Joined {
        let mixture = try self.mixture(lambda: lambda, role: role)
        // With λ = 1 the black box's vector has no weight, so it is not paid for.
        let isLocalOnly = role == .query && mixture.lambda == 1
        let sources = try await sourceVectors(
            of: texts, as: role, asksBlackBox: !isLocalOnly, maximumTokens: maximumTokens)
        let start = ContinuousClock.now
        defer { metrics.recordStage(.join, since: start) }
        do {
            let vectors =
                if let remote = sources.blackBox {
                    try mixture.join(blackBox: remote, local: sources.local, as: role)
                } else {
                    try mixture.joinQueries(
                        localOnly: sources.local, blackBoxDimension: manifest.blackBoxDimension)
                }
            return Joined(vectors: vectors, tokens: sources.tokens, degraded: sources.degraded)
        } catch let error as CombinationError {
            throw ServiceError(.unprocessableContent, .invalidRequest, "\(error)", parameter: "input")
        }
    }

    /// The artefact's mixture, with another λ if the request gives one.
    func mixture(lambda: Float?, role: TextRole) throws -> Mixture {
        let own = manifest.mixing
        guard let lambda else { return own }
        guard (0...1).contains(lambda) else {
            throw ServiceError.invalid("lambda must lie between 0 and 1, found \(lambda)", parameter: "lambda")
        }
        guard own.isLambdaFree else {
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
}

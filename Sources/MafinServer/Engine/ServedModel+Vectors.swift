import HTTPTypes
import MafinBlackBox
import MafinEncoder
import MafinImages
import MafinMethod
import MafinNumerics
import MafinPipeline

extension ServedModel {
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
    ///   - parameter: the field of the request that holds the items.
    ///   - readsLocal: whether the local encoder's vectors are needed, if there is one.
    ///   - asksBlackBox: whether its vectors are needed.
    ///   - goesOn: whether something is left to answer with if the black box is unavailable.
    /// - Throws: ``ServiceError``; `CancellationError`.
    func textVectors(
        of items: [Item], as role: TextRole, parameter: String, readsLocal: Bool, asksBlackBox: Bool, goesOn: Bool,
        maximumTokens: Int
    ) async throws -> TextVectors {
        let begin = ContinuousClock.now
        let engine = readsLocal ? self.engine : nil
        let batch = try engine?.reader(role).inputs(of: items, parameter: parameter)
        let tokens = batch?.tokenCount ?? items.reduce(0) { $0 + TokenCount.estimated.count($1.text) }
        metrics.recordStage(.tokenize, since: begin)
        try requireRoom(for: tokens, maximumTokens: maximumTokens)
        let work: (engine: LocalEngine, job: LocalEngine.Job)? =
            if let engine, let batch { (engine, try engine.submit(batch, as: role)) } else { nil }
        metrics.recordInputs(role, texts: items.count, tokens: tokens)
        return try await withThrowingTaskGroup(of: Answer.self) { group in
            if let (engine, job) = work {
                group.addTask { .local(try await self.measured(.local) { try await engine.vectors(of: job) }) }
            }
            if asksBlackBox {
                group.addTask { try await self.blackBoxAnswer(of: items, as: role, goesOn: goesOn) }
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

    /// - Throws: ``ServiceError`` 413.
    func requireRoom(for tokens: Int, maximumTokens: Int) throws {
        guard tokens <= maximumTokens else {
            throw ServiceError.tooLarge(
                "the texts have \(tokens) tokens, one request may have \(maximumTokens); send fewer texts at a time")
        }
    }

    private enum Answer: Sendable {
        case local(Matrix), blackBox(Matrix)
        /// The black box's vector is left out, and why.
        case degraded(String)
    }

    private func blackBoxAnswer(of items: [Item], as role: TextRole, goesOn: Bool) async throws -> Answer {
        do {
            return .blackBox(try await ask(items, as: role))
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

    private func ask(_ asked: [Item], as role: TextRole) async throws -> Matrix {
        guard let upstream else { preconditionFailure("no source needs the black box") }
        let items = asked.enumerated().map {
            EmbeddingItem(id: "input \($0.offset)", text: $0.element.text, image: $0.element.image)
        }
        let answer = try await measured(.blackBox) { try await upstream.embed(items, as: role) }
        guard answer.columns == manifest.blackBoxDimension else {
            throw UpstreamFailure(
                .refused,
                "the black box gives vectors of \(answer.columns) numbers, the artefact was trained beside \(manifest.blackBoxDimension)"
            )
        }
        return answer
    }

    /// Joined vectors of texts.
    struct Joined: Sendable {
        var vectors: Matrix
        var tokens: Int
        /// Sources with a weight that the vectors do not hold.
        var leftOut: [SourceName]
        /// What gave the black box's part; `nil` if it is missing or has no weight.
        var answeredBy: AnsweredBy?
        var degraded: String?
    }

    /// Joined vectors, `(items.count, dimension)`: what `mafin embed` writes for the same items, but for documents moved by labels
    /// (``leftOut``).
    /// - Parameter lambda: instead of the artefact's, for queries of the query-sided form.
    /// - Throws: ``ServiceError``; `CancellationError`.
    func embed(
        _ items: [Item], as role: TextRole, lambda: Float?, maximumTokens: Int, parameter: String = "input"
    ) async throws -> Joined {
        guard dimension > 0 else {
            throw ServiceError(
                .notFound, .invalidRequest,
                "this artefact has no vectors: its sources (\(sourceNames)) rank the documents of an index, with /search",
                code: "no_vectors")
        }
        var mixture = try self.mixture(lambda: lambda, role: role)
        if role == .document { try requireNoDocument() }
        if role == .query, isOffline, let standIn {
            let joined = try await embed(items, by: standIn, maximumTokens: maximumTokens, parameter: parameter)
            metrics.recordInputs(.query, texts: items.count, tokens: joined.tokens)
            metrics.recordAnswer(joined.answeredBy, count: items.count)
            return joined
        }
        let weights = mixture.rankingWeights
        // A source without weight adds nothing to a query's vector, so the black box is not paid for it. A document's vector has all parts.
        let asks = sources.contains { source in
            source is any DenseSource
                && (role == .document
                    ? source.documentInputs.contains(.blackBox)
                    : source.queryInputs.contains(.blackBox) && weights[source.name] > 0)
        }
        let readsLocal = role == .document || manifest.rankingWeights(offline: false).name(sources, reading: .local)
        let vectors = try await textVectors(
            of: items, as: role, parameter: parameter, readsLocal: readsLocal, asksBlackBox: asks,
            goesOn: standIn != nil || engine != nil,
            maximumTokens: maximumTokens)
        let answeredBy: AnsweredBy? = vectors.degraded == nil ? (asks ? .blackBox : nil) : standIn.map { _ in .standIn }
        if role == .query { metrics.recordAnswer(answeredBy, count: items.count) }
        if vectors.degraded != nil, let standIn {
            var joined = try await embed(items, by: standIn, maximumTokens: maximumTokens, parameter: parameter)
            joined.degraded = vectors.degraded
            return joined
        }
        let start = ContinuousClock.now
        defer { metrics.recordStage(.join, since: start) }
        if vectors.degraded != nil {
            mixture = mixture.withLocalAlone
        }
        do {
            let ids = items.indices.map { "input \($0)" }
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
            return Joined(
                vectors: joined, tokens: vectors.tokens, leftOut: leftOut, answeredBy: answeredBy,
                degraded: vectors.degraded)
        } catch let error as CombinationError {
            throw ServiceError(.unprocessableContent, .invalidRequest, "\(error)", parameter: "input")
        }
    }

    /// Joined vectors of queries for which the black box is not asked: the stand-in's estimates are in its part.
    private func embed(
        _ items: [Item], by standIn: StandInAnswers, maximumTokens: Int, parameter: String
    ) async throws -> Joined {
        let made = try await estimates(of: items, by: standIn, maximumTokens: maximumTokens, parameter: parameter)
        let start = ContinuousClock.now
        defer { metrics.recordStage(.join, since: start) }
        return Joined(
            vectors: try standIn.mixing.join(made.queries, of: sources), tokens: made.tokens,
            leftOut: standIn.mixing.rankingWeights.leftOutOfVectors(sources),
            answeredBy: standIn.answers(sources.filter { $0 is any DenseSource }, weights: standIn.mixing.weights))
    }

    /// The artefact's mixture, with another λ if the request gives one.
    func mixture(lambda: Float?, role: TextRole) throws -> Mixture {
        let own = manifest.mixing
        guard let lambda else { return own }
        try requireShare(lambda)
        // A local encoder that only ranks where the black box is not asked does not count.
        guard own.lambda != nil, !isOffline, manifest.rankingWeights(offline: false).lambda != nil else {
            throw noLambda()
        }
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
            "lambda is the share of the local encoder beside the black box; there is no such pair with a weight here, but the sources "
                + sourceNames, parameter: "lambda")
    }
}

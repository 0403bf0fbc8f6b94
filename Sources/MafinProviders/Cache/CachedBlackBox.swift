import MafinBlackBox
import MafinNumerics
import Synchronization

/// A black box whose answers are cached. No text is sent twice: not within a call, not in a later one, and not by another process.
///
/// Each batch of answers is stored as soon as it arrives and before the next one is delivered, so an interrupted run loses at most the answers
/// in flight. If another call has already sent a text, this one waits for its answer.
///
/// It does two things for this module's own black boxes only, which it knows by their types: for a ``ProviderBlackBox`` it notes how many
/// tokens the server has counted, and a drift check asks the server behind a ``BatchedBlackBox``. Both follow from the base, so they are no
/// parameters: a caller could only forget them, or name another server.
public struct CachedBlackBox<Base: BlackBox>: BlackBox {
    /// Answers what is not cached.
    public let base: Base
    /// Stores the answers.
    public let cache: EmbeddingCache
    private let drift: DriftCheck?
    private let policy: CachePolicy
    private let progress: (@Sendable (EmbeddingCounts) -> Void)?

    /// Wraps a black box.
    /// - Parameters:
    ///   - drift: how many of the cached texts are sent again, to check whether the model is still the same; nil: none.
    ///   - policy: how answers are stored.
    ///   - progress: told of the counts before the first request and after each answered batch.
    public init(
        _ base: Base, cache: EmbeddingCache, drift: DriftCheck? = nil, policy: CachePolicy = CachePolicy(),
        progress: (@Sendable (EmbeddingCounts) -> Void)? = nil
    ) {
        self.base = base
        self.cache = cache
        self.drift = drift
        self.policy = policy
        self.progress = progress
    }

    /// The identity of the wrapped black box: the cache does not change vectors.
    public var identity: BlackBoxIdentity { base.identity }

    /// Vectors of the items, from the cache and, for texts that it does not hold, from the black box.
    /// - Throws: ``ProviderError``, or what the black box throws. The answers until then are in the cache.
    public func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        try await answer(items, as: role).vectors
    }

    /// Like ``embed(_:as:)``, with the counts of the call.
    /// - Throws: ``ProviderError``, or what the black box throws. The answers until then are in the cache.
    public func answer(
        _ items: [EmbeddingItem], as role: TextRole
    ) async throws -> (vectors: Matrix, counts: EmbeddingCounts) {
        let texts = DistinctTexts(items, identity: identity, role: role)
        let rows = RowCollector(count: texts.count)
        let counts = try await run(items, texts, as: role) { rows.fill($0) }
        let distinct = rows.matrix
        return (texts.isPlain ? distinct : distinct.selecting(rows: texts.distinctOfItem), counts)
    }

    /// Vectors of the items: cached ones first, then the others as they are answered. Only one batch is in memory at a time.
    /// - Throws: ``ProviderError``, or what the black box throws. The answers until then are in the cache.
    public func embed(
        _ items: [EmbeddingItem], as role: TextRole, answered: @escaping @Sendable (AnsweredRows) async throws -> Void
    ) async throws {
        let texts = DistinctTexts(items, identity: identity, role: role)
        let itemsOfDistinct = texts.itemsOfDistinct()
        _ = try await run(items, texts, as: role) { try await answered(itemsOfDistinct.expanded($0)) }
    }

    /// Vectors of the items that are in the cache; none with a ``DriftCheck``, which sends cached texts again.
    /// - Throws: ``ProviderError`` if the cache cannot be read.
    public func known(_ items: [EmbeddingItem], as role: TextRole) async throws -> AnsweredRows {
        guard drift == nil, !items.isEmpty else { return .none }
        let texts = DistinctTexts(items, identity: identity, role: role)
        let (found, _) = try await cache.vectors(for: texts.keys, of: texts.source)
        let rows = texts.itemsOfDistinct().expanded(found)
        // Sorted by item, because the cache reads in the order of its file.
        let order = rows.indices.indices.sorted { rows.indices[$0] < rows.indices[$1] }
        return AnsweredRows(
            indices: order.map { rows.indices[$0] }, vectors: rows.vectors.selecting(rows: order))
    }

    /// The black box's own answer, without the cache.
    /// - Throws: what the black box throws.
    public func embedAnew(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        try await base.embedAnew(items, as: role)
    }

    /// Counts what a call would send, without sending it.
    public func plan(_ items: [EmbeddingItem], as role: TextRole) async throws -> EmbeddingCounts {
        let texts = DistinctTexts(items, identity: identity, role: role)
        var counts = EmbeddingCounts(texts: items.count, distinct: texts.count)
        counts.cached = texts.count - (try await cache.absent(texts.keys)).count
        return counts
    }

    // MARK: - One call

    private typealias Receiver = @Sendable (AnsweredRows) async throws -> Void

    /// Delivers each distinct text's vector once. Indices are positions among the distinct texts.
    private func run(
        _ items: [EmbeddingItem], _ texts: DistinctTexts, as role: TextRole, deliver: @escaping Receiver
    ) async throws -> EmbeddingCounts {
        let tally = CallTally(EmbeddingCounts(texts: items.count, distinct: texts.count), progress)
        @Sendable func cached(_ wanted: [Int]) async throws -> [Int] {
            try await cache.deliver(wanted, of: texts.keys, source: texts.source) { rows in
                try await deliver(rows)
                tally.add(cached: rows.indices.count, dimension: rows.vectors.columns)
            }
        }
        let missing = try await cached(Array(0..<texts.count))
        tally.report()
        try await checkDrift(items, texts, as: role, missing: missing, tally)
        try await CacheClaims.fetch(
            missing, of: texts.keys, in: cache, deliver: cached,
            ask: { try await ask($0, items, texts, as: role, tally, deliver) }, isTolerated: isTolerated,
            waiting: tally.report)
        return tally.counts
    }

    /// Sends some of the texts, stores and delivers the answers.
    private func ask(
        _ absent: [Int], _ items: [EmbeddingItem], _ texts: DistinctTexts, as role: TextRole, _ tally: CallTally,
        _ deliver: @escaping Receiver
    ) async throws {
        let counter = base as? ProviderBlackBox
        let before = counter?.counted ?? (bytes: 0, tokens: 0)
        let dimension = try await cache.dimension(of: texts.source) ?? tally.dimension
        do {
            let asked = absent.map { items[texts.first[$0]] }
            try await base.embed(asked, as: role) { answered in
                let positions = answered.indices.map { absent[$0] }
                if let expected = dimension, expected != answered.vectors.columns, let first = positions.first {
                    throw ProviderError.dimensionChanged(
                        id: items[texts.first[first]].id, found: answered.vectors.columns, cached: expected,
                        path: cache.path)
                }
                let failure = await store(answered, keys: positions.map { texts.keys[$0] }, texts.source, role)
                try await deliver(
                    AnsweredRows(indices: positions, vectors: StoredVector.asStored(answered.vectors, cache.precision)))
                tally.add(asked: positions.count, dimension: answered.vectors.columns)
                tally.report()
                // What was paid is delivered first.
                if let failure { throw failure }
            }
        } catch ProviderError.textsRefused(let endpoint, let role, let refused) {
            throw ProviderError.textsRefused(
                endpoint: endpoint, role: role,
                texts: refused.map { $0.at(texts.first[absent[$0.position]]) })
        }
        guard let after = counter?.counted else { return }
        do {
            try await cache.note(
                bytes: after.bytes - before.bytes, tokens: after.tokens - before.tokens, source: texts.source)
        } catch let error where isTolerated(error) {}
    }

    /// Whether the call continues after this error of the cache.
    private func isTolerated(_ error: any Error) -> Bool {
        guard policy.deliversWhatCannotBeStored else { return false }
        switch error as? ProviderError {
        case .cacheFull, .cacheUnusable:
            cache.noteWriteFailure(error)
            return true
        default: return false
        }
    }

    /// Stores a batch of answers.
    /// - Returns: the error that ends the call; nil: the call continues.
    private func store(
        _ rows: AnsweredRows, keys: [EmbeddingKey], _ source: EmbeddingKey.Source, _ role: TextRole
    ) async -> (any Error)? {
        let limit = role == .query ? policy.maximumQueryBytes : nil
        do {
            try await cache.store(rows, keys: keys, source: source, isEvictable: limit != nil)
            if let limit {
                try await cache.evict(toBytes: limit, afterStoring: keys.count, of: rows.vectors.columns)
            }
            cache.losses.isFailing.store(false, ordering: .relaxed)
            return nil
        } catch {
            return isTolerated(error) ? nil : error
        }
    }

    private func checkDrift(
        _ items: [EmbeddingItem], _ texts: DistinctTexts, as role: TextRole, missing: [Int], _ tally: CallTally
    ) async throws {
        guard let drift else { return }
        let absent = Set(missing)
        var generator = SystemRandomNumberGenerator()
        let sample = drift.sample(of: (0..<texts.count).filter { !absent.contains($0) }, using: &generator)
        guard !sample.isEmpty else { return }
        // Not through the batch API, which answers within a day and from the cache.
        let server: any BlackBox = if let batched = base as? BatchedBlackBox { batched.server } else { base }
        let asked = try await server.embed(sample.map { items[texts.first[$0]] }, as: role)
        let (known, _) = try await cache.vectors(for: sample.map { texts.keys[$0] }, of: texts.source)
        tally.add(rechecked: sample.count)
        try drift.compare(
            asked, with: known, ids: sample.map { items[texts.first[$0]].id }, model: identity.model, path: cache.path)
    }
}

extension ProviderBlackBox {
    /// UTF-8 bytes of the texts whose tokens the server has counted, and the number of these tokens.
    fileprivate var counted: (bytes: Int, tokens: Int) {
        let facts = knowledge.current
        return (facts.answeredBytes, facts.answeredTokens)
    }
}

/// The counts of a call's texts.
public struct EmbeddingCounts: Sendable, Hashable {
    /// Texts in the call.
    public var texts: Int
    /// Different texts among them.
    public var distinct: Int
    /// Distinct texts found in the cache, including those that another process has stored in the meantime.
    public var cached: Int
    /// Distinct texts that the black box has answered so far.
    public var asked: Int
    /// Cached texts that were sent again to check whether the model has changed.
    public var rechecked = 0

    /// Counts of a call.
    public init(texts: Int, distinct: Int, cached: Int = 0, asked: Int = 0) {
        self.texts = texts
        self.distinct = distinct
        self.cached = cached
        self.asked = asked
    }

    /// Distinct texts that have no vector yet.
    public var remaining: Int { distinct - cached - asked }
}

/// The counts of a call while it runs.
private final class CallTally: Sendable {
    private let state: Mutex<(counts: EmbeddingCounts, dimension: Int?)>
    private let progress: (@Sendable (EmbeddingCounts) -> Void)?

    init(_ counts: EmbeddingCounts, _ progress: (@Sendable (EmbeddingCounts) -> Void)?) {
        state = Mutex((counts, nil))
        self.progress = progress
    }

    var counts: EmbeddingCounts { state.withLock { $0.counts } }
    var dimension: Int? { state.withLock { $0.dimension } }

    func add(cached: Int = 0, asked: Int = 0, rechecked: Int = 0, dimension: Int? = nil) {
        state.withLock { state in
            state.counts.cached += cached
            state.counts.asked += asked
            state.counts.rechecked += rechecked
            state.dimension = dimension ?? state.dimension
        }
    }

    func report() { progress?(counts) }
}

import MafinBlackBox
import MafinNumerics
import Synchronization

/// A black box that is never asked for the same text twice: not within a call, not in a later one, not by another process.
///
/// Each batch of answers is in the cache before the next is waited for, so that whatever stops a run, what was answered stays.
public struct CachedBlackBox<Base: BlackBox>: BlackBox {
    /// Where the answers come from that are not cached.
    public let base: Base
    /// Where they stay.
    public let cache: EmbeddingCache
    private let progress: (@Sendable (EmbeddingCounts) -> Void)?

    /// A black box with a memory.
    ///
    /// - Parameter progress: told of the counts before the first request and after each answered batch.
    public init(_ base: Base, cache: EmbeddingCache, progress: (@Sendable (EmbeddingCounts) -> Void)? = nil) {
        self.base = base
        self.cache = cache
        self.progress = progress
    }

    /// That of the black box behind it: a cached vector is no other vector.
    public var identity: BlackBoxIdentity { base.identity }

    /// Vectors of the items, from the cache and, for texts it does not have, from the black box.
    ///
    /// - Throws: ``ProviderError``, or what the black box throws; everything answered until then is in the cache.
    public func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        try await answer(items, as: role).vectors
    }

    /// Like ``embed(_:as:)``, with the counts of what was asked.
    ///
    /// - Throws: ``ProviderError``, or what the black box throws; everything answered until then is in the cache.
    public func answer(
        _ items: [EmbeddingItem], as role: TextRole
    ) async throws -> (vectors: Matrix, counts: EmbeddingCounts) {
        let call = Call(items: items, identity: identity, role: role)
        let rows = RowCollector(count: call.distinct.count)
        let missing = try await cache.vectors(for: call.keys) { rows.fill($0, with: $1) }
        var counts = EmbeddingCounts(texts: items.count, distinct: call.distinct.count)
        counts.cached = call.distinct.count - missing.count
        progress?(counts)
        if !missing.isEmpty {
            let dimension = try await cache.dimension(of: call.source)
            let tally = Mutex(counts)
            try await base.embed(missing.map { items[call.distinct[$0]] }, as: role) { [cache, progress] answered in
                let positions = answered.indices.map { missing[$0] }
                if let expected = dimension ?? rows.columns, expected != answered.vectors.columns,
                    let first = positions.first
                {
                    throw ProviderError.dimensionChanged(
                        id: items[call.distinct[first]].id, found: answered.vectors.columns, cached: expected,
                        path: cache.path)
                }
                try await cache.store(answered, keys: positions.map { call.keys[$0] }, source: call.source)
                rows.fill(AnsweredRows(indices: positions, vectors: answered.vectors))
                let now = tally.withLock { tally in
                    tally.asked += positions.count
                    return tally
                }
                progress?(now)
            }
            counts = tally.withLock { $0 }
        }
        let distinct = rows.matrix
        let isPlain = call.distinct.count == items.count
        return (isPlain ? distinct : distinct.selecting(rows: call.distinctOfItem), counts)
    }

    /// What a call would ask, without asking anything: the plan before paying.
    public func plan(_ items: [EmbeddingItem], as role: TextRole) async throws -> EmbeddingCounts {
        let call = Call(items: items, identity: identity, role: role)
        let missing = try await cache.vectors(for: call.keys) { _, _ in }
        var counts = EmbeddingCounts(texts: items.count, distinct: call.distinct.count)
        counts.cached = call.distinct.count - missing.count
        return counts
    }

    /// The texts of one call, each once.
    private struct Call: Sendable {
        let source: EmbeddingKey.Source
        /// The first item of each distinct text.
        let distinct: [Int]
        /// The key of each distinct text.
        let keys: [EmbeddingKey]
        /// For each item, which of the distinct texts is its own.
        let distinctOfItem: [Int]

        init(items: [EmbeddingItem], identity: BlackBoxIdentity, role: TextRole) {
            source = EmbeddingKey.Source(identity: identity, role: role)
            var positionOfKey: [EmbeddingKey: Int] = [:]
            var (distinct, keys, distinctOfItem): ([Int], [EmbeddingKey], [Int]) = ([], [], [])
            for (item, text) in items.lazy.map(\.text).enumerated() {
                let key = source.key(of: text)
                let position = positionOfKey[key] ?? keys.count
                if position == keys.count {
                    positionOfKey[key] = position
                    keys.append(key)
                    distinct.append(item)
                }
                distinctOfItem.append(position)
            }
            (self.distinct, self.keys, self.distinctOfItem) = (distinct, keys, distinctOfItem)
        }
    }
}

/// What became of the texts of a call.
public struct EmbeddingCounts: Sendable, Hashable {
    /// Texts in the call.
    public var texts: Int
    /// Different texts among them.
    public var distinct: Int
    /// Distinct texts found in the cache.
    public var cached: Int
    /// Distinct texts that the black box has answered so far.
    public var asked: Int

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

import Logging
import MafinBlackBox
import MafinNumerics
import Synchronization

/// Cuts texts that are too long before they are sent to a black box: to their beginning, or into pieces whose vectors are averaged.
///
/// It wraps the cache (``CachedBlackBox``), so a piece is cached like any other text, and a text that fits has the same vector under every
/// policy. A text that may be too long is tried whole first, because refusals cost nothing.
public struct OverflowBlackBox: BlackBox {
    /// The identity of the wrapped black box, with the policy as its truncation.
    public let identity: BlackBoxIdentity
    private let base: any BlackBox
    private let policy: OverflowPolicy
    private let limit: Int?
    private let ruler: TokenRuler
    private let cache: EmbeddingCache?
    private let logger: Logger?

    /// The call ends after this many rounds in a row without progress: nothing was answered, and nothing shorter than before was refused.
    private static let maximumStalledRounds = 12

    /// - Parameters:
    ///   - base: the black box; it throws ``ProviderError/textsRefused(endpoint:role:texts:)`` for texts that are too long.
    ///   - limit: maximum number of tokens of a text; nil: it is known only from refusals.
    ///   - ruler: how tokens are counted.
    ///   - cache: the black box's cache. Pieces of an earlier run are looked up in it, so that their text is not tried whole again; nil: none.
    ///   - logger: told which texts were cut.
    public init(
        _ base: any BlackBox, policy: OverflowPolicy, limit: Int?, ruler: TokenRuler, cache: EmbeddingCache? = nil,
        logger: Logger? = nil
    ) {
        self.base = base
        self.policy = policy
        self.limit = limit
        self.ruler = ruler
        self.cache = cache
        self.logger = logger
        var identity = base.identity
        if policy != .error {
            identity.truncation = ([policy.rawValue] + (limit.map { ["\($0) tokens"] } ?? [])).joined(separator: " ")
        }
        self.identity = identity
    }

    /// Vectors of the items, in order.
    /// - Throws: what the black box throws; with `OverflowPolicy.error` and an exact ruler
    ///   ``ProviderError/textsTooLong(role:limit:count:first:)`` before anything is asked.
    public func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        let rows = RowCollector(count: items.count)
        try await embed(items, as: role) { rows.fill($0) }
        return rows.matrix
    }

    /// Vectors of the items, batch by batch as they are answered.
    public func embed(
        _ items: [EmbeddingItem], as role: TextRole, answered: @escaping @Sendable (AnsweredRows) async throws -> Void
    ) async throws {
        guard policy != .error else {
            if let limit, ruler.isExact {
                let long = cuts(for: role).overlong(items).certain
                guard long.isEmpty else {
                    throw ProviderError.textsTooLong(
                        role: role, limit: limit, count: long.count, first: Array(long.prefix(5)))
                }
            }
            return try await base.embed(items, as: role, answered: answered)
        }
        let images = items.indices.filter { items[$0].image != nil }
        guard images.isEmpty else { return try await embed(items, besides: images, as: role, answered: answered) }
        let cuts = cuts(for: role)
        let state = Mutex(Cutting(items: items, cuts: cuts, pieces: try await knownPieces(items, role, cuts)))
        var stalledRounds = 0
        while stalledRounds < Self.maximumStalledRounds {
            let (round, before) = state.withLock { ($0.round(), $0.progress) }
            guard !round.items.isEmpty else { break }
            do {
                try await base.embed(round.items, as: role) { rows in
                    if let whole = state.withLock({ $0.take(rows, of: round) }) { try await answered(whole) }
                }
                break
            } catch ProviderError.textsRefused(let endpoint, _, let texts) {
                let hasProgress = state.withLock { cutting in
                    cutting.endpoint = endpoint
                    return cutting.take(texts, of: round, since: before)
                }
                guard texts.contains(where: { $0.reason == .tooLong }) else { break }
                stalledRounds = hasProgress ? 0 : stalledRounds + 1
            }
        }
        var cutting = state.withLock { $0 }
        for mean in cutting.means() { try await answered(mean) }
        report(cutting, role)
        if let error = cutting.error(role) { throw error }
    }

    /// Images, which cannot be cut, are sent as they are, and the texts of the same call as their policy says.
    private func embed(
        _ items: [EmbeddingItem], besides images: [Int], as role: TextRole,
        answered: @escaping @Sendable (AnsweredRows) async throws -> Void
    ) async throws {
        let texts = items.indices.filter { items[$0].image == nil }
        // Refused texts do not keep the images from being asked.
        var (refused, server): ([RefusedText], String?) = ([], nil)
        for (group, box) in [(texts, self as any BlackBox), (images, base)] where !group.isEmpty {
            do {
                try await box.embed(group.map { items[$0] }, as: role) { rows in
                    try await answered(AnsweredRows(indices: rows.indices.map { group[$0] }, vectors: rows.vectors))
                }
            } catch ProviderError.textsRefused(let endpoint, _, let own) {
                refused += own.map { $0.at(group[$0.position]) }
                server = endpoint
            }
        }
        guard let server else { return }
        throw ProviderError.textsRefused(
            endpoint: server, role: role, texts: refused.sorted { $0.position < $1.position })
    }

    /// Cached vectors of the items. That of a text in pieces is their mean, if all of them are cached.
    public func known(_ items: [EmbeddingItem], as role: TextRole) async throws -> AnsweredRows {
        guard policy != .error, !items.contains(where: { $0.image != nil }) else {
            return try await base.known(items, as: role)
        }
        let pieces = try await knownPieces(items, role, cuts(for: role))
        let all = items.indices.flatMap { item in
            pieces[item].map { EmbeddingItem(id: items[item].id, text: $0) }
        }
        let found = try await base.known(all, as: role)
        let rows = Dictionary(found.indices.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        var (indices, values, start) = ([Int](), [Float](), 0)
        for item in items.indices {
            let own = (start..<start + pieces[item].count).compactMap { rows[$0] }.map { found.vectors.row($0) }
            start += pieces[item].count
            guard !own.isEmpty, own.count == pieces[item].count else { continue }
            if own.count == 1 {
                values += own[0]
            } else if let mean = Cutting.mean(of: own, weights: pieces[item].map(\.utf8.count)) {
                values += mean
            } else {
                continue
            }
            indices.append(item)
        }
        return AnsweredRows(
            indices: indices, vectors: Matrix(rows: indices.count, columns: found.vectors.columns, values: values))
    }

    /// Sends the texts without cutting them.
    public func embedAnew(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        try await base.embedAnew(items, as: role)
    }

    private func cuts(for role: TextRole) -> OverflowCuts {
        OverflowCuts(policy: policy, limit: limit, ruler: ruler, prefix: identity.prefix(for: role))
    }

    private func knownPieces(
        _ items: [EmbeddingItem], _ role: TextRole, _ cuts: OverflowCuts
    ) async throws -> [[String]] {
        let texts = items.map(\.text)
        guard let cache else { return cuts.known(texts) }
        return try await cuts.known(
            texts, cache: cache, source: EmbeddingKey.Source(identity: base.identity, role: role))
    }

    private func report(_ cutting: Cutting, _ role: TextRole) {
        let cut = cutting.cutItems
        guard !cut.isEmpty else { return }
        let isMean = policy == .splitMean
        let rest = isMean ? "each gets the mean vector of its pieces" : "only their beginnings are embedded"
        logger?.warning(
            "texts are longer than the model takes: \(rest)",
            metadata: [
                "count": "\(cut.count)",
                "first": "\(cut.prefix(5).map { cutting.items[$0].id }.joined(separator: ", "))",
            ])
    }
}

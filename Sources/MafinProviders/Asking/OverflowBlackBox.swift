import Logging
import MafinBlackBox
import MafinNumerics

/// A black box in front of which texts that are too long are cut: to their beginning, or into pieces whose vectors are averaged.
///
/// It stands before the cache (``CachedBlackBox``), so that a piece is a text like any other: asked once, kept for good, and a text that
/// fits has the same vector whatever the policy. A text that may or may not fit is tried whole first; refusals cost nothing.
public struct OverflowBlackBox: BlackBox {
    /// That of the black box behind it, with the policy as its truncation.
    public let identity: BlackBoxIdentity
    private let base: any BlackBox
    private let policy: OverflowPolicy
    private let limit: Int?
    private let ruler: TokenRuler
    private let logger: Logger?

    /// How often a piece that is still refused is cut again, each time to two thirds.
    private static let maximumRounds = 12

    /// - Parameters:
    ///   - base: whoever answers; it throws ``ProviderError/textsRefused(endpoint:role:texts:)`` for texts that are too long.
    ///   - limit: tokens of a text that the model takes; nil: only refusals tell.
    ///   - ruler: how tokens are counted.
    ///   - logger: told which texts were cut.
    public init(
        _ base: any BlackBox, policy: OverflowPolicy, limit: Int?, ruler: TokenRuler, logger: Logger? = nil
    ) {
        self.base = base
        self.policy = policy
        self.limit = limit
        self.ruler = ruler
        self.logger = logger
        var identity = base.identity
        if policy != .error {
            identity.truncation = ([policy.rawValue] + (limit.map { ["\($0) tokens"] } ?? [])).joined(separator: " ")
        }
        self.identity = identity
    }

    /// Vectors of the items, in order.
    ///
    /// - Throws: what the black box throws; with ``OverflowPolicy/error`` and an exact ruler
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
            try refuseOverlong(items, role)
            return try await base.embed(items, as: role, answered: answered)
        }
        var cutting = Cutting(items: items, pieces: knownPieces(items, role))
        for _ in 0..<Self.maximumRounds {
            let round = cutting.round()
            guard !round.items.isEmpty else { break }
            let collector = cutting.collector(round)
            do {
                try await base.embed(round.items, as: role) { rows in
                    if let whole = collector.take(rows) { try await answered(whole) }
                }
            } catch ProviderError.textsRefused(let endpoint, _, let texts) {
                let (long, others) = (texts.filter { $0.reason == .tooLong }, texts.filter { $0.reason != .tooLong })
                cutting.endpoint = endpoint
                cutting.finish(round, collector)
                for text in long { cutting.shorten(round, text, policy: policy, allBytes: piece(round, text, role)) }
                cutting.refuse(round, others)
                if !long.isEmpty { continue }
                break
            }
            cutting.finish(round, collector)
            break
        }
        for mean in cutting.means() { try await answered(mean) }
        report(cutting, role)
        if let error = cutting.error(role) { throw error }
    }

    /// Remembered vectors of those of the items that are asked in one piece.
    public func known(_ items: [EmbeddingItem], as role: TextRole) async throws -> AnsweredRows {
        guard policy != .error else { return try await base.known(items, as: role) }
        let pieces = knownPieces(items, role)
        let whole = items.indices.filter { pieces[$0].count == 1 }
        let found = try await base.known(
            whole.map { EmbeddingItem(id: items[$0].id, text: pieces[$0][0]) }, as: role)
        return AnsweredRows(indices: found.indices.map { whole[$0] }, vectors: found.vectors)
    }

    /// Asks with the texts as they are.
    public func embedAnew(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        try await base.embedAnew(items, as: role)
    }

    /// Bytes of the next, shorter pieces of a text that was refused.
    private func piece(_ round: Cutting.Round, _ text: RefusedText, _ role: TextRole) -> Int {
        let bytes = round.items[text.position].text.utf8.count
        guard let limit, !ruler.isExact else { return bytes * 2 / 3 }
        let room = Int(Double(limit - 1) * (ruler.estimate ?? 3)) - identity.prefix(for: role).utf8.count
        return min(bytes * 2 / 3, max(1, room))
    }

    private func refuseOverlong(_ items: [EmbeddingItem], _ role: TextRole) throws {
        guard let limit, ruler.isExact else { return }
        let prefix = identity.prefix(for: role)
        let counts = ruler.counts(of: items.map { prefix + $0.text })
        let long = items.indices.filter { counts[$0] > limit }
        guard long.isEmpty else {
            throw ProviderError.textsTooLong(
                role: role, limit: limit, count: long.count, first: long.prefix(5).map { items[$0].id })
        }
    }

    /// Pieces of the texts that are known to be too long: exactly, or because no tokenizer makes tokens of that many bytes.
    private func knownPieces(_ items: [EmbeddingItem], _ role: TextRole) -> [[String]] {
        guard let limit else { return items.map { [$0.text] } }
        let certain = ruler.isExact ? limit : 2 * limit
        let prefix = identity.prefix(for: role)
        let counts = ruler.counts(of: items.map { prefix + $0.text })
        return items.indices.map { index in
            guard counts[index] > certain else { return [items[index].text] }
            let pieces = ruler.pieces(of: items[index].text, prefix: prefix, limit: limit)
            return policy == .truncate ? Array(pieces.prefix(1)) : pieces
        }
    }

    private func report(_ cutting: Cutting, _ role: TextRole) {
        let cut = cutting.cutItems
        guard !cut.isEmpty else { return }
        logger?.warning(
            policy == .truncate
                ? "texts are longer than the model takes: only their beginnings are embedded"
                : "texts are longer than the model takes: the mean of their pieces stands for them",
            metadata: [
                "count": "\(cut.count)",
                "first": "\(cut.prefix(5).map { cutting.items[$0].id }.joined(separator: ", "))",
            ])
    }
}

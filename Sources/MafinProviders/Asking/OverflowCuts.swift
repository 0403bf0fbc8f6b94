import MafinBlackBox

/// Cuts texts that are too long into pieces: before they are sent, after a refusal, or as an earlier run did according to the cache.
///
/// The sizes form a fixed sequence, each two thirds of the one before, so that a later run finds the pieces of an earlier one.
struct OverflowCuts: Sendable {
    let policy: OverflowPolicy
    /// Maximum number of tokens of a text; nil: it is known only from refusals.
    let limit: Int?
    let ruler: TokenRuler
    let prefix: String

    /// If no limit is known, a text is cut to at most this many bytes.
    private static let longestPiece = 1 << 20
    /// How many sizes below a text's own are looked up in the cache.
    private static let sizesLookedFor = 16

    /// The largest size of the sequence, in bytes.
    private var top: Int {
        guard let limit, let bytesPerToken = ruler.estimate else { return Self.longestPiece }
        return max(1, Int(Double(limit - 1) * bytesPerToken - Double(prefix.utf8.count)))
    }

    /// The largest size of the sequence that is below a number of bytes; at least 1.
    func size(below bytes: Int) -> Int {
        var size = top
        while size >= bytes, size > 1 { size = size * 2 / 3 }
        return max(1, size)
    }

    /// The pieces of a text, according to the policy.
    func pieces(of text: String, maximumBytes: Int) -> [String] {
        kept(TokenRuler.pieces(of: text, maximumBytes: maximumBytes))
    }

    private func kept(_ pieces: [String]) -> [String] { policy == .truncate ? Array(pieces.prefix(1)) : pieces }

    /// Tokens of each text with its prefix, the limit, and the number above which a text is certainly too long. With an estimate that is twice
    /// the limit, because no tokenizer's tokens have on average twice the bytes that the estimate assumes.
    private func counts(of texts: [String]) -> (counts: [Int], limit: Int, certain: Int)? {
        limit.map { (ruler.counts(of: texts.map { prefix + $0 }), $0, ruler.isExact ? $0 : 2 * $0) }
    }

    /// Ids of the texts that are certainly too long, and of those that may be.
    func overlong(_ items: [EmbeddingItem]) -> (certain: [String], possible: [String]) {
        guard let (counts, limit, certain) = counts(of: items.map(\.text)) else { return ([], []) }
        let long = items.indices.filter { counts[$0] > limit }
        return (
            long.filter { counts[$0] > certain }.map { items[$0].id },
            long.filter { counts[$0] <= certain }.map { items[$0].id }
        )
    }

    /// Each text in pieces if it is certainly too long, else as a whole.
    func known(_ texts: [String]) -> [[String]] {
        guard policy != .error, let (counts, limit, certain) = counts(of: texts) else { return texts.map { [$0] } }
        return zip(texts, counts).map { text, count in
            count > certain ? kept(ruler.pieces(of: text, prefix: prefix, limit: limit)) : [text]
        }
    }

    /// The same, but a text that an earlier run has cut gets the pieces that the cache holds, which are paid already.
    func known(_ texts: [String], cache: EmbeddingCache, source: EmbeddingKey.Source) async throws -> [[String]] {
        var known = known(texts)
        guard policy != .error, try await cache.dimension(of: source) != nil else { return known }
        let missing = try await cache.absent(known.map { source.key(of: $0[0]) })
        let doubtful = missing.filter { mayBeTooLong(known[$0][0]) }
        guard !doubtful.isEmpty else { return known }
        // A text whose beginning is cached at some size has been cut before. Most texts have not.
        let starts = doubtful.map { index in
            sizes(below: known[index][0].utf8.count).map {
                source.key(of: TokenRuler.firstPiece(of: known[index][0], maximumBytes: $0))
            }
        }
        let absent = Set(try await cache.absent(starts.flatMap { $0 }))
        var position = 0
        for (place, index) in doubtful.enumerated() {
            let range = position..<position + starts[place].count
            position = range.upperBound
            guard range.contains(where: { !absent.contains($0) }) else { continue }
            // If no piece of a text was accepted, the whole text was cut again.
            var looked: [String: [String]?] = [:]
            if known[index].count > 1, let whole = try await cached(texts[index], cache, source, &looked) {
                known[index] = whole
                continue
            }
            var pieces: [String] = []
            for piece in known[index] {
                let isCached = try await cache.absent([source.key(of: piece)]).isEmpty
                pieces += isCached ? [piece] : try await cached(piece, cache, source, &looked) ?? [piece]
            }
            known[index] = pieces
        }
        return known
    }

    /// Whether the server may refuse the text as too long. A token has at least one byte.
    private func mayBeTooLong(_ text: String) -> Bool {
        guard let limit, !ruler.isExact else { return true }
        return text.utf8.count + prefix.utf8.count > limit
    }

    private func sizes(below bytes: Int) -> [Int] {
        var sizes: [Int] = []
        var size = bytes
        while size > 1, sizes.count < Self.sizesLookedFor {
            size = self.size(below: size)
            sizes.append(size)
        }
        return sizes
    }

    /// The pieces of a text if all are cached, some of them cut again; nil if one is missing.
    private func cached(
        _ text: String, _ cache: EmbeddingCache, _ source: EmbeddingKey.Source, _ known: inout [String: [String]?]
    ) async throws -> [String]? {
        if let found = known[text] { return found }
        var result: [String]?
        defer { known[text] = .some(result) }
        let sizes = sizes(below: text.utf8.count)
        let starts = sizes.map { source.key(of: TokenRuler.firstPiece(of: text, maximumBytes: $0)) }
        guard try await cache.absent(starts).count < starts.count else { return nil }
        for size in sizes {
            let pieces = pieces(of: text, maximumBytes: size)
            let absent = Set(try await cache.absent(pieces.map(source.key)))
            var found: [String] = []
            for (index, piece) in pieces.enumerated() {
                if !absent.contains(index) {
                    found.append(piece)
                } else if let parts = try await cached(piece, cache, source, &known) {
                    found += parts
                } else {
                    found = []
                    break
                }
            }
            guard found.isEmpty else {
                result = found
                return found
            }
        }
        return nil
    }
}

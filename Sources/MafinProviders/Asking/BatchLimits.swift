/// How much one request may hold. Whichever bound is met first ends a batch; a single text beyond them goes alone.
public struct BatchLimits: Sendable, Hashable {
    /// Texts in a request.
    public var items: Int
    /// Estimated tokens of all texts together.
    public var tokens: Int
    /// Bytes of the request's body.
    public var bytes: Int

    /// Bounds that common servers accept; what a kill can lose is one such batch per request in flight.
    ///
    /// Servers with tighter bounds say so; the batch is then cut and the bound remembered.
    public init(items: Int = 128, tokens: Int = 100_000, bytes: Int = 1_000_000) {
        precondition(items >= 1 && tokens >= 1 && bytes >= 1, "limits of a batch are at least 1")
        self.items = items
        self.tokens = tokens
        self.bytes = bytes
    }

    /// The tighter of both bounds in each respect.
    func within(_ other: BatchLimits) -> BatchLimits {
        BatchLimits(
            items: min(items, other.items), tokens: min(tokens, other.tokens), bytes: min(bytes, other.bytes))
    }

    /// The same, within what a provider states.
    func within(_ limits: ProviderLimits) -> BatchLimits {
        BatchLimits(
            items: min(items, limits.items ?? items), tokens: min(tokens, limits.tokens ?? tokens),
            bytes: min(bytes, limits.bodyBytes ?? bytes))
    }

    /// Which bound of the server a request went beyond.
    enum Cause: Sendable {
        /// Too many texts.
        case items
        /// Too many tokens in all texts together.
        case tokens
        /// Too many bytes.
        case bytes
        /// One text alone is too long, nobody knows which.
        case text
    }
}

/// What one text adds to a request.
struct ItemCost: Sendable {
    let tokens: Int
    let bytes: Int

    /// Three bytes each hold for English prose (about 4) and for CJK (about 3); code and rare scripts may have more tokens, and then the
    /// server says so and the batch is cut.
    static let standardBytesPerToken = 3.0

    /// Tokens of a text of so many bytes, estimated high.
    static func estimatedTokens(bytes: Int, bytesPerToken: Double = standardBytesPerToken) -> Int {
        Int(Double(bytes) / bytesPerToken) + 1
    }
}

/// How much one request may hold. The bound that is reached first ends a batch. A single text that is larger than a bound is sent alone.
public struct BatchLimits: Sendable, Hashable {
    /// Texts in a request.
    public var items: Int
    /// Estimated tokens of all texts together.
    public var tokens: Int
    /// Bytes of the request's body.
    public var bytes: Int

    /// Bounds that common servers accept. A kill can lose one such batch for each request in flight.
    ///
    /// A server with lower bounds refuses the batch; it is then cut, and the bound is remembered.
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
        /// One of the texts is too long; the server does not say which.
        case text
    }
}

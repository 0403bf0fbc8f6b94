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

    /// The tighter of both bounds in each respect; nil: no other.
    func within(items: Int?, tokens: Int?, bytes: Int?) -> BatchLimits {
        BatchLimits(
            items: min(self.items, items ?? .max), tokens: min(self.tokens, tokens ?? .max),
            bytes: min(self.bytes, bytes ?? .max))
    }

    func within(_ limits: ProviderLimits) -> BatchLimits {
        within(items: limits.items, tokens: limits.tokens, bytes: limits.bodyBytes)
    }

    func within(_ lessons: ServerLessons) -> BatchLimits {
        within(items: lessons.items, tokens: lessons.tokens, bytes: lessons.bytes)
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

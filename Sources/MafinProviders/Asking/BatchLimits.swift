/// How much one request may hold. The limit that is reached first ends a batch. A single text above a limit is sent alone.
public struct BatchLimits: Sendable, Hashable {
    /// Texts in a request.
    public var items: Int
    /// Estimated tokens of all texts together.
    public var tokens: Int
    /// Bytes of the request's body.
    public var bytes: Int

    /// Limits that common servers accept. A kill can lose one such batch for each request in flight.
    ///
    /// A server with lower limits refuses the batch. The batch is then cut, and the limit is remembered.
    public init(items: Int = 128, tokens: Int = 100_000, bytes: Int = 1_000_000) {
        precondition(items >= 1 && tokens >= 1 && bytes >= 1, "limits of a batch are at least 1")
        self.items = items
        self.tokens = tokens
        self.bytes = bytes
    }

    /// The lower of both limits in each respect; nil: no limit.
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

    /// The limit of the server that a request exceeded.
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

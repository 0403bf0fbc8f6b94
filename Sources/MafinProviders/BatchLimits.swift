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
    /// Servers with tighter bounds say so; the batch is then halved and the bound remembered.
    public init(items: Int = 128, tokens: Int = 100_000, bytes: Int = 1_000_000) {
        precondition(items >= 1 && tokens >= 1 && bytes >= 1, "limits of a batch are at least 1")
        self.items = items
        self.tokens = tokens
        self.bytes = bytes
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

    /// Tokens of a text, estimated high: three bytes each holds for English prose (about 4) and for CJK (about 3); code and
    /// rare scripts may have more, and then the server says so and the batch is halved.
    static func estimatedTokens(_ text: String) -> Int { text.utf8.count / 3 + 1 }
}

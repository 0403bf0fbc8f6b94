/// Encodes texts one after the other into one buffer. Each worker has its own encoder.
struct RowEncoder: ~Copyable {
    var output = IdentifierBuffer()

    let tokenizer: WordPieceTokenizer
    let prefix: [Int32]
    let suffix: [Int32]
    /// Largest number of ids of a text, without special tokens.
    let capacity: Int
    /// The normalized bytes of the current word.
    let word: UnsafeMutablePointer<UInt8>
    /// A word of this many bytes has more scalars than the vocabulary allows, so further bytes are dropped.
    let overlong: Int
    /// Largest number of bytes that one step may add.
    static let slack = 256

    init(_ tokenizer: WordPieceTokenizer, maxLength: Int?, addSpecialTokens: Bool) {
        self.tokenizer = tokenizer
        prefix = addSpecialTokens ? tokenizer.settings.prefix : []
        suffix = addSpecialTokens ? tokenizer.settings.suffix : []
        capacity = (maxLength ?? tokenizer.maxLength) - prefix.count - suffix.count
        precondition(capacity >= 0, "the maximum length must leave room for the special tokens")
        overlong = 4 * tokenizer.settings.maximumWordLength + 1
        word = .allocate(capacity: overlong + Self.slack)
    }

    deinit { word.deallocate() }

    /// Adds the ids of one text to `output`.
    mutating func append(_ text: String) {
        output.append(contentsOf: prefix)
        let start = output.count
        var text = text
        let truncatesLeft = tokenizer.settings.truncatesLeft
        let limit = truncatesLeft || capacity > Int.max - start ? Int.max : start + capacity
        if !tokenizer.addedTokens.areLiteral || !text.withUTF8({ appendFast($0, limit: limit) }) {
            output.count = start
            output.append(contentsOf: StepwiseEncoder(tokenizer).pieces(of: text).map(\.id))
        }
        let excess = output.count - start - capacity
        if excess > 0 { output.remove(excess, at: truncatesLeft ? start : output.count - excess) }
        output.append(contentsOf: suffix)
    }
}

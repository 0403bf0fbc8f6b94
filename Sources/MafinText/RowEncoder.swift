/// Encodes texts one after the other into one buffer; one per worker.
struct RowEncoder: ~Copyable {
    var output = IdentifierBuffer()

    let tokenizer: WordPieceTokenizer
    let prefix: [Int32]
    let suffix: [Int32]
    /// How many ids of its own a text may have.
    let room: Int
    /// The normalized bytes of the word under way.
    let word: UnsafeMutablePointer<UInt8>
    /// As soon as a word is this long it has too many scalars to be looked up; it is not written on.
    let overlong: Int
    /// Room for what one step may add.
    static let slack = 256

    init(_ tokenizer: WordPieceTokenizer, maxLength: Int?, addSpecialTokens: Bool) {
        self.tokenizer = tokenizer
        prefix = addSpecialTokens ? tokenizer.settings.prefix : []
        suffix = addSpecialTokens ? tokenizer.settings.suffix : []
        room = (maxLength ?? tokenizer.maxLength) - prefix.count - suffix.count
        precondition(room >= 0, "the maximum length must leave room for the special tokens")
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
        let limit = truncatesLeft || room > Int.max - start ? Int.max : start + room
        if !tokenizer.addedTokens.areLiteral || !text.withUTF8({ appendFast($0, limit: limit) }) {
            output.count = start
            output.append(contentsOf: CarefulEncoder(tokenizer).pieces(of: text).map(\.id))
        }
        let excess = output.count - start - room
        if excess > 0 { output.remove(excess, at: truncatesLeft ? start : output.count - excess) }
        output.append(contentsOf: suffix)
    }
}

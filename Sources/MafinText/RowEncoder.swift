/// Encodes texts one after the other into one buffer. Each worker has its own encoder.
struct RowEncoder: ~Copyable {
    var output = IdentifierBuffer()

    let tokenizer: WordPieceTokenizer
    private let frame: RowFrame
    /// The normalized bytes of the current word.
    let word: UnsafeMutablePointer<UInt8>
    /// A word of this many bytes has more scalars than the vocabulary allows, so further bytes are dropped.
    let overlong: Int
    /// Largest number of bytes that one step may add.
    static let slack = 256

    init(_ tokenizer: WordPieceTokenizer, maxLength: Int?, addSpecialTokens: Bool) {
        self.tokenizer = tokenizer
        frame = RowFrame(tokenizer.frame, addSpecialTokens: addSpecialTokens, maxLength: maxLength)
        overlong = 4 * tokenizer.settings.maximumWordLength + 1
        word = .allocate(capacity: overlong + Self.slack)
    }

    deinit { word.deallocate() }

    /// Adds the ids of one text to `output`.
    mutating func append(_ text: String) {
        var text = text
        let start = frame.open(&output)
        let limit = frame.limit(from: start)
        if !tokenizer.addedTokens.areLiteral || !text.withUTF8({ appendFast($0, limit: limit) }) {
            output.count = start
            output.append(contentsOf: StepwiseEncoder(tokenizer).pieces(of: text).map(\.id))
        }
        frame.close(&output, start)
    }
}

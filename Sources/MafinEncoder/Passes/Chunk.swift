import MafinText

/// Consecutive whole texts of a batch, which one thread runs through all layers.
struct Chunk: Sendable {
    /// The texts, by their number in the batch.
    let texts: Range<Int>
    /// Index of the first token in the batch. Dropout masks depend on a token's index in the batch, so they do not
    /// depend on how it is cut into chunks.
    let firstToken: Int
    /// The start of each text in the chunk, followed by the number of tokens of the chunk.
    let starts: [Int]

    /// The rows of a text, by its number in the chunk.
    func rows(of text: Int) -> Range<Int> { starts[text]..<starts[text + 1] }

    var tokens: Int { starts[starts.count - 1] }
    var longest: Int { zip(starts.dropFirst(), starts).map { $0 - $1 }.max() ?? 0 }

    /// Cuts a batch into chunks with about equal numbers of tokens. There is at least one chunk per thread if there are
    /// enough texts, and the mean is at most `maximumTokens`. A chunk may exceed that by a part of its last text.
    static func cut(_ batch: LoadedBatch, threads: Int, maximumTokens: Int) -> [Chunk] {
        let total = batch.tokens
        guard batch.count > 0 else { return [] }
        let rounds = max(1, (total + threads * maximumTokens - 1) / (threads * maximumTokens))
        let wanted = min(batch.count, threads * rounds)
        var chunks: [Chunk] = []
        var first = 0
        for piece in 1...wanted where first < batch.count {
            // The chunk ends with the text whose end is nearest to this piece's share of the tokens.
            let share = total * piece / wanted
            var end = first + 1
            while end < batch.count, batch.offsets[end] < share,
                batch.offsets[end + 1] - share <= share - batch.offsets[end]
            {
                end += 1
            }
            if piece == wanted { end = batch.count }
            let base = batch.offsets[first]
            chunks.append(
                Chunk(texts: first..<end, firstToken: base, starts: (first...end).map { batch.offsets[$0] - base }))
            first = end
        }
        return chunks
    }
}

import MafinText

/// A run of whole texts of a batch, which one thread takes through all layers.
struct Chunk: Sendable {
    /// The texts, by their number in the batch.
    let texts: Range<Int>
    /// Number of the first token in the batch: dropout masks are functions of it, so that they do not depend on the cut.
    let firstToken: Int
    /// Where each text starts in the chunk, and the chunk's token count at the end.
    let starts: [Int]

    var tokens: Int { starts[starts.count - 1] }
    var longest: Int { zip(starts.dropFirst(), starts).map { $0 - $1 }.max() ?? 0 }

    /// Cuts a batch into chunks of about equal token counts: at least one a thread where there are texts enough, and so many
    /// that their mean is at most `maximumTokens` (which a chunk may exceed by a part of its last text).
    static func cut(_ batch: TokenBatch, threads: Int, maximumTokens: Int) -> [Chunk] {
        let total = batch.ids.count
        guard batch.count > 0 else { return [] }
        let rounds = max(1, (total + threads * maximumTokens - 1) / (threads * maximumTokens))
        let wanted = min(batch.count, threads * rounds)
        var chunks: [Chunk] = []
        var first = 0
        for piece in 1...wanted where first < batch.count {
            // The text whose end is nearest to this piece's share of the tokens closes the chunk.
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

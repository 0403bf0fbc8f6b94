import MafinNumerics
import MafinText

extension TransformerEncoder {
    /// Number of tokens of a chunk; small, so that its vectors stay in the caches.
    private static let embeddingChunk = 256

    /// Embeddings of a batch: `(batch.count, dimension)`, pooled, not normalised, without dropout.
    /// - Throws: ``EncoderError/input(row:expected:found:)`` for an empty or too long row, or an id outside the
    ///   vocabulary.
    public func embed(_ batch: TokenBatch) throws -> Matrix {
        try check(batch)
        prepare(batch, for: .embedding)
        let threads = Parallelism.threads
        let chunks = Chunk.cut(batch, threads: threads, maximumTokens: Self.embeddingChunk)
        if chunks.count < threads, let pass = CooperativeForward(self, batch, threads: threads) {
            return pass.embed()
        }
        var pooled = Matrix(rows: batch.count, columns: dimension)
        pooled.values.withUnsafeMutableBufferPointer { values in
            let pooled = UnsafeTransfer(values.baseAddress)
            forEach(chunks, training: false) { encoder, index, workspace in
                let saved = workspace.transientActivations(tokens: chunks[index].tokens)
                encoder.withFrame(.embedding, chunks[index], batch, .none, saved, workspace) {
                    encoder.forward($0, pooled: pooled.value)
                }
            }
        }
        return pooled
    }
}

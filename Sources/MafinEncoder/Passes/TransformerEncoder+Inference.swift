import MafinNumerics
import MafinText

extension TransformerEncoder {
    /// Number of tokens of a chunk; small, so that its vectors stay in the caches.
    private static let embeddingChunk = 256

    /// Embeddings of a batch: `(batch.count, dimension)`, pooled, not normalised, without dropout.
    ///
    /// Images are read in pieces, each while the encoder works on the piece before it.
    /// - Throws: ``EncoderError/input(row:expected:found:)`` for an empty or too long row, an id outside the
    ///   vocabulary, or a text where images are read and the reverse; what reading an image throws.
    public func embed(_ batch: ItemBatch) throws -> Matrix {
        guard case .images(let images) = batch else { return embed(try load(batch, seed: nil)) }
        var values: [Float] = []
        values.reserveCapacity(images.rows.count * dimension)
        try PixelReadAhead(images, shape: check(images)).forEachPiece { values += embed($0).values }
        return Matrix(rows: images.rows.count, columns: dimension, values: values)
    }

    /// The same for texts.
    public func embed(_ batch: TokenBatch) throws -> Matrix { try embed(.tokens(batch)) }

    private func embed(_ batch: LoadedBatch) -> Matrix {
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

import MafinNumerics
import MafinText

/// Cache of the frozen layers' outputs, by the tokens of a text.
final class FrozenOutputs {
    private var rows: [[Int32]: FloatBuffer] = [:]
    private(set) var bytes = 0

    subscript(ids: [Int32]) -> FloatBuffer? { rows[ids] }

    /// Keeps a copy of `count` floats if they fit into the budget, which is in bytes.
    func keep(_ ids: [Int32], _ values: UnsafePointer<Float>, count: Int, budget: Int) {
        let size = (count + ids.count) * MemoryLayout<Float>.stride
        guard rows[ids] == nil, bytes + size <= budget else { return }
        let buffer = FloatBuffer(count: count)
        buffer.pointer.update(from: values, count: count)
        rows[ids] = buffer
        bytes += size
    }

    func clear() {
        rows = [:]
        bytes = 0
    }
}

extension TransformerEncoder {
    /// The input of the first layer that is trained, `(tokens, dimension)`; `nil` if no layer is frozen.
    ///
    /// It is computed without dropout, so that a text has the same output in every batch. Known texts are taken from
    /// the cache.
    func frozenOutputs(of batch: TokenBatch) -> FloatBuffer? {
        guard frozenLayers > 0 else { return nil }
        let outputs = FloatBuffer(count: batch.ids.count * dimension)
        let ids = (0..<batch.count).map { Array(batch[$0]) }
        let known = ids.map { frozenOutputCache[$0] }
        let width = dimension
        parallelRanges(batch.count) { range in
            for row in range {
                guard let values = known[row] else { continue }
                (outputs.pointer + batch.offsets[row] * width).update(from: values.pointer, count: values.count)
            }
        }
        let missing = known.indices.filter { known[$0] == nil }
        runFrozenLayers(batch.selecting(rows: missing)) { row in
            outputs.pointer + batch.offsets[missing[row]] * dimension
        }
        for row in missing {
            frozenOutputCache.keep(
                ids[row], outputs.pointer + batch.offsets[row] * dimension, count: ids[row].count * dimension,
                budget: frozenOutputBudget)
        }
        return outputs
    }

    /// Runs the frozen layers over a batch; `output` is the destination of a row's vectors.
    private func runFrozenLayers(_ batch: TokenBatch, output: (Int) -> UnsafeMutablePointer<Float>) {
        let chunks = Chunk.cut(batch, threads: Parallelism.threads, maximumTokens: Self.trainingChunk)
        let outputs = UnsafeTransfer((0..<batch.count).map(output))
        forEach(chunks, training: false) { encoder, index, workspace in
            let chunk = chunks[index]
            let saved = workspace.transientActivations(tokens: chunk.tokens)
            encoder.withFrame(.training, chunk, batch, .none, saved, workspace) { frame in
                encoder.lookUp(frame)
                for layer in 0..<encoder.frozenLayers { encoder.forward(section: layer, frame) }
            }
            for (number, text) in chunk.texts.enumerated() {
                let rows = chunk.rows(of: number)
                outputs.value[text].update(
                    from: workspace.stream.pointer + rows.lowerBound * encoder.dimension,
                    count: rows.count * encoder.dimension)
            }
        }
    }
}

import MafinNumerics
import MafinText

/// Cache of the frozen layers' outputs, by the tokens of a text or the content of an image.
final class FrozenOutputs {
    private var rows: [LoadedBatch.Key: FloatBuffer] = [:]
    private(set) var bytes = 0

    subscript(key: LoadedBatch.Key) -> FloatBuffer? { rows[key] }

    /// Keeps a copy of `count` floats if they fit into the budget, which is in bytes.
    func keep(_ key: LoadedBatch.Key, _ values: UnsafePointer<Float>, count: Int, budget: Int) {
        let size =
            count * MemoryLayout<Float>.stride
            + {
                switch key {
                case .tokens(let ids): ids.count * MemoryLayout<Int32>.stride
                case .image(let content): content.utf8.count
                }
            }()
        guard rows[key] == nil, bytes + size <= budget else { return }
        let buffer = FloatBuffer(count: count)
        buffer.pointer.update(from: values, count: count)
        rows[key] = buffer
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
    /// the cache. Images that were changed at random are not kept.
    func frozenOutputs(of batch: LoadedBatch) -> FloatBuffer? {
        guard frozenLayers > 0 else { return nil }
        let width = hidden
        let outputs = FloatBuffer(count: batch.tokens * width)
        let keys = (0..<batch.count).map(batch.key)
        let known = keys.map { $0.flatMap { frozenOutputCache[$0] } }
        parallelRanges(batch.count) { range in
            for row in range {
                guard let values = known[row] else { continue }
                (outputs.pointer + batch.offsets[row] * width).update(from: values.pointer, count: values.count)
            }
        }
        let missing = known.indices.filter { known[$0] == nil }
        runFrozenLayers(batch.selecting(rows: missing)) { row in
            outputs.pointer + batch.offsets[missing[row]] * width
        }
        for row in missing {
            guard let key = keys[row] else { continue }
            frozenOutputCache.keep(
                key, outputs.pointer + batch.offsets[row] * width, count: batch.length(of: row) * width,
                budget: frozenOutputBudget)
        }
        return outputs
    }

    /// Runs the frozen layers over a batch; `output` is the destination of a row's vectors.
    private func runFrozenLayers(_ batch: LoadedBatch, output: (Int) -> UnsafeMutablePointer<Float>) {
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
                    from: workspace.stream.pointer + rows.lowerBound * encoder.hidden,
                    count: rows.count * encoder.hidden)
            }
        }
    }
}

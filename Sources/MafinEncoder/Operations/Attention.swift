import CMafinKernels

/// Multi-head self-attention of each text of a chunk over itself: context = dropout(softmax(q · kᵀ / √headSize)) · v
/// (Vaswani et al. 2017, eq. 1), over all tokens of the text or over those within a window.
///
/// Queries are processed in tiles, so that a text's full matrix of attention weights is never in memory. The backward pass
/// recomputes the weights from the saved log-sum-exp (Dao et al. 2022, algorithm 4, here for a CPU's caches).
struct Attention: Operation {
    let hidden: Int
    let headCount: Int
    let layer: Int
    let positions: AttentionPositions
    /// The largest distance of a token that a token attends to; `nil`: any.
    let window: Int?
    /// Slots: queries, keys and values side by side, `(tokens, 3 · hidden)`; the context, `(tokens, hidden)`; the log of each
    /// row's sum of exponentials, `(heads, tokens)`.
    let queryKeyValue: Int
    let context: Int
    let logSumExp: Int

    private var headSize: Int { hidden / headCount }
    /// Floats from one token's queries to the next's.
    private var stride: Int { 3 * hidden }
    private var scale: Float { 1 / Float(headSize).squareRoot() }

    var isRowwise: Bool { false }

    var sharing: Sharing {
        // A unit of heads fills whole tiles of the product before it.
        var grain = 1
        while grain * headSize % PackedWeights.columnTile != 0 { grain += 1 }
        let (headSize, hidden) = (headSize, hidden)
        return .columnsWithInput(count: headCount, grain: grain) { heads in
            (0..<3).map { $0 * hidden + heads.lowerBound * headSize..<$0 * hidden + heads.upperBound * headSize }
        }
    }

    /// One head of one text.
    private struct Head {
        let index: Int
        /// The text's first token in the chunk, and its number of tokens.
        let start: Int
        let length: Int
        let query: UnsafeMutablePointer<Float>
        let context: UnsafeMutablePointer<Float>
        let logSumExp: UnsafeMutablePointer<Float>
    }

    private func head(_ index: Int, text: Int, _ frame: Frame) -> Head {
        let start = frame.chunk.starts[text]
        return Head(
            index: index, start: start, length: frame.chunk.starts[text + 1] - start,
            query: frame.kept(queryKeyValue) + start * stride + index * headSize,
            context: frame.kept(context) + start * hidden + index * headSize,
            logSumExp: frame.kept(logSumExp) + index * frame.chunk.tokens + start)
    }

    /// The keys that the given queries attend to.
    private func keys(of queries: Range<Int>, length: Int) -> Range<Int> {
        guard let window else { return 0..<length }
        return max(0, queries.lowerBound - window)..<min(length, queries.upperBound + window)
    }

    func forward(_ rows: Range<Int>, columns: [Range<Int>]?, _ frame: Frame) {
        for text in 0..<frame.chunk.texts.count {
            for heads in columns ?? [0..<headCount] {
                for index in heads { forward(head(index, text: text, frame), frame) }
            }
        }
    }

    private func forward(_ head: Head, _ frame: Frame) {
        let workspace = frame.scratch
        let weights = workspace.attention.pointer
        let scales = workspace.attentionScale.pointer
        let clock = frame.clock
        let products = Products(headSize: headSize, inBFloat16: frame.attendsInBFloat16)
        prepare(head, frame)
        var packed = 0..<0
        for first in Swift.stride(from: 0, to: head.length, by: Workspace.forwardTile) {
            let rows = min(Workspace.forwardTile, head.length - first)
            let seen = self.keys(of: first..<first + rows, length: head.length)
            if seen != packed {
                packed = seen
                let key = head.query + hidden + seen.lowerBound * stride
                clock.time(.packing, floats: 4 * seen.count * headSize) {
                    products.packTransposed(seen.count, key, stride: stride, workspace.packedKeys)
                    products.pack(seen.count, key + hidden, stride: stride, workspace.packedValues)
                }
            }
            // Rows are padded to whole tiles of the products: partial tiles cost more than a few columns of zeros.
            let columns = products.columns(seen.count)
            let product = 2 * rows * seen.count * headSize
            let size = rows * seen.count + (rows + seen.count) * headSize
            clock.time(.scores, operations: product, floats: size) {
                products.scores(
                    rows, columns, scale, head.query + first * stride, stride: stride, workspace.packedKeys, weights,
                    workspace)
            }
            let mask = frame.dropout.mask(
                .attention(layer: layer, head: head.index), firstRow: frame.chunk.firstToken + head.start + first)
            clock.time(.softmax, floats: 2 * rows * seen.count) {
                addPositions(first..<first + rows, seen, head.length, columns, weights, workspace)
                mafin_softmax(rows, seen.count, columns, weights, scales, head.logSumExp + first)
                if mask.threshold > 0 { mafin_apply_dropout(rows, columns, weights, mask, weights) }
            }
            let context = head.context + first * hidden
            clock.time(.context, operations: product, floats: size) {
                products.sums(
                    rows, seen.count, weights, stride: columns, workspace.packedValues, context, stride: hidden,
                    workspace)
                mafin_scale_rows(rows, headSize, hidden, scales, context)
            }
        }
    }

    /// Turns queries and keys by their positions, or looks up the numbers of the distances.
    /// - Parameter isForward: whether queries and keys have not been turned.
    private func prepare(_ head: Head, _ frame: Frame, isForward: Bool = true) {
        frame.clock.time(.positions, floats: 4 * head.length * headSize) {
            switch positions {
            case .none: break
            case .rotary(let rotary):
                guard isForward else { return }
                rotary.rotate(head.query, length: head.length, stride: stride)
                rotary.rotate(head.query + hidden, length: head.length, stride: stride)
            case .relative(let relative):
                relative.expand(
                    head: head.index, length: head.length, frame.parameters, into: frame.scratch.distances.pointer)
            }
            guard isForward, frame.roundsKept else { return }
            for row in 0..<head.length {
                for part in 0..<3 { mafin_round_to_bfloat16(headSize, head.query + row * stride + part * hidden) }
            }
        }
    }

    /// Adds the numbers of the distances to scores of `queries` and `keys`, and removes keys beyond the window.
    private func addPositions(
        _ queries: Range<Int>, _ keys: Range<Int>, _ length: Int, _ columns: Int, _ scores: UnsafeMutablePointer<Float>,
        _ workspace: Workspace
    ) {
        if case .relative = positions {
            for (row, query) in queries.enumerated() {
                mafin_axpy(
                    keys.count, 1, workspace.distances.pointer + length - 1 + keys.lowerBound - query,
                    scores + row * columns)
            }
        }
        guard let window else { return }
        for (row, query) in queries.enumerated() {
            let scores = scores + row * columns
            let before = max(0, query - window - keys.lowerBound)
            scores.update(repeating: -.infinity, count: before)
            let after = min(keys.count, query + window + 1 - keys.lowerBound)
            (scores + after).update(repeating: -.infinity, count: keys.count - after)
        }
    }

    /// Computes the gradients of queries, keys and values from ∂L/∂context, which is in the stream's memory. They overwrite queries, keys and
    /// values.
    func backward(_ rows: Range<Int>, _ frame: Frame) {
        for text in 0..<frame.chunk.texts.count {
            for index in 0..<headCount { backward(head(index, text: text, frame), frame) }
        }
    }

    private func backward(_ head: Head, _ frame: Frame) {
        let workspace = frame.scratch
        let clock = frame.clock
        let (dkeys, dvalues) = (workspace.keyGradient.pointer, workspace.valueGradient.pointer)
        let products = Products(headSize: headSize, inBFloat16: frame.attendsInBFloat16)
        prepare(head, frame, isForward: false)
        if case .relative = positions {
            workspace.distanceGradient.pointer.update(repeating: 0, count: 2 * head.length - 1)
        }
        if window != nil {
            dkeys.update(repeating: 0, count: head.length * headSize)
            dvalues.update(repeating: 0, count: head.length * headSize)
        }
        var packed = 0..<0
        for first in Swift.stride(from: 0, to: head.length, by: Workspace.rowBlock) {
            let queries = first..<min(first + Workspace.rowBlock, head.length)
            let seen = keys(of: queries, length: head.length)
            if seen != packed {
                packed = seen
                let key = head.query + hidden + seen.lowerBound * stride
                clock.time(.packing, floats: 6 * seen.count * headSize) {
                    products.packTransposed(seen.count, key, stride: stride, workspace.packedKeys)
                    products.pack(seen.count, key, stride: stride, workspace.packedKeyRows)
                    products.packTransposed(seen.count, key + hidden, stride: stride, workspace.packedValues)
                }
            }
            backward(head, queries, seen, products, frame)
        }
        clock.time(.packing, floats: 4 * head.length * headSize) {
            for row in 0..<head.length {
                let key = head.query + row * stride + hidden
                key.update(from: dkeys + row * headSize, count: headSize)
                (key + hidden).update(from: dvalues + row * headSize, count: headSize)
            }
        }
        clock.time(.positions, floats: 4 * head.length * headSize) {
            switch positions {
            case .none: break
            case .rotary(let rotary):
                rotary.rotate(head.query, length: head.length, stride: stride, back: true)
                rotary.rotate(head.query + hidden, length: head.length, stride: stride, back: true)
            case .relative(let relative):
                relative.accumulate(
                    workspace.distanceGradient.pointer, head: head.index, length: head.length,
                    into: workspace.distanceTableGradient.pointer)
            }
        }
    }

    /// The backward pass of one tile of queries. The keys' and values' gradients are added up; the queries' overwrite the queries, which no other
    /// tile reads.
    private func backward(
        _ head: Head, _ queries: Range<Int>, _ keys: Range<Int>, _ products: Products, _ frame: Frame
    ) {
        let workspace = frame.scratch
        let clock = frame.clock
        let (first, rows) = (queries.lowerBound, queries.count)
        let columns = products.columns(keys.count)
        let product = 2 * rows * keys.count * headSize
        let size = rows * keys.count + (rows + keys.count) * headSize
        let weights = workspace.attention.pointer
        let dweights = workspace.attentionGradient.pointer
        let query = head.query + first * stride
        let drows = frame.workspace.stream.pointer + (head.start + first) * hidden + head.index * headSize
        let adding = window != nil || first > 0

        clock.time(.scoresAgain, operations: product, floats: size) {
            products.scores(
                rows, columns, scale, query, stride: stride, workspace.packedKeys, weights, workspace)
        }
        let mask = frame.dropout.mask(
            .attention(layer: layer, head: head.index), firstRow: frame.chunk.firstToken + head.start + first)
        var used = weights
        clock.time(.softmaxAgain, floats: 2 * rows * keys.count) {
            addPositions(queries, keys, head.length, columns, weights, workspace)
            mafin_softmax_again(rows, keys.count, columns, weights, head.logSumExp + first)
            if mask.threshold > 0 {
                used = workspace.droppedAttention.pointer
                mafin_apply_dropout(rows, columns, weights, mask, used)
            }
        }
        // dv += weightsᵀ · dcontext
        clock.time(.valueGradient, operations: product, floats: size + keys.count * headSize) {
            products.transposedSums(
                keys.count, rows, used, stride: columns, drows, stride: hidden, adding: adding,
                workspace.valueGradient.pointer + keys.lowerBound * headSize, workspace)
        }
        // dweights = dcontext · vᵀ, then through dropout, softmax and the scale
        clock.time(.weightGradient, operations: product, floats: size) {
            products.scores(
                rows, columns, 1, drows, stride: hidden, workspace.packedValues, dweights, workspace)
        }
        clock.time(.softmaxBackward, floats: 3 * rows * keys.count) {
            mafin_softmax_backward(rows, keys.count, columns, weights, dweights, mask, scale)
            if case .relative = positions { addDistanceGradients(queries, keys, head.length, columns, workspace) }
        }
        // dk += dscoresᵀ · q; dq = dscores · k.
        clock.time(.keyGradient, operations: product, floats: size + keys.count * headSize) {
            products.transposedSums(
                keys.count, rows, dweights, stride: columns, query, stride: stride, adding: adding,
                workspace.keyGradient.pointer + keys.lowerBound * headSize, workspace)
        }
        clock.time(.queryGradient, operations: product, floats: size) {
            products.sums(
                rows, keys.count, dweights, stride: columns, workspace.packedKeyRows, query, stride: stride, workspace)
        }
    }

    /// The numbers of the distances are added after the scale, so their gradients are without it.
    private func addDistanceGradients(
        _ queries: Range<Int>, _ keys: Range<Int>, _ length: Int, _ columns: Int, _ workspace: Workspace
    ) {
        for (row, query) in queries.enumerated() {
            mafin_axpy(
                keys.count, 1 / scale, workspace.attentionGradient.pointer + row * columns,
                workspace.distanceGradient.pointer + length - 1 + keys.lowerBound - query)
        }
    }
}

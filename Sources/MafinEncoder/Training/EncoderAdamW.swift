import CMafinKernels
import MafinNumerics

/// The stored first and second moments of every gradient, in this order.
struct OptimizerMoments {
    /// Moments of all trained parameters except the word embeddings; empty: all 0.
    var dense: [[Float]]
    /// Rows of the word embeddings whose moments are not 0, and those moments, row after row.
    var words: [Int]
    var wordMoments: [[Float]]
}

/// AdamW over all parameters of an encoder. The result equals updating every parameter in every step, bit for bit.
///
/// A batch uses only a few rows of the word embeddings. The other rows are updated later: before a row is read again,
/// it gets the steps that it missed, one by one, with a gradient of 0. Biases and layer normalisation do not decay.
final class EncoderAdamW {
    private let layout: ParameterLayout
    private let parameters: FloatBuffer
    private let first: FloatBuffer
    private let second: FloatBuffer
    /// Pieces of the dense part that are updated in parallel. Each lies inside one tensor.
    private let pieces: [(offset: Int, count: Int, decays: Bool)]
    /// Number of steps that each row of the word embeddings has had; empty if they are not trained.
    private var wordSteps: [Int]
    /// Whether a row ever had a gradient. Other rows only decay.
    private var isTouched: [Bool]
    /// The settings of the steps after `historyStart`, with which rows get the steps that they missed.
    private var history: [mafin_adamw] = []
    private var historyStart = 0
    let options: AdamWOptions

    /// Number of steps that were made.
    private(set) var step = 0

    init(_ network: Network, _ parameters: FloatBuffer, options: AdamWOptions) {
        layout = network.layout
        self.parameters = parameters
        self.options = options
        // Low-rank terms lie between weights that have no moments.
        let sparse = network.trained.lowRank == nil ? layout.denseStart : layout.count
        first = FloatBuffer(count: layout.count, zeroed: true, sparsePrefix: sparse)
        second = FloatBuffer(count: layout.count, zeroed: true, sparsePrefix: sparse)
        let isWordTrained = network.trained.includes(layout.tensors[0])
        wordSteps = [Int](repeating: 0, count: isWordTrained ? layout.words.count : 0)
        isTouched = [Bool](repeating: false, count: layout.words.count)
        pieces = layout.denseTensors.filter(network.trained.includes).flatMap { tensor in
            stride(from: 0, to: tensor.count, by: 131_072).map { start in
                (tensor.offset + start, min(131_072, tensor.count - start), tensor.decays)
            }
        }
    }

    /// One step. Each gradient is multiplied by `gradientScale`.
    func update(_ gradients: Gradients, learningRate: Float, gradientScale: Float) {
        let touched = gradients.words.map(Int.init)
        bringUpToDate(touched)
        step += 1
        var settings = options.settings(step: step, learningRate: learningRate)
        if !wordSteps.isEmpty { history.append(settings) }
        settings.gradient_scale = gradientScale
        let (pieces, parameters, first, second) = (pieces, parameters, first, second)
        let dense = UnsafeTransfer(gradients.base)
        let prepared = settings
        parallelFor(pieces.count) { index in
            let piece = pieces[index]
            var settings = prepared
            if !piece.decays { settings.decay = 1 }
            mafin_adamw_update(
                piece.count, settings, dense.value + piece.offset, parameters.pointer + piece.offset,
                first.pointer + piece.offset, second.pointer + piece.offset)
        }
        guard !wordSteps.isEmpty else { return }
        let hidden = layout.words.width
        gradients.forEachWord { word, gradient in
            let offset = word * hidden
            mafin_adamw_update(
                hidden, prepared, gradient, parameters.pointer + offset, first.pointer + offset, second.pointer + offset
            )
        }
        for word in touched {
            wordSteps[word] = step
            isTouched[word] = true
        }
    }

    /// Makes the steps that the given rows of the word embeddings missed. No row may be named twice.
    func bringUpToDate(_ words: [Int]) {
        guard !wordSteps.isEmpty else { return }
        let stale = words.filter { self.wordSteps[$0] < step }
        guard !stale.isEmpty else { return }
        let hidden = layout.words.width
        let (steps, wordSteps, isTouched) = (history, wordSteps, isTouched)
        let (parameters, first, second, historyStart) = (parameters, first, second, historyStart)
        let decays = steps.map(\.decay)
        parallelRanges(stale.count, grain: 64) { range in
            for word in stale[range] {
                let offset = word * hidden
                let missed = (wordSteps[word] - historyStart)..<steps.count
                if isTouched[word] {
                    for step in missed {
                        mafin_adamw_update(
                            hidden, steps[step], nil, parameters.pointer + offset, first.pointer + offset,
                            second.pointer + offset)
                    }
                } else {
                    // Both moments are 0, so there is only the decay.
                    decays.withUnsafeBufferPointer { factors in
                        guard let factors = factors.baseAddress else { return }
                        mafin_scale_in_steps(
                            hidden, parameters.pointer + offset, missed.count, factors + missed.lowerBound)
                    }
                }
            }
        }
        for word in stale { self.wordSteps[word] = step }
    }

    /// Makes all missed steps of all rows.
    func bringAllUpToDate() {
        bringUpToDate(Array(wordSteps.indices))
        history.removeAll(keepingCapacity: true)
        historyStart = step
    }

    // MARK: State

    /// The moments of the trained parameters of the dense part, a buffer for each range, and those of the rows of the word embeddings that ever
    /// had a gradient. All rows are up to date afterwards.
    func moments(of ranges: [Range<Int>]) -> (
        dense: [[UnsafeBufferPointer<Float>]], words: [Int], wordMoments: [[Float]]
    ) {
        bringAllUpToDate()
        let dense = [first, second].map { moment in
            ranges.map { UnsafeBufferPointer(rebasing: UnsafeBufferPointer(moment.buffer)[$0]) }
        }
        let words = isTouched.indices.filter { isTouched[$0] }
        let width = layout.words.width
        let rows = [first, second].map { moment in
            words.flatMap { UnsafeMutableBufferPointer(start: moment.pointer + $0 * width, count: width) }
        }
        return (dense, words, rows)
    }

    /// Restores moments and step count. The moments of word rows that are not named are 0.
    /// - Parameter ranges: the trained parameters of the dense part.
    func restore(step: Int, _ moments: OptimizerMoments, ranges: [Range<Int>]) {
        self.step = step
        history = []
        historyStart = step
        let hidden = layout.words.width
        for (index, moment) in [first, second].enumerated() {
            moment.clear()
            var start = 0
            for range in moments.dense[index].isEmpty ? [] : ranges {
                moment.copy(from: moments.dense[index][start..<start + range.count], at: range.lowerBound)
                start += range.count
            }
            for (slot, word) in moments.words.enumerated() {
                moment.copy(from: moments.wordMoments[index][slot * hidden..<(slot + 1) * hidden], at: word * hidden)
            }
        }
        for word in wordSteps.indices { wordSteps[word] = step }
        for word in isTouched.indices { isTouched[word] = false }
        for word in moments.words { isTouched[word] = true }
    }
}

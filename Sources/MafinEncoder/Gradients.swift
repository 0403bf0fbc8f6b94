import CMafinKernels
import Foundation
import MafinNumerics

/// The gradients since the last update: those of the dense parameters, and those of the word embeddings that occurred.
final class Gradients {
    private let configuration: EncoderConfiguration
    private let layout: ParameterLayout
    /// Ranges of dense parameters other than the layers' weight matrices.
    private let small: [Range<Int>]
    /// The parameters of the dense part that are trained. The gradients of the others stay 0.
    private let trainable: Range<Int>
    private lazy var dense = FloatBuffer(count: layout.count - layout.denseStart, zeroed: true)
    private let table: WordGradients
    /// Whether there are no gradients.
    private(set) var isEmpty = true

    /// - Parameter firstTrainable: the offset of the first parameter of the dense part that is trained.
    init(_ configuration: EncoderConfiguration, _ layout: ParameterLayout, firstTrainable: Int) {
        self.configuration = configuration
        self.layout = layout
        trainable = firstTrainable..<layout.count
        table = WordGradients(configuration)
        var small: [Range<Int>] = []
        var start = layout.denseStart
        for layer in layout.layers {
            for (weight, bias) in [
                (layer.queryKeyValueWeight, layer.queryKeyValueBias),
                (layer.attentionOutputWeight, layer.attentionOutputBias), (layer.upWeight, layer.upBias),
                (layer.downWeight, layer.downBias),
            ] {
                small.append(start..<weight)
                start = bias
            }
        }
        self.small = small + [start..<layout.count]
    }

    /// The base address of the gradients. The gradient of a dense parameter is at the parameter's offset in the layout.
    var base: UnsafeMutablePointer<Float> { dense.pointer - layout.denseStart }

    /// Prepares a backward pass.
    ///
    /// If there were no gradients, all are set to 0 except those of the layers' weight matrices, which the first chunk
    /// overwrites.
    /// - Returns: whether there were gradients.
    func begin() -> Bool {
        guard isEmpty else { return true }
        for range in small { (base + range.lowerBound).update(repeating: 0, count: range.count) }
        isEmpty = false
        return false
    }

    /// Rows of the word embedding matrix that have a gradient.
    var words: [Int32] { table.words }

    /// Adds the gradient of each token's embedding to the row of its word, in the order of the tokens.
    func addWords(_ ids: UnsafeBufferPointer<Int32>, _ gradients: UnsafePointer<Float>) {
        table.add(ids, gradients)
    }

    /// The sum of the squares of all gradients.
    func squaredNorm() -> Double {
        guard !isEmpty else { return 0 }
        let pieces = (trainable.count + 65535) / 65536
        let (gradients, trainable) = (UnsafeTransfer(base), trainable)
        let sums = parallelMap(pieces) { piece in
            let start = trainable.lowerBound + piece * 65536
            return mafin_sum_of_squares(min(65536, trainable.upperBound - start), gradients.value + start)
        }
        let words = table.withRows { words, values in
            mafin_sum_of_squares(values.count, values.baseAddress)
        }
        return sums.reduce(words, +)
    }

    /// Calls `body` with each touched word and the gradient of its row, on all threads.
    func forEachWord(_ body: @Sendable (Int, UnsafePointer<Float>) -> Void) {
        let hidden = configuration.hiddenSize
        table.withRows { words, values in
            guard let base = values.baseAddress else { return }
            let rows = UnsafeTransfer((words: words, values: base))
            parallelRanges(words.count, grain: 64) { range in
                for slot in range { body(Int(rows.value.words[slot]), rows.value.values + slot * hidden) }
            }
        }
    }

    /// All gradients in the order of the layout.
    func all() -> [Float] {
        var result = [Float](repeating: 0, count: layout.count)
        let hidden = configuration.hiddenSize
        table.withRows { words, values in
            for (slot, word) in words.enumerated() {
                for column in 0..<hidden { result[Int(word) * hidden + column] = values[slot * hidden + column] }
            }
        }
        if !isEmpty {
            for index in trainable { result[index] = base[index] }
        }
        return result
    }

    /// Removes all gradients.
    func clear() {
        table.clear()
        isEmpty = true
    }
}

/// Gradients of the rows of the word embedding matrix that have one.
private final class WordGradients {
    /// The rows, in the order in which they first occurred.
    private(set) var words: [Int32] = []
    /// The index of each word in `words`; -1 for words without a gradient.
    private var slots: [Int32]
    private var values: [Float] = []
    private let width: Int

    init(_ configuration: EncoderConfiguration) {
        slots = [Int32](repeating: -1, count: configuration.vocabularySize)
        width = configuration.hiddenSize
    }

    /// Adds a gradient to the row of each id, one after the other.
    func add(_ ids: UnsafeBufferPointer<Int32>, _ gradients: UnsafePointer<Float>) {
        for id in ids where slots[Int(id)] < 0 {
            slots[Int(id)] = Int32(words.count)
            words.append(id)
        }
        values.append(contentsOf: repeatElement(0, count: words.count * width - values.count))
        values.withUnsafeMutableBufferPointer { values in
            guard let base = values.baseAddress else { return }
            for (index, id) in ids.enumerated() {
                mafin_axpy(width, 1, gradients + index * width, base + Int(slots[Int(id)]) * width)
            }
        }
    }

    /// The words and their gradients, row after row.
    func withRows<Result>(_ body: (UnsafeBufferPointer<Int32>, UnsafeBufferPointer<Float>) -> Result) -> Result {
        words.withUnsafeBufferPointer { words in values.withUnsafeBufferPointer { body(words, $0) } }
    }

    func clear() {
        for word in words { slots[Int(word)] = -1 }
        words.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
    }
}

/// Makes the sums of a backward pass have the same order, on whatever threads its chunks run.
///
/// Each chunk adds to the gradients in the same stages, one for each part of the parameters. A chunk runs a stage only
/// after the previous chunk has run that stage. All chunks can therefore share one block of gradients, and a chunk
/// waits only if it would overtake the previous one.
final class OrderedAccumulation: @unchecked Sendable {
    private let condition = NSCondition()
    /// Number of stages that each chunk has finished.
    private var stages: [Int]

    init(chunks: Int) {
        stages = [Int](repeating: 0, count: chunks)
    }

    /// Runs the next stage of a chunk, after the previous chunk has finished that stage.
    func runStage(chunk: Int, _ body: () -> Void) {
        condition.lock()
        let stage = stages[chunk]
        while chunk > 0, stages[chunk - 1] <= stage { condition.wait() }
        condition.unlock()
        body()
        condition.lock()
        stages[chunk] += 1
        condition.broadcast()
        condition.unlock()
    }
}

/// The destination of the gradients of one chunk, which follow those of the previous chunk.
struct GradientSink {
    let gradients: Gradients
    /// Whether gradients of weight matrices are added to existing ones instead of overwriting them. The others are
    /// always added.
    let isAdding: Bool
    let order: OrderedAccumulation
    let chunk: Int

    /// Calls `body` with the base address of the gradients. The gradient of a parameter is at the parameter's offset.
    func add(_ body: (UnsafeMutablePointer<Float>) -> Void) {
        order.runStage(chunk: chunk) { body(gradients.base) }
    }
}

import CMafinKernels
import Foundation
import MafinNumerics

/// The gradients gathered since the last update: of the dense parameters, and of the word embeddings that were touched.
final class Gradients {
    private let configuration: EncoderConfiguration
    private let layout: ParameterLayout
    /// Runs of dense parameters other than the layers' weight matrices.
    private let small: [Range<Int>]
    /// The parameters of the dense part that train; the gradients of the others stay 0.
    private let trainable: Range<Int>
    private lazy var dense = FloatBuffer(count: layout.count - layout.denseStart, zeroed: true)
    private let table: WordGradients
    /// Whether nothing has been gathered.
    private(set) var isEmpty = true

    /// - Parameter firstTrainable: the offset of the first parameter of the dense part that trains.
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

    /// Where the gradient of the parameter at an offset of the layout stands (dense parameters only).
    var base: UnsafeMutablePointer<Float> { dense.pointer - layout.denseStart }

    /// Makes ready for a backward pass.
    ///
    /// Where nothing had been gathered, all is 0 now but for the layers' weight matrices: the first gradients take their place.
    /// - Returns: whether something had been gathered.
    func begin() -> Bool {
        guard isEmpty else { return true }
        for range in small { (base + range.lowerBound).update(repeating: 0, count: range.count) }
        isEmpty = false
        return false
    }

    /// Rows of the word embedding matrix that have a gradient.
    var words: [Int32] { table.words }

    /// Adds the gradient of each token's embedding to its word's row, token after token.
    func addWords(_ ids: UnsafeBufferPointer<Int32>, _ gradients: UnsafePointer<Float>) {
        table.add(ids, gradients)
    }

    /// The sum of the squares of all gradients.
    func squaredNorm() -> Double {
        guard !isEmpty else { return 0 }
        let pieces = (trainable.count + 65535) / 65536
        let sums = PartialSums(count: pieces)
        let (gradients, trainable) = (UnsafeTransfer(base), trainable)
        parallelFor(pieces) { piece in
            let start = trainable.lowerBound + piece * 65536
            sums.pointer[piece] = mafin_sum_of_squares(
                min(65536, trainable.upperBound - start), gradients.value + start)
        }
        let words = table.withRows { words, values in
            mafin_sum_of_squares(words.count * configuration.hiddenSize, values)
        }
        return (0..<pieces).reduce(words) { $0 + sums.pointer[$1] }
    }

    /// Calls `body` with each touched word and the gradient of its row, on all threads.
    func forEachWord(_ body: @Sendable (Int, UnsafePointer<Float>) -> Void) {
        let hidden = configuration.hiddenSize
        table.withRows { words, values in
            let rows = UnsafeTransfer((words: words, values: values))
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

    /// Forgets all gradients.
    func clear() {
        table.clear()
        isEmpty = true
    }
}

/// Gradients of rows of the word embedding matrix, of those that have one.
private final class WordGradients {
    /// The rows, in the order in which they were first touched.
    private(set) var words: [Int32] = []
    /// Where a word stands in `words`; -1: nowhere.
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
    func withRows<Result>(_ body: (UnsafeBufferPointer<Int32>, UnsafePointer<Float>) -> Result) -> Result {
        // An empty array has no address; for no rows any will do.
        if values.isEmpty {
            return withUnsafePointer(to: Float(0)) { body(UnsafeBufferPointer(start: nil, count: 0), $0) }
        }
        return words.withUnsafeBufferPointer { words in
            values.withUnsafeBufferPointer { values in
                guard let base = values.baseAddress else { preconditionFailure("an array without an address") }
                return body(words, base)
            }
        }
    }

    func clear() {
        for word in words { slots[Int(word)] = -1 }
        words.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
    }
}

/// A block of doubles that the iterations of a parallel loop write one each.
private final class PartialSums: @unchecked Sendable {
    let pointer: UnsafeMutablePointer<Double>

    init(count: Int) {
        pointer = .allocate(capacity: max(1, count))
        pointer.initialize(repeating: 0, count: max(1, count))
    }

    deinit { pointer.deallocate() }
}

/// Lets the chunks of a backward pass, whichever threads they are on, add to the same gradients one after the other.
///
/// A chunk adds in stages, the same for all, and to each stage's parameters after the chunk before it: sums have one order,
/// one block of memory, and the last chunk's place is the only one where threads wait for each other for long.
final class Turns: @unchecked Sendable {
    private let condition = NSCondition()
    /// Stages that each chunk is through with.
    private var stages: [Int]

    init(chunks: Int) {
        stages = [Int](repeating: 0, count: chunks)
    }

    /// Runs the next stage of a chunk once the chunk before it is through with that stage.
    func take(chunk: Int, _ body: () -> Void) {
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

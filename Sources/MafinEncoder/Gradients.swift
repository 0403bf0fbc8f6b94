import CMafinKernels
import MafinNumerics

/// The gradients gathered since the last update: a dense block for each lane (thread), and the touched word embeddings.
final class Gradients {
    private let configuration: EncoderConfiguration
    private let layout: ParameterLayout
    /// Runs of dense parameters other than the layers' weight matrices.
    private let small: [Range<Int>]
    /// The parameters of the dense part that train; the gradients of the others stay 0.
    private let trainable: Range<Int>
    private(set) var lanes: [FloatBuffer] = []
    /// Lanes that hold a gradient; what is in the others is not.
    private(set) var laneCount = 0
    /// The word embeddings' part: a table for each lane of a pass, and at 0 of all passes.
    private var tables: [WordGradients]

    /// - Parameter firstTrainable: the offset of the first parameter of the dense part that trains.
    init(_ configuration: EncoderConfiguration, _ layout: ParameterLayout, firstTrainable: Int) {
        self.configuration = configuration
        self.layout = layout
        trainable = firstTrainable..<layout.count
        tables = [WordGradients(configuration)]
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

    var isEmpty: Bool { laneCount == 0 }

    /// Where lane `lane` adds the gradient of the parameter at an offset of the layout (dense parameters only).
    func base(lane: Int) -> UnsafeMutablePointer<Float> {
        lanes[lane].pointer - layout.denseStart
    }

    /// Makes room for the given number of lanes.
    ///
    /// A lane that had no gradient has 0 now, but for the layers' weight matrices: the first gradient takes their place.
    /// - Returns: lanes that had a gradient before.
    func reserve(lanes count: Int) -> Int {
        while tables.count < count { tables.append(WordGradients(configuration)) }
        while lanes.count < count { lanes.append(FloatBuffer(count: layout.count - layout.denseStart, zeroed: true)) }
        let before = laneCount
        for lane in before..<max(before, count) {
            for range in small { (base(lane: lane) + range.lowerBound).update(repeating: 0, count: range.count) }
        }
        laneCount = max(before, count)
        return before
    }

    /// Rows of the word embedding matrix that have a gradient.
    var words: [Int32] { tables[0].words }

    /// Adds the gradient of each token's embedding to its word's row in the lane's table, token after token.
    func addWords(_ ids: UnsafeBufferPointer<Int32>, _ gradients: UnsafePointer<Float>, lane: Int) {
        tables[lane].add(ids, gradients)
    }

    /// Brings the tables of all lanes together, once a pass is through.
    func joinWords() {
        for table in tables.dropFirst() {
            table.withRows { words, values in tables[0].add(words, values) }
            table.clear()
        }
    }

    /// The gradient of `count` dense parameters from `offset` on, summed over the lanes: `scratch`, which has room for them,
    /// or where it stands already.
    func dense(at offset: Int, count: Int, scratch: UnsafeMutablePointer<Float>) -> UnsafePointer<Float> {
        if laneCount == 1 { return UnsafePointer(base(lane: 0) + offset) }
        scratch.update(from: base(lane: 0) + offset, count: count)
        for lane in 1..<laneCount { mafin_axpy(count, 1, base(lane: lane) + offset, scratch) }
        return UnsafePointer(scratch)
    }

    /// Floats that are summed over the lanes at a time: they stay in the first-level cache.
    static let block = 4096

    /// The sum of the squares of all gradients.
    func squaredNorm() -> Double {
        guard laneCount > 0 else { return 0 }
        let blocks = (trainable.count + Self.block - 1) / Self.block
        let sums = PartialSums(count: blocks)
        let gradients = UnsafeTransfer(self)
        parallelRanges(blocks) { range in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.block) { scratch in
                guard let scratch = scratch.baseAddress else { return }
                let gradients = gradients.value
                for block in range {
                    let offset = gradients.trainable.lowerBound + block * Self.block
                    let count = min(Self.block, gradients.trainable.upperBound - offset)
                    sums.pointer[block] = mafin_sum_of_squares(
                        count, gradients.dense(at: offset, count: count, scratch: scratch))
                }
            }
        }
        let words = tables[0].withRows { words, values in
            mafin_sum_of_squares(words.count * configuration.hiddenSize, values)
        }
        return (0..<blocks).reduce(words) { $0 + sums.pointer[$1] }
    }

    /// Calls `body` with each touched word and the gradient of its row, on all threads.
    func forEachWord(_ body: @Sendable (Int, UnsafePointer<Float>) -> Void) {
        let hidden = configuration.hiddenSize
        tables[0].withRows { words, values in
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
        tables[0].withRows { words, values in
            for (slot, word) in words.enumerated() {
                for column in 0..<hidden { result[Int(word) * hidden + column] = values[slot * hidden + column] }
            }
        }
        result.withUnsafeMutableBufferPointer { values in
            guard let values = values.baseAddress, laneCount > 0 else { return }
            let from = dense(at: trainable.lowerBound, count: trainable.count, scratch: values + trainable.lowerBound)
            if laneCount == 1 { (values + trainable.lowerBound).update(from: from, count: trainable.count) }
        }
        return result
    }

    /// Forgets all gradients.
    func clear() {
        for table in tables { table.clear() }
        laneCount = 0
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

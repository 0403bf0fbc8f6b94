import CMafinKernels
import MafinNumerics

/// The gradients gathered since the last update: a dense block for each lane (thread), and the touched word embeddings.
final class Gradients {
    private let configuration: EncoderConfiguration
    private let layout: ParameterLayout
    private(set) var lanes: [FloatBuffer] = []
    /// Touched rows of the word embedding matrix, in the order in which they were first touched.
    private(set) var words: [Int32] = []
    private var slots: [Int32]
    private var wordValues: [Float] = []
    private var hasDense = false

    init(_ configuration: EncoderConfiguration, _ layout: ParameterLayout) {
        self.configuration = configuration
        self.layout = layout
        slots = [Int32](repeating: -1, count: configuration.vocabularySize)
    }

    var isEmpty: Bool { !hasDense }

    /// Where lane `lane` adds the gradient of the parameter at an offset of the layout (dense parameters only).
    func base(lane: Int) -> UnsafeMutablePointer<Float> {
        lanes[lane].pointer - layout.denseStart
    }

    /// Makes room for the given number of lanes.
    func reserve(lanes count: Int) {
        while lanes.count < count { lanes.append(FloatBuffer(count: layout.count - layout.denseStart, zeroed: true)) }
        hasDense = true
    }

    /// Adds the gradient of each token's embedding to its word's row, token after token.
    func addWords(_ ids: [Int32], _ gradients: UnsafePointer<Float>) {
        let hidden = configuration.hiddenSize
        for id in ids where slots[Int(id)] < 0 {
            slots[Int(id)] = Int32(words.count)
            words.append(id)
        }
        wordValues.append(contentsOf: repeatElement(0, count: words.count * hidden - wordValues.count))
        wordValues.withUnsafeMutableBufferPointer { values in
            guard let base = values.baseAddress else { return }
            for (token, id) in ids.enumerated() {
                mafin_axpy(hidden, 1, gradients + token * hidden, base + Int(slots[Int(id)]) * hidden)
            }
        }
    }

    /// Adds all lanes up into the first and returns the sum of the squares of all gradients.
    func combine() -> Double {
        let count = layout.count - layout.denseStart
        guard let first = lanes.first else { return 0 }
        let rest = Array(lanes.dropFirst())
        let pieces = (count + 65535) / 65536
        let sums = PartialSums(count: pieces)
        parallelFor(pieces) { piece in
            let start = piece * 65536
            let length = min(65536, count - start)
            for lane in rest { mafin_axpy(length, 1, lane.pointer + start, first.pointer + start) }
            sums.pointer[piece] = mafin_sum_of_squares(length, first.pointer + start)
        }
        let words = wordValues.withUnsafeBufferPointer { values in
            values.baseAddress.map { mafin_sum_of_squares(values.count, $0) } ?? 0
        }
        return (0..<pieces).reduce(words) { $0 + sums.pointer[$1] }
    }

    /// The combined gradient of the dense parameter at `offset`.
    func dense(at offset: Int) -> UnsafeMutablePointer<Float> { base(lane: 0) + offset }

    /// Calls `body` with each touched word and the gradient of its row.
    func forEachWord(_ body: (Int, UnsafePointer<Float>) -> Void) {
        wordValues.withUnsafeBufferPointer { values in
            guard let base = values.baseAddress else { return }
            for (slot, word) in words.enumerated() { body(Int(word), base + slot * configuration.hiddenSize) }
        }
    }

    /// All gradients, combined, in the order of the layout.
    func all() -> [Float] {
        _ = combine()
        for lane in lanes.dropFirst() { lane.clear() }
        var result = [Float](repeating: 0, count: layout.count)
        forEachWord { word, gradient in
            for column in 0..<configuration.hiddenSize {
                result[word * configuration.hiddenSize + column] = gradient[column]
            }
        }
        if !lanes.isEmpty {
            for index in layout.denseStart..<layout.count { result[index] = dense(at: index).pointee }
        }
        return result
    }

    /// Sets all gradients to 0.
    func clear() {
        for word in words { slots[Int(word)] = -1 }
        words.removeAll(keepingCapacity: true)
        wordValues.removeAll(keepingCapacity: true)
        let lanes = lanes
        parallelFor(lanes.count) { lanes[$0].clear() }
        hasDense = false
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

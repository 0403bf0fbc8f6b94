import CMafinKernels
import MafinNumerics

/// The gradients since the last update: those of the dense parameters, and those of the word embeddings that occurred.
final class Gradients {
    private let layout: ParameterLayout
    /// Ranges of trained parameters of the dense part. The gradients of the others stay 0.
    let trained: [Range<Int>]
    /// The same parameters, in the order in which they are summed over processes.
    var segments: [GradientSegment]
    /// Those of them that are not weights of linear layers.
    private let small: [Range<Int>]
    private lazy var dense = FloatBuffer(
        count: layout.count - layout.denseStart, zeroed: true, sparsePrefix: isSparse ? layout.count : 0)
    /// Whether few parameters are trained, between others.
    private let isSparse: Bool
    private let table: WordGradients
    /// Whether there are no gradients.
    private(set) var isEmpty = true

    init(_ network: Network) {
        layout = network.layout
        isSparse = network.trained.lowRank != nil
        table = WordGradients(network.layout.words)
        segments = network.gradientSegments()
        let denseStart = network.layout.denseStart
        trained = network.layout.ranges { $0.offset >= denseStart && network.trained.includes($0) }
        small = network.layout.ranges { $0.offset >= denseStart && !$0.isLinear && network.trained.includes($0) }
    }

    /// Number of trained parameters of the dense part.
    var denseCount: Int { trained.reduce(0) { $0 + $1.count } }

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
        let gradients = UnsafeTransfer(base)
        let pieces = trained.flatMap { range in
            stride(from: range.lowerBound, to: range.upperBound, by: 65536).map {
                $0..<min($0 + 65536, range.upperBound)
            }
        }
        let sums = parallelMap(pieces.count) { piece in
            mafin_sum_of_squares(pieces[piece].count, gradients.value + pieces[piece].lowerBound)
        }
        let words = table.withRows { words, values in
            mafin_sum_of_squares(values.count, values.baseAddress)
        }
        return sums.reduce(words, +)
    }

    /// Sets the gradients of the dense part to 0 if there are none.
    func fillIfEmpty() {
        guard isEmpty else { return }
        for range in trained { (base + range.lowerBound).update(repeating: 0, count: range.count) }
        isEmpty = false
    }

    /// Replaces the gradients of a segment by what `body` makes of them, as one block: the place itself if it is one range, otherwise a copy.
    func sum(_ segment: GradientSegment, _ body: (UnsafeMutableBufferPointer<Float>) throws -> Void) throws {
        if segment.ranges.count == 1, let range = segment.ranges.first {
            return try body(UnsafeMutableBufferPointer(start: base + range.lowerBound, count: range.count))
        }
        let copy = FloatBuffer(count: segment.count)
        var place = 0
        for range in segment.ranges {
            (copy.pointer + place).update(from: base + range.lowerBound, count: range.count)
            place += range.count
        }
        try body(UnsafeMutableBufferPointer(start: copy.pointer, count: segment.count))
        place = 0
        for range in segment.ranges {
            (base + range.lowerBound).update(from: copy.pointer + place, count: range.count)
            place += range.count
        }
    }

    /// Replaces the gradients of words by the sums of what `gather` returns, in that order. Each part is a number of words, the
    /// words, and their gradients.
    func sumWords(_ gather: (UnsafeRawBufferPointer) throws -> [[UInt8]]) throws {
        let width = layout.words.width
        let own = table.withRows { words, values in
            var bytes: [UInt8] = []
            bytes.reserveCapacity(4 * (1 + words.count * (1 + width)))
            withUnsafeBytes(of: Int32(words.count)) { bytes += $0 }
            bytes += UnsafeRawBufferPointer(words)
            bytes += UnsafeRawBufferPointer(values)
            return bytes
        }
        let parts = try own.withUnsafeBytes { try gather($0) }
        table.clear()
        for part in parts {
            part.withUnsafeBytes { bytes in
                let count = Int(bytes.loadUnaligned(as: Int32.self))
                precondition(bytes.count == 4 * (1 + count * (1 + width)), "\(bytes.count) bytes of \(count) words")
                guard count > 0, let base = bytes.baseAddress else { return }
                let words = (base + 4).assumingMemoryBound(to: Int32.self)
                table.add(
                    UnsafeBufferPointer(start: words, count: count),
                    (base + 4 * (1 + count)).assumingMemoryBound(to: Float.self))
            }
        }
        isEmpty = false
    }

    /// Calls `body` with each touched word and the gradient of its row, on all threads.
    func forEachWord(_ body: @Sendable (Int, UnsafePointer<Float>) -> Void) {
        let hidden = layout.words.width
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
        let hidden = layout.words.width
        table.withRows { words, values in
            for (slot, word) in words.enumerated() {
                for column in 0..<hidden { result[Int(word) * hidden + column] = values[slot * hidden + column] }
            }
        }
        if !isEmpty {
            for index in trained.joined() { result[index] = base[index] }
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

    init(_ words: (count: Int, width: Int)) {
        slots = [Int32](repeating: -1, count: words.count)
        width = words.width
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

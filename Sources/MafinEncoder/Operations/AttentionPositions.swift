import CMafinKernels
import Foundation

/// How attention knows the distance of two tokens.
enum AttentionPositions: Sendable {
    /// It does not: the embeddings hold positions.
    case none
    case relative(RelativePositions)
    case rotary(RotaryPositions)
}

/// A learned number for each head and bucket of distances, added to the scores (Raffel et al. 2020, section 2.1). MPNet shares the table
/// between its layers.
struct RelativePositions: Sendable {
    /// The table, `(buckets, heads)`.
    let table: SmallParameter
    let headCount: Int
    /// The bucket of each distance, key − query, from −(`maximum` − 1) to `maximum` − 1.
    private let buckets: [Int32]
    private let maximum: Int

    init(table: SmallParameter, headCount: Int, bucketCount: Int, maximumLength: Int) {
        self.table = table
        self.headCount = headCount
        maximum = maximumLength
        buckets = (1 - maximumLength..<maximumLength).map {
            Int32(Self.bucket(distance: $0, count: bucketCount))
        }
    }

    /// Half of the buckets are for either direction. Of these, half are for one distance each, and the rest grow with its logarithm up to 128.
    static func bucket(distance: Int, count: Int) -> Int {
        let half = count / 2
        let exact = half / 2
        let length = abs(distance)
        let start = distance > 0 ? half : 0
        guard length >= exact else { return start + length }
        // In single precision, as in PyTorch.
        let growth = logf(Float(length) / Float(exact)) / Float(log(128 / Double(exact))) * Float(half - exact)
        return start + min(half - 1, exact + Int(growth))
    }

    /// The numbers of a head for all distances in a text of `length` tokens, the smallest first, `(2 · length − 1)`.
    func expand(head: Int, length: Int, _ parameters: UnsafePointer<Float>, into values: UnsafeMutablePointer<Float>) {
        let first = maximum - length
        for index in 0..<2 * length - 1 {
            values[index] = parameters[table.offset + Int(buckets[first + index]) * headCount + head]
        }
    }

    /// Adds the gradients of those numbers to the gradients of the table.
    func accumulate(
        _ gradients: UnsafePointer<Float>, head: Int, length: Int, into table: UnsafeMutablePointer<Float>
    ) {
        let first = maximum - length
        for index in 0..<2 * length - 1 { table[Int(buckets[first + index]) * headCount + head] += gradients[index] }
    }
}

/// Rotary positions (Su et al. 2021): queries and keys are turned by angles that grow with the position.
final class RotaryPositions: Sendable {
    private let half: Int
    private let cosines: [Float]
    private let sines: [Float]

    /// - Parameter base: the base θ of the angles position · θ^(−2i / headSize).
    init(headSize: Int, maximumLength: Int, base: Double) {
        half = headSize / 2
        // The frequencies are in single precision, as in transformers.
        let frequencies = (0..<half).map { Float(1 / pow(base, Double(2 * $0) / Double(headSize))) }
        let angles = (0..<maximumLength).flatMap { position in frequencies.map { Float(position) * $0 } }
        cosines = angles.map(cosf)
        sines = angles.map(sinf)
    }

    /// Turns the rows of one head of a text, which are `stride` floats apart, forward or back.
    func rotate(_ rows: UnsafeMutablePointer<Float>, length: Int, stride: Int, back: Bool = false) {
        cosines.withUnsafeBufferPointer { cosines in
            sines.withUnsafeBufferPointer { sines in
                guard let cosines = cosines.baseAddress, let sines = sines.baseAddress else { return }
                mafin_rotate_halves(length, half, rows, stride, cosines, sines, back ? -1 : 1)
            }
        }
    }
}

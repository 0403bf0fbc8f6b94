import Foundation
import MafinMethod
import MafinNumerics

/// Token lists for ``ToyEncoder``.
struct ToyInputs: EncoderInputs, Equatable {
    var rows: [[Int]]

    var count: Int { rows.count }
    func length(of row: Int) -> Int { rows[row].count }
    func withContent(of row: Int, _ body: (UnsafeRawBufferPointer) -> Void) { rows[row].withUnsafeBytes(body) }
    func selecting(rows selection: [Int]) -> ToyInputs { ToyInputs(rows: selection.map { rows[$0] }) }
    static func concatenating(_ parts: [ToyInputs]) -> ToyInputs { ToyInputs(rows: parts.flatMap(\.rows)) }
}

/// A minimal trainable encoder: mean of token embeddings, dropout, and a linear map with bias. It has gradients written
/// by hand and its own AdamW.
final class ToyEncoder: TrainableEncoder {
    let vocabulary: Int
    let hidden: Int
    let dimension: Int
    /// Part of the identity; stands for frozen layers or pooling.
    var kind = "mean"
    var identity: String { "toy of \(vocabulary) × \(hidden) × \(dimension), \(kind)" }
    var dropoutRate: Float = 0.2
    var weightDecay: Float = 0.01

    /// Embeddings `(vocabulary, hidden)`, map `(dimension, hidden)` and bias `(dimension)`, one after the other.
    var parameters: [Float]
    var gradient: [Float]
    var firstMoments: [Float]
    var secondMoments: [Float]
    var steps = 0
    /// Number of texts that went through ``forward(_:dropoutSeed:)``.
    var forwarded: [[[Int]]] = []
    /// Number of updates after which all embeddings are NaN.
    var breaksAfter: Int?
    /// In this update the gradient is NaN.
    var gradientBreaksAt: Int?

    struct Pass {
        var inputs: ToyInputs
        /// After dropout, `(count, hidden)`.
        var pooled: Matrix
        /// What dropout multiplied by, `(count, hidden)`.
        var mask: Matrix
        var embeddings: Matrix
    }

    init(vocabulary: Int, hidden: Int = 6, dimension: Int = 5, seed: UInt64 = 7) {
        self.vocabulary = vocabulary
        self.hidden = hidden
        self.dimension = dimension
        var generator = RandomGenerator(seed: seed)
        parameters = (0..<(vocabulary * hidden + dimension * hidden + dimension)).map { _ in generator.normal() * 0.5 }
        gradient = parameters.map { _ in 0 }
        firstMoments = gradient
        secondMoments = gradient
    }

    private var mapOffset: Int { vocabulary * hidden }
    private var biasOffset: Int { mapOffset + dimension * hidden }

    func embed(_ inputs: ToyInputs) throws -> Matrix { run(inputs, dropoutSeed: nil).embeddings }

    func forward(_ inputs: ToyInputs, dropoutSeed: UInt64?) throws -> Pass {
        forwarded.append(inputs.rows)
        return run(inputs, dropoutSeed: dropoutSeed)
    }

    func embeddings(of pass: Pass) -> Matrix { pass.embeddings }

    private func run(_ inputs: ToyInputs, dropoutSeed: UInt64?) -> Pass {
        var pooled = Matrix(rows: inputs.count, columns: hidden)
        var mask = Matrix(rows: inputs.count, columns: hidden, repeating: 1)
        var embeddings = Matrix(rows: inputs.count, columns: dimension)
        for (row, tokens) in inputs.rows.enumerated() {
            for unit in 0..<hidden {
                var sum: Float = 0
                for token in tokens { sum += parameters[token * hidden + unit] }
                if let dropoutSeed {
                    let counter = dropoutSeed &+ UInt64(row * hidden + unit)
                    let drops = Float(RandomGenerator.mix(counter) >> 40) * 0x1p-24 < dropoutRate
                    mask[row, unit] = drops ? 0 : 1 / (1 - dropoutRate)
                }
                pooled[row, unit] = sum / Float(max(1, tokens.count)) * mask[row, unit]
            }
            for output in 0..<dimension {
                var sum = parameters[biasOffset + output]
                for unit in 0..<hidden { sum += parameters[mapOffset + output * hidden + unit] * pooled[row, unit] }
                embeddings[row, output] = breaksAfter.map { steps >= $0 } == true ? .nan : sum
            }
        }
        return Pass(inputs: inputs, pooled: pooled, mask: mask, embeddings: embeddings)
    }

    func backward(_ pass: Pass, gradient upstream: Matrix) throws {
        for (row, tokens) in pass.inputs.rows.enumerated() {
            for output in 0..<dimension {
                let slope = upstream[row, output]
                gradient[biasOffset + output] += slope
                for unit in 0..<hidden {
                    gradient[mapOffset + output * hidden + unit] += slope * pass.pooled[row, unit]
                }
            }
            for unit in 0..<hidden {
                var slope: Float = 0
                for output in 0..<dimension {
                    slope += upstream[row, output] * parameters[mapOffset + output * hidden + unit]
                }
                slope *= pass.mask[row, unit] / Float(max(1, tokens.count))
                for token in tokens { gradient[token * hidden + unit] += slope }
            }
        }
    }

    func update(learningRate: Float, maximumGradientNorm: Float?) throws -> Float {
        let norm =
            gradientBreaksAt == steps + 1 ? .nan : gradient.reduce(Float(0)) { $0 + $1 * $1 }.squareRoot()
        guard norm.isFinite else {
            gradient = gradient.map { _ in 0 }
            return norm
        }
        let clip = maximumGradientNorm.map { norm > $0 ? $0 / norm : 1 } ?? 1
        steps += 1
        let (first, second) = (1 - pow(0.9, Float(steps)), 1 - pow(0.999, Float(steps)))
        for index in parameters.indices {
            let slope = gradient[index] * clip
            firstMoments[index] = 0.9 * firstMoments[index] + 0.1 * slope
            secondMoments[index] = 0.999 * secondMoments[index] + 0.001 * slope * slope
            if index < biasOffset { parameters[index] -= learningRate * weightDecay * parameters[index] }
            parameters[index] -=
                learningRate * (firstMoments[index] / first) / ((secondMoments[index] / second).squareRoot() + 1e-8)
            gradient[index] = 0
        }
        return norm
    }

    func weights() -> [Float] { parameters }

    func restore(weights: [Float]) { parameters = weights }

    func saveTrainingState(to folder: URL) throws {
        let state = Matrix(rows: 3, columns: parameters.count, values: parameters + firstMoments + secondMoments)
        try NumPyFile.write(state, to: folder.appendingPathComponent("state.npy"))
        try Data("\(steps)".utf8).write(to: folder.appendingPathComponent("steps"))
    }

    func restoreTrainingState(from folder: URL) throws {
        let state = try NumPyFile.read(folder.appendingPathComponent("state.npy"))
        parameters = Array(state.row(0))
        firstMoments = Array(state.row(1))
        secondMoments = Array(state.row(2))
        steps = Int(String(decoding: try Data(contentsOf: folder.appendingPathComponent("steps")), as: UTF8.self)) ?? 0
    }
}

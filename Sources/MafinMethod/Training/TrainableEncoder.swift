import Foundation
import MafinNumerics

/// A batch of inputs of an encoder (token ids, pixels, …), one row per input.
///
/// The trainer only selects, joins and measures batches. It knows nothing about text.
public protocol EncoderInputs: Sendable {
    /// Number of rows.
    var count: Int { get }

    /// The cost of encoding row `row`, in tokens or whatever unit takes their place; at least 0.
    func length(of row: Int) -> Int

    /// Whether a training pass changes the inputs at random, by its seed.
    var isAugmented: Bool { get }

    /// Calls `body` with bytes that determine row `row` and are the same on every machine.
    func withContent(of row: Int, _ body: (UnsafeRawBufferPointer) -> Void)

    /// The given rows, in the given order. A row may be named more than once.
    func selecting(rows: [Int]) -> Self

    /// The rows of all parts, in order. `parts` is not empty.
    static func concatenating(_ parts: [Self]) -> Self
}

extension EncoderInputs {
    /// Inputs are what they are.
    public var isAugmented: Bool { false }
}

/// An encoder that the ``Trainer`` can train. It has a forward pass, a backward pass and an optimiser of its own.
///
/// The trainer keeps at most two passes of an encoder alive at a time, one over queries and one over documents. A pass
/// may have any number of inputs. The encoder bounds its own memory, for instance by recomputing activations. Every
/// result must depend only on the weights, the inputs and the seed. Otherwise a resumed run is not the same bit for
/// bit.
public protocol TrainableEncoder: AnyObject {
    /// The inputs of the encoder.
    associatedtype Inputs: EncoderInputs
    /// The activations of one forward pass, kept for its backward pass.
    associatedtype Pass

    /// Length of an embedding.
    var dimension: Int { get }

    /// Everything except the weights that determines the results, in words: architecture, pooling, frozen layers. A run
    /// can only be resumed with an encoder of the same identity and the same released weights.
    var identity: String { get }

    /// Embeddings, `(inputs.count, dimension)`, pooled and not normalised. Uses no dropout and keeps no activations.
    func embed(_ inputs: Inputs) throws -> Matrix

    /// A forward pass that keeps what ``backward(_:gradient:)`` needs.
    /// - Parameter dropoutSeed: the seed that determines all dropout masks of this pass, and the random changes of its
    ///   inputs; `nil`: neither. The same inputs, weights and seed give the same embeddings.
    func forward(_ inputs: Inputs, dropoutSeed: UInt64?) throws -> Pass

    /// The embeddings of a pass, `(count, dimension)`, pooled and not normalised.
    func embeddings(of pass: Pass) -> Matrix

    /// Adds ∂L/∂parameters to the gradients of the parameters.
    ///
    /// - Parameter gradient: ∂L/∂embeddings, `(count, dimension)`.
    func backward(_ pass: Pass, gradient: Matrix) throws

    /// The last backward pass before an update. What the update needs of the gradients may begin before it ends.
    func backwardBeforeUpdate(_ pass: Pass, gradient: Matrix) throws

    /// Makes one optimiser step (AdamW) with the gradients that were added since the last step, then clears them.
    ///
    /// If the norm of the gradients is not finite, weights and moments do not change.
    /// - Parameters:
    ///   - learningRate: the learning rate of this step.
    ///   - maximumGradientNorm: gradients of a larger Euclidean norm are scaled down to this norm; `nil`: never.
    /// - Returns: the norm of all gradients before clipping.
    func update(learningRate: Float, maximumGradientNorm: Float?) throws -> Float

    /// A copy of all weights, in an order that the encoder chooses.
    func weights() -> [Float]

    /// Sets all weights to a copy made by ``weights()``. Gradients and moments do not change.
    func restore(weights: [Float])

    /// Writes weights, moments and step count into an existing empty folder.
    func saveTrainingState(to folder: URL) throws

    /// Reads what ``saveTrainingState(to:)`` wrote. Training then continues bit for bit as if it had never stopped.
    func restoreTrainingState(from folder: URL) throws
}

extension TrainableEncoder {
    /// A backward pass like every other.
    public func backwardBeforeUpdate(_ pass: Pass, gradient: Matrix) throws { try backward(pass, gradient: gradient) }

    /// Embeddings of all rows, `(inputs.count, dimension)`, in pieces, so that a long encoding can report progress and
    /// be cancelled.
    /// - Parameters:
    ///   - tokensPerPiece: tokens that are embedded between two calls of `isCancelled`. A longer row is embedded alone.
    ///   - progress: tokens done, tokens in all.
    /// - Throws: `CancellationError`, and whatever the encoder throws.
    func embed(
        _ inputs: Inputs, tokensPerPiece: Int, isCancelled: () -> Bool, progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> Matrix {
        let lengths = (0..<inputs.count).map { inputs.length(of: $0) }
        let total = lengths.reduce(0, +)
        var done = 0
        var values: [Float] = []
        values.reserveCapacity(inputs.count * dimension)
        for rows in BatchSize.tokens(tokensPerPiece).batches(of: Array(0..<inputs.count), length: { lengths[$0] }) {
            if isCancelled() { throw CancellationError() }
            values += try embed(inputs.selecting(rows: Array(rows))).values
            for row in rows { done += lengths[row] }
            progress(done, total)
        }
        return Matrix(rows: inputs.count, columns: dimension, values: values)
    }
}

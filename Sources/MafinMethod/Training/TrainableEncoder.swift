import Foundation
import MafinNumerics

/// A batch of whatever an encoder reads (token ids, pixels, …), one row an input, rows of unequal length laid end to end.
///
/// The trainer only cuts, joins and measures batches; it never looks inside, and so nothing of it is about text.
public protocol EncoderInputs: Sendable {
    /// Number of rows.
    var count: Int { get }

    /// What row `row` costs to encode, in tokens (or the unit that takes their place); at least 0.
    func length(of row: Int) -> Int

    /// The given rows, in the given order; a row may be named more than once.
    func selecting(rows: [Int]) -> Self

    /// The rows of all parts, one part after the other. `parts` is not empty.
    static func concatenating(_ parts: [Self]) -> Self
}

/// An encoder that the ``Trainer`` can train: forward for vectors, backward for gradients, an optimiser inside.
///
/// The trainer keeps at most two passes of an encoder alive at a time, one over queries and one over documents.
/// Every call must be a function of the weights, the inputs and the seed alone: resuming a run is bitwise exact only then.
public protocol TrainableEncoder: AnyObject {
    /// What it reads.
    associatedtype Inputs: EncoderInputs
    /// The activations of one forward pass, kept for its backward pass.
    associatedtype Pass

    /// Length of an embedding.
    var dimension: Int { get }

    /// Whether a pass over any number of inputs keeps within bounds by itself, so that nobody needs to cut them.
    var boundsMemoryOfPasses: Bool { get }

    /// Embeddings for use: `(inputs.count, dimension)`, pooled, not normalised, no dropout, nothing kept.
    func embed(_ inputs: Inputs) throws -> Matrix

    /// A forward pass that a ``backward(_:gradient:)`` may follow.
    /// - Parameter dropoutSeed: the seed from which all dropout masks of this pass follow; `nil`: no dropout. The same inputs,
    ///   weights and seed give the same embeddings.
    func forward(_ inputs: Inputs, dropoutSeed: UInt64?) throws -> Pass

    /// The embeddings of a pass: `(count, dimension)`, pooled, not normalised.
    func embeddings(of pass: Pass) -> Matrix

    /// Adds to the parameters' gradients what `gradient`, ∂L/∂embeddings `(count, dimension)`, brings.
    func backward(_ pass: Pass, gradient: Matrix) throws

    /// One optimiser step (AdamW) on the gradients gathered since the last, which are then cleared.
    /// - Parameters:
    ///   - learningRate: of this step.
    ///   - maximumGradientNorm: gradients of a larger Euclidean norm are scaled down to it; `nil`: never.
    /// - Returns: the norm of all gradients before clipping.
    func update(learningRate: Float, maximumGradientNorm: Float?) throws -> Float

    /// A copy of all weights, in an order of the encoder's own.
    func weights() -> [Float]

    /// Sets all weights to a copy that ``weights()`` made. Gradients and moments stay as they are.
    func restore(weights: [Float])

    /// Writes weights, moments and step count into an existing empty folder.
    func saveTrainingState(to folder: URL) throws

    /// Reads what ``saveTrainingState(to:)`` wrote; training goes on bitwise as if it had never stopped.
    func restoreTrainingState(from folder: URL) throws
}

import Foundation
import MafinNumerics

/// A batch of whatever an encoder reads (token ids, pixels, …), one row an input.
///
/// The trainer only selects, joins and measures batches; nothing of it is about text.
public protocol EncoderInputs: Sendable {
    /// Number of rows.
    var count: Int { get }

    /// What row `row` costs to encode, in tokens (or the unit that takes their place); at least 0.
    func length(of row: Int) -> Int

    /// Calls `body` with the bytes of row `row`, which determine what an encoder makes of it. They are the same on every machine.
    func withContent(of row: Int, _ body: (UnsafeRawBufferPointer) -> Void)

    /// The given rows, in the given order; a row may be named more than once.
    func selecting(rows: [Int]) -> Self

    /// The rows of all parts, one part after the other. `parts` is not empty.
    static func concatenating(_ parts: [Self]) -> Self
}

/// An encoder that the ``Trainer`` can train: forward for vectors, backward for gradients, an optimiser inside.
///
/// The trainer keeps at most two passes of an encoder alive at a time, one over queries and one over documents. A pass may have any number
/// of inputs; the encoder bounds its own memory, for instance by computing activations again.
/// Every result must be a function of the weights, the inputs and the seed alone: only then is a resumed run bitwise the same.
public protocol TrainableEncoder: AnyObject {
    /// What it reads.
    associatedtype Inputs: EncoderInputs
    /// The activations of one forward pass, kept for its backward pass.
    associatedtype Pass

    /// Length of an embedding.
    var dimension: Int { get }

    /// What determines its results beside its weights, in words: architecture, pooling, frozen layers. A run resumes only with an encoder
    /// of the same identity and the same released weights.
    var identity: String { get }

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
    ///
    /// If the norm of the gradients is not finite, weights and moments stay as they are.
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

extension TrainableEncoder {
    /// Embeddings of all rows, some at a time, so that a long encoding can be watched and cancelled.
    /// - Parameters:
    ///   - tokensPerPiece: tokens that are embedded between two looks at `isCancelled`; a longer row is embedded alone.
    ///   - progress: tokens done, tokens in all.
    /// - Throws: `CancellationError`, and what the encoder throws.
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

import Foundation
import MafinNumerics

/// An encoder whose gradients several processes can add.
public protocol DistributableEncoder: TrainableEncoder {
    /// A forward pass over some rows of a longer batch, with the dropout masks that these rows have there.
    /// - Parameter precedingLength: the sum of the lengths of the rows before.
    func forward(_ inputs: Inputs, dropoutSeed: UInt64?, precedingLength: Int) throws -> Pass

    /// Replaces the gradients that were added since the last step by their sums over all processes. A process may have
    /// none.
    func sumGradients(over communicator: any Communicator) throws

    /// ``TrainableEncoder/backward(_:gradient:)`` and ``sumGradients(over:)``, which may begin before the backward pass ends. Other processes
    /// may have no pass, and call the latter alone.
    func backward(_ pass: Pass, gradient: Matrix, sumOver communicator: any Communicator) throws
}

extension DistributableEncoder {
    /// One after the other.
    public func backward(_ pass: Pass, gradient: Matrix, sumOver communicator: any Communicator) throws {
        try backward(pass, gradient: gradient)
        try sumGradients(over: communicator)
    }
}

/// An encoder that computes each batch together with other processes (data parallelism).
///
/// Every process holds all weights. It runs its share of a batch, and the embeddings of all shares are gathered in the order of the
/// ranks *before* the loss. So every process evaluates the loss of the whole batch: negatives are shared, and the loss is
/// that of one process with the same batch, up to rounding. Its gradient goes back through the process's own rows, and the
/// gradients of the weights are summed before the optimiser's step, which every process makes alike. The sums may begin while the last backward
/// pass before the step is still at work.
public final class DistributedEncoder<Base: DistributableEncoder>: TrainableEncoder {
    /// See ``TrainableEncoder``.
    public typealias Inputs = Base.Inputs

    /// This process's part of a pass, and the embeddings of all.
    public struct Pass {
        /// `nil`: the process has no row of this batch.
        fileprivate var own: Base.Pass?
        fileprivate var rows: Range<Int>
        fileprivate var embeddings: Matrix
    }

    /// The encoder of this process.
    public let base: Base
    let communicator: any Communicator
    /// Set when the weights of the processes differ, which ``weights()`` cannot throw.
    private var difference: TrainingError?
    /// Whether the gradients are the sums over all processes.
    private var isSummed = false

    /// Wraps an encoder. All processes wrap encoders with the same weights.
    public init(_ base: Base, _ communicator: any Communicator) {
        (self.base, self.communicator) = (base, communicator)
    }

    /// See ``TrainableEncoder``.
    public var dimension: Int { base.dimension }
    /// That of the base: a run may be resumed with another number of processes.
    public var identity: String { base.identity }

    private func share(of inputs: Inputs) -> (rows: Range<Int>, inputs: Inputs, precedingLength: Int) {
        let lengths = (0..<inputs.count).map { inputs.length(of: $0) }
        let rows = communicator.shares(of: lengths)[communicator.rank]
        return (rows, inputs.selecting(rows: Array(rows)), lengths[..<rows.lowerBound].reduce(0, +))
    }

    /// See ``TrainableEncoder``.
    public func embed(_ inputs: Inputs) throws -> Matrix {
        let share = share(of: inputs)
        let own = try share.rows.isEmpty ? Matrix(rows: 0, columns: dimension) : base.embed(share.inputs)
        return try communicator.gather(own)
    }

    /// See ``TrainableEncoder``.
    public func forward(_ inputs: Inputs, dropoutSeed: UInt64?) throws -> Pass {
        let share = share(of: inputs)
        let own =
            try share.rows.isEmpty
            ? nil
            : base.forward(share.inputs, dropoutSeed: dropoutSeed, precedingLength: share.precedingLength)
        let embeddings = own.map { base.embeddings(of: $0) } ?? Matrix(rows: 0, columns: dimension)
        return Pass(own: own, rows: share.rows, embeddings: try communicator.gather(embeddings))
    }

    /// See ``TrainableEncoder``.
    public func embeddings(of pass: Pass) -> Matrix { pass.embeddings }

    /// See ``TrainableEncoder``.
    public func backward(_ pass: Pass, gradient: Matrix) throws {
        precondition(!isSummed, "gradients of one process cannot be added to the sums over all")
        guard let own = pass.own else { return }
        try base.backward(own, gradient: gradient.selecting(rows: pass.rows))
    }

    /// See ``TrainableEncoder``.
    public func backwardBeforeUpdate(_ pass: Pass, gradient: Matrix) throws {
        precondition(!isSummed, "one backward pass is the last before an update")
        if let own = pass.own {
            try base.backward(own, gradient: gradient.selecting(rows: pass.rows), sumOver: communicator)
        } else {
            try base.sumGradients(over: communicator)
        }
        isSummed = true
    }

    /// - Throws: ``TrainingError/processes(reason:)`` if the processes do not agree any more.
    public func update(learningRate: Float, maximumGradientNorm: Float?) throws -> Float {
        if let difference { throw difference }
        // An encoder whose last batch had no input for it has not been told that it was the last.
        if !isSummed { try base.sumGradients(over: communicator) }
        isSummed = false
        let norm = try base.update(learningRate: learningRate, maximumGradientNorm: maximumGradientNorm)
        try requireEqual([norm], "the sums of the gradients")
        return norm
    }

    /// See ``TrainableEncoder``.
    public func weights() -> [Float] {
        let weights = base.weights()
        do {
            var hash = ContentHash()
            weights.withUnsafeBytes { hash.update($0) }
            try requireEqual(hash.finalize(), "the weights")
        } catch {
            difference = error as? TrainingError ?? .processes(reason: "\(error)")
        }
        return weights
    }

    /// MPI does not promise that all processes get the same bits of a sum, and hosts may compute differently. Weights that
    /// drift apart would spoil a run without a sign.
    private func requireEqual(_ values: [some BitwiseCopyable & Equatable], _ what: String) throws {
        let all = try values.withUnsafeBytes { try communicator.gather($0) }
        guard let other = all.indices.first(where: { all[$0] != all[0] }) else { return }
        throw TrainingError.processes(
            reason:
                "\(what) of processes 0 and \(other) differ: all hosts must have the same processors and the same MPI library"
        )
    }

    /// See ``TrainableEncoder``.
    public func restore(weights: [Float]) {
        base.restore(weights: weights)
        isSummed = false
    }
    /// See ``TrainableEncoder``.
    public func saveTrainingState(to folder: URL) throws { try base.saveTrainingState(to: folder) }
    /// See ``TrainableEncoder``.
    public func restoreTrainingState(from folder: URL) throws {
        try base.restoreTrainingState(from: folder)
        isSummed = false
    }
}

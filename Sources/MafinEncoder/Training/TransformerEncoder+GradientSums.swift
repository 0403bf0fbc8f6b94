import MafinNumerics

extension TransformerEncoder {
    /// Replaces the gradients that were added since the last step by their sums over several encoders with the same weights,
    /// in other processes. All of them call this at the same time, or ``backward(_:gradient:sum:gather:)``.
    ///
    /// The dense parameters are summed in segments, from the last layer to the embeddings. The word embeddings have gradients for the words
    /// that occurred only. These rows are gathered and added in the order of the ranks, so that all processes add them alike.
    /// - Parameters:
    ///   - sum: replaces floats by their sums over all processes. It is called on another thread than `gather`, not at the same time.
    ///   - gather: the bytes of all processes, in the order of their ranks.
    public func sumGradients(
        sum: @escaping (UnsafeMutableBufferPointer<Float>) throws -> Void,
        gather: (UnsafeRawBufferPointer) throws -> [[UInt8]]
    ) throws {
        try finish(OverlappedSum(gradients, sum), gather)
    }

    /// The last backward pass before an update, and ``sumGradients(sum:gather:)`` at the same time: as the last chunk finishes its layers,
    /// their gradients are summed while it computes those of the layers before.
    /// - Throws: what `sum` and `gather` throw, when no call of them is left.
    public func backward(
        _ pass: ForwardPass, gradient: Matrix, sum: @escaping (UnsafeMutableBufferPointer<Float>) throws -> Void,
        gather: (UnsafeRawBufferPointer) throws -> [[UInt8]]
    ) throws {
        let sums = OverlappedSum(gradients, sum)
        backward(pass, gradient: gradient) { sums.begin(downTo: $0) }
        try finish(sums, gather)
    }

    private func finish(_ sums: OverlappedSum, _ gather: (UnsafeRawBufferPointer) throws -> [[UInt8]]) throws {
        gradients.fillIfEmpty()
        try sums.finish()
        guard network.trained.includes(layout.tensors[0]) else { return }
        try gradients.sumWords(gather)
    }
}

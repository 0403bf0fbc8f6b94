import MafinNumerics

extension TransformerEncoder {
    /// Replaces the gradients that were added since the last step by their sums over several encoders with the same weights,
    /// in other processes. All of them call this at the same time.
    ///
    /// The word embeddings have gradients for the words that occurred only. These rows are gathered and added in the order of
    /// the ranks, so that all processes add them alike.
    /// - Parameters:
    ///   - sum: replaces floats by their sums over all processes.
    ///   - gather: the bytes of all processes, in the order of their ranks.
    public func sumGradients(
        sum: (UnsafeMutableBufferPointer<Float>) throws -> Void, gather: (UnsafeRawBufferPointer) throws -> [[UInt8]]
    ) throws {
        try gradients.sum(sum)
        guard trainsWords else { return }
        try gradients.sumWords(gather)
    }

    private var trainsWords: Bool { network.trained.includes(layout.tensors[0]) }
}

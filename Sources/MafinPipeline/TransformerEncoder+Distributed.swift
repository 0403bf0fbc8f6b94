import MafinEncoder
import MafinMethod

extension TransformerEncoder: DistributableEncoder {
    /// A forward pass over some rows of a longer batch. Dropout masks depend on a token's place in the batch.
    public func forward(_ inputs: ItemBatch, dropoutSeed: UInt64?, precedingLength: Int) throws -> ForwardPass {
        try forward(inputs, dropoutSeed: dropoutSeed, firstToken: precedingLength)
    }

    /// Sums the gradients over all processes: those of the dense parameters in one arena, and of the word embeddings only
    /// the rows that occurred.
    public func sumGradients(over communicator: any Communicator) throws {
        if communicator.count == 1 { return }
        try sumGradients(sum: communicator.sum, gather: communicator.gather)
    }
}

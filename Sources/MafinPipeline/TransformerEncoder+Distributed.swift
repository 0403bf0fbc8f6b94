import MafinEncoder
import MafinMethod
import MafinNumerics

extension TransformerEncoder: DistributableEncoder {
    /// A forward pass over some rows of a longer batch. Dropout masks depend on a token's place in the batch.
    public func forward(_ inputs: ItemBatch, dropoutSeed: UInt64?, precedingLength: Int) throws -> ForwardPass {
        try forward(inputs, dropoutSeed: dropoutSeed, firstToken: precedingLength)
    }

    /// Sums the gradients over all processes: those of the dense parameters in segments of one arena, and of the word embeddings only
    /// the rows that occurred.
    public func sumGradients(over communicator: any Communicator) throws {
        if communicator.count == 1 { return }
        try sumGradients(sum: communicator.sum, gather: communicator.gather)
    }

    /// The same during a backward pass: the gradients of a layer are summed while those of the layers before it are computed.
    public func backward(_ pass: ForwardPass, gradient: Matrix, sumOver communicator: any Communicator) throws {
        if communicator.count == 1 { return backward(pass, gradient: gradient) }
        try backward(pass, gradient: gradient, sum: communicator.sum, gather: communicator.gather)
    }
}

import MafinEncoder
import MafinMethod
import MafinNumerics

extension ItemBatch: EncoderInputs {}

extension TransformerEncoder: TrainableEncoder {
    /// Texts as token ids, or images.
    public typealias Inputs = ItemBatch

    /// Architecture, pooling, what is trained, and a hash of the weights that are not.
    public var identity: String {
        "\(architecture), pooling \(pooling), \(trained), other weights \(untrainedContent)"
    }

    /// The embeddings of a pass.
    public func embeddings(of pass: ForwardPass) -> Matrix { pass.embeddings }
}

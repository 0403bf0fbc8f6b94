import MafinEncoder
import MafinMethod
import MafinNumerics

extension ItemBatch: EncoderInputs {}

extension TransformerEncoder: TrainableEncoder {
    /// Texts as token ids, or images.
    public typealias Inputs = ItemBatch

    /// Architecture, pooling, what is trained, a hash of the weights that are not, and the numbers of training unless they are single precision.
    public var identity: String {
        "\(architecture), pooling \(pooling), \(trained), other weights \(untrainedContent)"
            + (trainingPrecision == .float32 ? "" : ", trained in \(trainingPrecision.rawValue)")
    }

    /// The embeddings of a pass.
    public func embeddings(of pass: ForwardPass) -> Matrix { pass.embeddings }
}

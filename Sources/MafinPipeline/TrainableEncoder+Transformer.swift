import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinText

extension TokenBatch: EncoderInputs {
    /// The token ids, little-endian.
    public func withContent(of row: Int, _ body: (UnsafeRawBufferPointer) -> Void) {
        self[row].map(\.littleEndian).withUnsafeBytes(body)
    }

    /// The given rows, in the given order.
    public func selecting(rows: [Int]) -> TokenBatch { selecting(rows: rows[...]) }

    /// The rows of all parts, in order.
    public static func concatenating(_ parts: [TokenBatch]) -> TokenBatch {
        var all = TokenBatch()
        for part in parts { all.append(contentsOf: part) }
        return all
    }
}

extension TransformerEncoder: TrainableEncoder {
    /// Architecture, pooling, what is trained, and a hash of the weights that are not.
    public var identity: String {
        "\(architecture), pooling \(pooling), \(trained), other weights \(untrainedContent)"
    }

    /// The embeddings of a pass.
    public func embeddings(of pass: ForwardPass) -> Matrix { pass.embeddings }
}

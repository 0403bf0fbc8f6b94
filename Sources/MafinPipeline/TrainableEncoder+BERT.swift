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

extension BERTEncoder: TrainableEncoder {
    /// Architecture, pooling and frozen parts.
    public var identity: String {
        "\(configuration), pooling \(pooling), frozen layers \(frozenLayers), frozen embeddings \(freezesEmbeddings)"
    }

    /// The embeddings of a pass.
    public func embeddings(of pass: ForwardPass) -> Matrix { pass.embeddings }
}

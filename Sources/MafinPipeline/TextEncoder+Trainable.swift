import Foundation
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinText

extension TokenBatch: EncoderInputs {
    /// The given rows, in the given order.
    public func selecting(rows: [Int]) -> TokenBatch { selecting(rows: rows[...]) }

    /// The rows of all parts, one part after the other.
    public static func concatenating(_ parts: [TokenBatch]) -> TokenBatch {
        var all = TokenBatch()
        for part in parts { all.append(contentsOf: part) }
        return all
    }
}

extension BERTEncoder: TrainableEncoder {
    /// What a pass keeps is bounded by ``activationBudget``.
    public var boundsMemoryOfPasses: Bool { true }

    /// The embeddings of a pass.
    public func embeddings(of pass: ForwardPass) -> Matrix { pass.embeddings }
}

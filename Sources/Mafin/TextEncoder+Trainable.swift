import Foundation
import MafinEncoder
import MafinNumerics
import MafinText

extension TokenBatch: EncoderInputs {
    public func selecting(rows: [Int]) -> TokenBatch { selecting(rows: rows[...]) }

    public static func concatenating(_ parts: [TokenBatch]) -> TokenBatch {
        var all = TokenBatch()
        for part in parts { all.append(contentsOf: part) }
        return all
    }
}

extension BERTEncoder: TrainableEncoder {
    public func embeddings(of pass: ForwardPass) -> Matrix { pass.embeddings }
}

import Foundation
import MafinEncoder
import MafinNumerics
import MafinText

/// Training steps on batches of (query, document) pairs: InfoNCE with in-batch negatives at scale 20, gradient clipping, AdamW, as
/// `train_speed.py` of the Python peers does. Queries and documents of a step are one ragged batch.
public struct PairTraining {
    private let tokenizer: any Tokenizer
    private let encoder: TransformerEncoder
    private let maxLength: Int
    private let scale: Float = 20

    /// Training of `encoder`, texts cut at `maxLength` tokens.
    public init(_ tokenizer: any Tokenizer, _ encoder: TransformerEncoder, maxLength: Int) {
        (self.tokenizer, self.encoder, self.maxLength) = (tokenizer, encoder, maxLength)
    }

    /// One step, text to updated weights. Returns the number of tokens and the loss.
    public func step(_ pairs: [[String]], dropoutSeed: UInt64?) throws -> (tokens: Int, loss: Float) {
        let batch = tokenizer.batchEncode(pairs.map { $0[0] } + pairs.map { $0[1] }, maxLength: maxLength)
        let pass = try encoder.forward(batch, dropoutSeed: dropoutSeed)
        let (unit, norms) = pass.embeddings.normalizedRows()
        let queries = unit.selecting(rows: 0..<pairs.count)
        let documents = unit.selecting(rows: pairs.count..<2 * pairs.count)
        let (loss, gradient) = crossEntropy(.multiply(queries, transposed: documents))
        var columns = gradient
        for row in 0..<pairs.count {
            for column in 0..<pairs.count { columns[column, row] = gradient[row, column] }
        }
        let values = Matrix.multiply(gradient, documents).values + Matrix.multiply(columns, queries).values
        encoder.backward(
            pass,
            gradient: .normalizedRowsBackward(
                gradient: Matrix(rows: unit.rows, columns: unit.columns, values: values), unit: unit, norms: norms))
        _ = encoder.update(learningRate: 2e-5, maximumGradientNorm: 1)
        return (batch.tokenCount, loss)
    }

    /// The mean over rows of −log softmax(scale · z)[row], and its gradient with respect to z.
    private func crossEntropy(_ z: Matrix) -> (loss: Float, gradient: Matrix) {
        var (loss, gradient): (Float, Matrix) = (0, z)
        for row in 0..<z.rows {
            let logits = z.row(row).map { scale * $0 }
            let top = logits.max() ?? 0
            let exponentials = logits.map { exp($0 - top) }
            let sum = exponentials.reduce(0, +)
            loss -= (logits[row] - top - log(sum)) / Float(z.rows)
            for column in 0..<z.columns {
                let difference = exponentials[column] / sum - (column == row ? 1 : 0)
                gradient[row, column] = scale * difference / Float(z.rows)
            }
        }
        return (loss, gradient)
    }
}

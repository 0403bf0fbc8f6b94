import Foundation
import MafinNumerics

/// The scale of black-box and local scores by maximum likelihood over full lists of documents; see ``Calibration``.
package enum ScaleFit {
    /// Fits the scale to the labels of all `queries`.
    ///
    /// Scores that do not fit the budget are computed block by block, again in each pass of the fit; a start near the optimum saves passes.
    /// - Parameters:
    ///   - queries: queries with labels.
    ///   - local: unit rows of the local encoder, one a query.
    ///   - documents: unit rows of the local encoder, all documents.
    ///   - scores: the black box's scores; `nil`: the temperature of the local scores alone is fitted.
    ///   - byteBudget: bytes of both score matrices that are held at a time.
    ///   - start: where to begin, such as the last fit.
    /// - Throws: ``CalibrationError`` where the labels say nothing about the scale.
    package static func fit(
        queries: [Int], local: Matrix, documents: Matrix, scores: ScoreSource?, index: TrainingIndex, byteBudget: Int,
        startingAt start: MixtureWeights? = nil
    ) throws -> Calibration {
        func block(_ rows: Range<Int>) -> (blackBox: Matrix, local: Matrix) {
            (
                scores?.block(queries: Array(queries[rows])) ?? Matrix(rows: rows.count, columns: documents.rows),
                Matrix.multiply(local.selecting(rows: rows), transposed: documents)
            )
        }
        let rowsPerBlock = max(1, byteBudget / (2 * MemoryLayout<Float>.stride * max(1, documents.rows)))
        let blocks: ScoreBlocks
        if queries.count <= rowsPerBlock {
            let whole = block(0..<queries.count)
            blocks = ScoreBlocks(blackBox: whole.blackBox, local: whole.local)
        } else {
            blocks = ScoreBlocks(rows: queries.count, rowsPerBlock: rowsPerBlock, scores: block)
        }
        return try Calibration.fit(
            blocks, labels: StepPlan(queries: queries).againstCorpus(index).labels, startingAt: start)
    }
}

/// A scale that is trained with the encoder: AdamW without decay on the logit of λ and the logarithm of τ, so that λ stays in 0…1 and τ
/// above 0.
struct LearnedScale: Sendable, Codable, Equatable {
    /// The logit of λ, the logarithm of τ.
    private var parameters: [Float]
    private var optimizer = AdamW(count: 2, options: AdamWOptions(weightDecay: 0))

    /// λ starts at least this far from 0 and 1, where its logit is not finite.
    static let margin: Float = 1e-4

    init(scale: MixtureWeights) {
        let lambda = min(max(scale.lambda, Self.margin), 1 - Self.margin)
        parameters = [log(lambda / (1 - lambda)), log(scale.temperature)]
    }

    var scale: MixtureWeights { MixtureWeights(lambda: 1 / (1 + exp(-parameters[0])), temperature: exp(parameters[1])) }

    /// ∂L/∂(logit of λ) and ∂L/∂(log τ) from ∂L/∂a and ∂L/∂b, with a = (1−λ)/τ, b = λ/τ.
    static func gradient(scale: MixtureWeights, blackBox: Double, local: Double) -> (
        logit: Double, logTemperature: Double
    ) {
        let lambda = Double(scale.lambda)
        return (
            (local - blackBox) / Double(scale.temperature) * lambda * (1 - lambda),
            -(Double(scale.blackBox) * blackBox + Double(scale.local) * local)
        )
    }

    /// One step.
    mutating func update(blackBox: Double, local: Double, learningRate: Double) {
        let gradient = Self.gradient(scale: scale, blackBox: blackBox, local: local)
        optimizer.update(
            &parameters, gradient: [Float(gradient.logit), Float(gradient.logTemperature)],
            learningRate: Float(learningRate))
    }
}

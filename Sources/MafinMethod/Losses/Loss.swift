import MafinNumerics

/// A training objective over one block of logits.
///
/// Logits are `z = score / τ`, one row per query and one column per candidate document. A loss does not depend on where
/// the scores come from. See ``InfoNCE``, ``ListNet``, ``ListMLE`` and ``HybridLoss``.
public protocol Loss: Sendable {
    /// The loss of a block and its gradient with respect to the logits.
    ///
    /// The value is the mean over the rows that have a relevant column, or 0 if no row has one. The gradient is zero
    /// for rows without a relevant column and for masked columns. Rows are computed in parallel. The result does not
    /// depend on the number of threads.
    /// - Parameters:
    ///   - logits: `(rows, columns)`, finite.
    ///   - labels: labels of the same rows, with columns in `0..<logits.columns`.
    /// - Complexity: O(rows · columns).
    func evaluate(logits: Matrix, labels: BlockLabels) -> LossValue

    /// The name of the loss and all its hyper-parameters, as the artefact's manifest records them.
    var summary: LossSummary { get }
}

/// The loss of one block and its gradient.
public struct LossValue: Sendable {
    /// Mean over the labelled rows, in nats.
    public var value: Float
    /// `∂value/∂z`, `(rows, columns)`.
    public var gradient: Matrix

    /// A loss and its gradient with respect to the logits.
    public init(value: Float, gradient: Matrix) {
        self.value = value
        self.gradient = gradient
    }

    /// `∂L/∂w = Σ (∂L/∂z) s` , the gradient of the weight w of one source in `z = a s_bb + b s_θ`: that of `a` for the
    /// black box's scores, that of `b` for the local ones.
    ///
    /// With `λ = sigmoid(α)` and τ instead, by the chain rule: `∂L/∂α = λ (1 − λ) (∂L/∂b − ∂L/∂a) / τ`.
    /// - Parameter scores: `(rows, columns)`, as the logits.
    /// - Complexity: O(rows · columns), double precision.
    func gradientOfWeight(on scores: Matrix) -> Double {
        precondition(
            scores.rows == gradient.rows && scores.columns == gradient.columns,
            "\(scores.rows) × \(scores.columns) scores for a gradient of \(gradient.rows) × \(gradient.columns)")
        var sum: Double = 0
        gradient.values.withUnsafeBufferPointer { gradient in
            scores.values.withUnsafeBufferPointer { scores in
                for index in gradient.indices { sum += Double(gradient[index]) * Double(scores[index]) }
            }
        }
        return sum
    }
}

/// The name of a loss and all its hyper-parameters by name, so that the manifest records every constant of the
/// objective.
public struct LossSummary: Sendable, Codable, Hashable {
    /// `"InfoNCE"`, `"ListNet"`, `"ListMLE"` or `"hybrid"`.
    public var name: String
    /// Hyper-parameters by name.
    public var parameters: [String: Double]
    /// Choices that are words, by name, such as ListNet's `"target"`.
    public var options: [String: String]
    /// The parts of a composed loss, by role.
    public var parts: [String: LossSummary]

    /// A summary of a loss.
    public init(
        name: String, parameters: [String: Double] = [:], options: [String: String] = [:],
        parts: [String: LossSummary] = [:]
    ) {
        self.name = name
        self.parameters = parameters
        self.options = options
        self.parts = parts
    }
}

import MafinNumerics

/// A training objective over one block of logits.
///
/// Logits are `z = score / τ`, one row a query, one column a candidate document; where the scores come from plays no part. See ``InfoNCE``, ``ListNet``, ``ListMLE`` and ``HybridLoss``.
public protocol Loss: Sendable {
    /// The loss of a block and its gradient with respect to the logits.
    ///
    /// The value is the mean over the rows that have a relevant column (0 where no row has one); rows without one have a
    /// zero gradient, as have masked columns. Rows are worked on in parallel. The result does not depend on the number of threads.
    /// - Parameters:
    ///   - logits: `(rows, columns)`, finite.
    ///   - labels: labels of the same rows; columns within `0..<logits.columns`.
    /// - Complexity: O(rows · columns).
    func evaluate(logits: Matrix, labels: BlockLabels) -> LossValue

    /// The loss by name with every hyper-parameter, as the artefact's manifest records it.
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

    /// `∂L/∂w = Σ (∂L/∂z) s` of the weight w with which scores `s` enter the logits: of `a` with the black box's scores, of
    /// `b` with the local ones, where `z = a s_bb + b s_θ`.
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

/// A loss by name, with every hyper-parameter by name: no constant of the objective stays outside the manifest.
public struct LossSummary: Sendable, Codable, Hashable {
    /// `"InfoNCE"`, `"ListNet"`, `"ListMLE"` or `"hybrid"`.
    public var name: String
    /// Hyper-parameters by name.
    public var parameters: [String: Double]
    /// Choices that are words, by name, such as ListNet's `"target"`.
    public var options: [String: String]
    /// The losses that a composed loss is made of, by role.
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

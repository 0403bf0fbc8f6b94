import MafinNumerics

/// A training objective over one block of logits.
///
/// Logits are `z = score / τ`, one row a query, one column a candidate document; the loss knows nothing of where the
/// score came from, and so nothing of text. See ``InfoNCE``, ``ListNet``, ``ListMLE`` and ``HybridLoss``.
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

/// What a ``Loss`` says about one block.
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

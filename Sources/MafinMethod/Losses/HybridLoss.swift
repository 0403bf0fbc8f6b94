/// `weight · listwise + (1 − weight) · contrastive`. The listwise part learns the order of the labels, the contrastive
/// part separates each positive from the documents without a label.
public struct HybridLoss: RowwiseLoss {
    /// The listwise part, ``ListNet`` or ``ListMLE``.
    public var listwise: any RowwiseLoss
    /// The contrastive part, ``InfoNCE``.
    public var contrastive: any RowwiseLoss
    /// α: the share of the listwise part, in 0…1.
    public var weight: Float

    /// A mixture of two losses.
    public init(listwise: any RowwiseLoss = ListNet(), contrastive: any RowwiseLoss = InfoNCE(), weight: Float = 0.5) {
        precondition((0...1).contains(weight), "the weight \(weight) of the listwise loss is not in 0…1")
        self.listwise = listwise
        self.contrastive = contrastive
        self.weight = weight
    }

    /// `hybrid` with `weight` and both parts.
    public var summary: LossSummary {
        LossSummary(
            name: "hybrid", parameters: ["weight": Double(weight)],
            parts: ["listwise": listwise.summary, "contrastive": contrastive.summary])
    }

    /// Whether one of the two parts needs it.
    public var needsNegativeLogitSum: Bool { listwise.needsNegativeLogitSum || contrastive.needsNegativeLogitSum }

    /// See ``RowwiseLoss/evaluate(row:gradient:)``.
    public func evaluate(row: LossRow, gradient: inout [Double]) -> RowTerms {
        let share = Double(weight)
        let list = listwise.evaluate(row: row, gradient: &gradient)
        var contrast = [Double](repeating: 0, count: gradient.count)
        let pairs = contrastive.evaluate(row: row, gradient: &contrast)
        for index in gradient.indices { gradient[index] = share * gradient[index] + (1 - share) * contrast[index] }
        return RowTerms(
            value: share * list.value + (1 - share) * pairs.value,
            negativeWeight: share * list.negativeWeight + (1 - share) * pairs.negativeWeight,
            negativeTarget: share * list.negativeTarget + (1 - share) * pairs.negativeTarget)
    }
}

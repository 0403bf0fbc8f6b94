/// Holm's step-down adjustment of p values for several tests (Holm 1979).
///
/// The i-th smallest of m values is multiplied by m − i + 1. The results are made monotone and limited to 1. If tests
/// are rejected whose adjusted value is at most α, the probability of any false rejection is at most α, for any
/// dependence between the tests.
/// - Returns: the adjusted values, in the order of `pValues`.
public func holmAdjusted(_ pValues: [Double]) -> [Double] {
    var adjusted = pValues
    var largest = 0.0
    for (rank, index) in pValues.indices.sorted(by: { pValues[$0] < pValues[$1] }).enumerated() {
        largest = max(largest, min(1, pValues[index] * Double(pValues.count - rank)))
        adjusted[index] = largest
    }
    return adjusted
}

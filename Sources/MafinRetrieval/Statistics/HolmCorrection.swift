/// Holm's step-down adjustment of p values for testing all of them at once (Holm 1979).
///
/// The i-th smallest of m is multiplied by m − i + 1, made monotone, and held at 1 or below. Rejecting where the adjusted
/// value is below α keeps the chance of any false rejection below α, whatever the dependence between the tests.
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

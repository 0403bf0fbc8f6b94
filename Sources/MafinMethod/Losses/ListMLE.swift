import Foundation

/// Negative log-likelihood, under the Plackett-Luce model, of the first k places of the ideal order (documents by
/// grade, best first).
///
/// `−(1/m) Σ_{i ≤ m} log( exp z_(i) / Σ_{j ranked at i or below} exp z_j )` with m = min(k, number of relevant
/// candidates). Source: Xia et al. 2008, "Listwise Approach to Learning to Rank: Theory and Algorithm"; the cut is that
/// of top-k ListMLE. The loss is the mean over the m places, not the sum, so that every query counts the same however
/// many labels it has. The order of candidates that are not relevant is unknown, so their places do not count.
///
/// Ties: candidates of equal grade share their places. The denominator of each of these places is the sum over the
/// whole group and everything below it, and each member has the same share of a place (Breslow's rule for tied events,
/// 1974). If the cut falls inside a group, the places above the cut are shared in the same way. The loss is smooth and
/// convex, and it does not depend on the order in which the labels are given. If all grades of a row are equal, it
/// equals ``ListNet`` with equal targets, whatever k is.
public struct ListMLE: RowwiseLoss, Hashable {
    /// k: how many places of the ideal order count; `nil`: all.
    public var cutoff: Int?

    /// The likelihood of the first `cutoff` places.
    public init(cutoff: Int? = nil) {
        if let cutoff { precondition(cutoff > 0, "cutoff \(cutoff) is not above zero") }
        self.cutoff = cutoff
    }

    /// `ListMLE` with `cutoff`, where there is one.
    public var summary: LossSummary {
        LossSummary(
            name: "ListMLE", parameters: cutoff.map { ["cutoff": Double($0)] } ?? [:],
            options: ["ties": "shared places"])
    }

    /// See ``RowwiseLoss/evaluate(row:gradient:)``.
    public func evaluate(row: LossRow, gradient: inout [Double]) -> RowTerms {
        let order = row.grades.indices.sorted { (row.grades[$1], $0) < (row.grades[$0], $1) }
        var groups: [Range<Int>] = []
        for position in order.indices {
            if let last = groups.last, row.grades[order[position]] == row.grades[order[last.lowerBound]] {
                groups[groups.count - 1] = last.lowerBound..<position + 1
            } else {
                groups.append(position..<position + 1)
            }
        }
        // log D_g: the log-sum-exp of group g and everything ranked below it.
        var denominators = [Double](repeating: row.negativeLogSumExp, count: groups.count)
        var below = row.negativeLogSumExp
        for (group, members) in groups.enumerated().reversed() {
            for position in members { below = logAddExp(below, row.logits[order[position]]) }
            denominators[group] = below
        }
        let places = min(cutoff ?? order.count, order.count)
        var value: Double = 0
        // Σ_{h ≤ g} w_h D_g / D_h, updated from group to group. D decreases, so no factor is above 1.
        var carried: Double = 0
        for (group, members) in groups.enumerated() {
            let counted = max(0, min(members.upperBound, places) - members.lowerBound)
            let weight = Double(counted) / Double(places)
            let target = weight / Double(members.count)
            if group > 0 { carried *= exp(denominators[group] - denominators[group - 1]) }
            carried += weight
            for position in members {
                let index = order[position]
                value += target * (denominators[group] - row.logits[index])
                gradient[index] = carried * exp(row.logits[index] - denominators[group]) - target
            }
        }
        let last = denominators[groups.count - 1]
        return RowTerms(value: value, negativeWeight: carried * exp(row.negativeLogSumExp - last))
    }
}

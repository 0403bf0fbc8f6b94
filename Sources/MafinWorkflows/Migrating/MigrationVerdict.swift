import MafinReport
import MafinRetrieval

/// What to do, by a rule that is stated before anything is measured.
///
/// A road *holds* if it is not worse than a full re-index at ``level``. Where the re-index was not measured, no road can
/// be held against it, and this condition is left out. A road *gains* if it is better than staying at ``level``. The
/// verdict is the cheapest road that holds and gains, and to stay if there is none. A tie of prices goes to the road that
/// needs fewer new documents, then to the better one.
///
/// If the old black box is going to end, staying is no choice. Then the cheapest road that holds is what is left, whether
/// it gains or not.
package struct MigrationVerdict: Sendable, Encodable {
    package enum Decision: String, Sendable, Codable {
        case bridge, stay
        case reindex = "re-index"
    }

    /// The verdict.
    package var decision: Decision
    /// The road that it means.
    package var road: MigrationRoad.Name
    /// The road to take if the old black box ends; nil if nothing was measured that could tell.
    package var ifOldEnds: MigrationRoad.Name?
    /// The reason, in a sentence or two with the figures.
    package var reason: String

    /// The level of both tests.
    package static let level = 0.05

    /// Decides.
    /// - Parameter roads: all roads, measured or not. The first is to stay.
    package init(of roads: [MigrationRoad]) {
        let others = roads.filter { $0.name != .stay && $0.value != nil }
        guard !others.isEmpty else {
            self.init(
                decision: .stay, road: .stay, ifOldEnds: nil,
                reason: "Without labels no road can be shown to be better than staying.")
            return
        }
        let reindex = others.first { $0.name == .reindex }
        let holding = others.filter { $0.name == .reindex || !($0.toReindex?.isWorse(at: Self.level) ?? false) }
            .sorted(by: Self.isCheaper)
        let gaining = holding.first { $0.toStaying?.isBetter(at: Self.level) ?? false }
        let chosen = gaining?.name ?? .stay
        var reason: String
        if let gaining, let difference = gaining.toStaying {
            reason = "\(gaining.name.rawValue) is better than staying: \(Self.text(difference))."
            if gaining.name.decision == .reindex {
                reason += " No cheaper road is as good and better than staying."
            } else if let difference = gaining.toReindex {
                reason += " It is not shown to be worse than a full re-index: \(Self.text(difference))."
            }
        } else {
            let best = others.max { ($0.value?.mean ?? 0) < ($1.value?.mean ?? 0) }
            reason = "No road is shown to be better than staying"
            if let best, let difference = best.toStaying {
                reason += "; the best, \(best.name.rawValue), differs by \(Self.text(difference))"
            }
            reason += "."
        }
        if reindex == nil { reason += " A full re-index was not measured: --buy-everything measures it." }
        self.init(
            decision: chosen.decision, road: chosen, ifOldEnds: reindex == nil ? nil : holding.first?.name,
            reason: reason)
    }

    private init(decision: Decision, road: MigrationRoad.Name, ifOldEnds: MigrationRoad.Name?, reason: String) {
        (self.decision, self.road, self.ifOldEnds, self.reason) = (decision, road, ifOldEnds, reason)
    }

    private static func isCheaper(_ a: MigrationRoad, _ b: MigrationRoad) -> Bool {
        // An unknown price is the same for every text, so the number of texts decides.
        let (costA, costB) = (a.price?.cost ?? 0, b.price?.cost ?? 0)
        if costA != costB { return costA < costB }
        if a.newDocuments != b.newDocuments { return a.newDocuments < b.newDocuments }
        return (a.value?.mean ?? 0) > (b.value?.mean ?? 0)
    }

    private static func text(_ difference: PairedDifference) -> String {
        "\(Number.signed(difference.mean)) nDCG@10 (95 % interval \(Number.signed(difference.low)) to "
            + "\(Number.signed(difference.high)), \(Number.probabilityInWords(difference.p)))"
    }
}

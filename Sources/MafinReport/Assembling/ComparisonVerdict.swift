import MafinComparison
import MafinPipeline
import MafinRetrieval

/// The answer of a comparison: decided on the measured split between systems that were picked on dev.
///
/// Two questions are asked of the trained artefact, and where it fails of the artefact beside BM25, which the service offers too: is it better than
/// the black box (p of the table, Holm over all systems), and is it better than the best that needs no trained encoder (Holm over all that are
/// asked about)? Yes twice: ship. Not above the black box at all, or shown to be worse than that rival: do not ship. Else these queries
/// cannot tell. What is built on the artefact and cannot be served is asked the same, and spoken of in a note: no command ships it.
struct ComparisonVerdict {
    let decision: Verdict.Decision
    /// The system that the answer is about.
    let system: String
    /// The figures against the black box and against the best rival.
    let reason: String
    /// What else follows.
    let notes: [String]
    /// Whether ``system`` is served with BM25 beside it.
    var usesBM25: Bool { system.hasSuffix(Self.lexicalSuffix) }

    private static let lexicalSuffix = "+bm25"

    private static let level = 0.05

    /// A difference that was tested.
    private struct Tested {
        var values: [Double]
        var interval: PairedBootstrap.Interval
        var p: Double

        init(_ values: [Double]) {
            self.values = values
            interval = PairedBootstrap().interval(of: values)
            p = PairedRandomizationTest().pValue(of: values)
        }

        var isBetter: Bool { p < level && interval.mean > 0 }
        var isWorse: Bool { p < level && interval.mean < 0 }
    }

    /// - Parameters:
    ///   - result: what was measured.
    ///   - report: all systems against the black box.
    ///   - metric: the one that decides.
    /// - Returns: `nil` where no encoder was trained.
    init?(_ result: ComparisonOutcome, _ report: EvaluationReport, metric: Metric) {
        let all = result.systems
        func evaluation(_ name: String) -> RunEvaluation? { all.first { $0.name == name }?.evaluation }
        func best(_ kinds: Set<ComparedSystem.Kind>, and name: String? = nil) -> String? {
            all.filter { $0.name == name || ComparedSystem.named($0.name).map { kinds.contains($0.kind) } ?? false }
                .max { $0.development < $1.development }?.name
        }
        guard let artefact = result.chosen?.name, evaluation(artefact) != nil,
            let composed = best([.derived], and: artefact),
            let rival = best([.baseline, .lexical, .released, .rival, .adapter])
        else { return nil }
        let fused = best([], and: artefact + Self.lexicalSuffix)
        func difference(_ name: String, to other: String) -> Tested? {
            guard let mine = evaluation(name), let theirs = evaluation(other) else { return nil }
            return Tested(mine.differences(from: theirs, in: metric))
        }
        func againstBaseline(_ name: String) -> MetricDifference? {
            report.systems.first { $0.name == name }?.difference?[metric]
        }

        let servable = [artefact] + [fused].compactMap(\.self)
        let candidates = servable.contains(composed) ? servable : servable + [composed]
        var againstRival: [String: Tested] = [:]
        if rival != report.baseline {
            let tested = candidates.map { difference($0, to: rival) }
            let adjusted = holmAdjusted(tested.map { $0?.p ?? 1 })
            for (index, name) in candidates.enumerated() {
                againstRival[name] = tested[index]
                againstRival[name]?.p = adjusted[index]
            }
        }
        func passes(_ name: String) -> Bool {
            guard let difference = againstBaseline(name), difference.pHolm < Self.level, difference.mean > 0 else {
                return false
            }
            return rival == report.baseline || againstRival[name]?.isBetter == true
        }
        let subject = servable.first(where: passes) ?? (servable.contains(composed) ? composed : artefact)
        guard let base = againstBaseline(subject) else { return nil }
        let rest = againstRival[subject]
        if passes(subject) {
            decision = .ship
        } else if base.mean <= 0 || rest?.isWorse == true {
            decision = .doNotShip
        } else {
            decision = .cannotTell
        }
        system = subject

        func value(_ name: String) -> String { Number.mean(evaluation(name)?.means[metric]) }
        func title(_ name: String) -> String { SystemTitles.title(name) }
        func p(_ value: Double) -> String { value < 0.001 ? "p < .001" : "p = \(Number.mean(value))" }
        func figures(_ mean: Double, _ low: Double, _ high: Double, _ probability: Double) -> String {
            "\(signed(mean)) (95 % interval \(signed(low)) to \(signed(high)), \(p(probability)))"
        }
        func figures(_ tested: Tested) -> String {
            figures(tested.interval.mean, tested.interval.low, tested.interval.high, tested.p)
        }
        var sentences = [
            "On \(Number.count(report.queries)) \(report.split) queries \(title(subject)) reaches \(value(subject)) \(metric), the black box "
                + "\(value(report.baseline)): \(figures(base.mean, base.low, base.high, base.pHolm)), corrected for "
                + "\(report.systems.count - 1) systems."
        ]
        if let rest {
            let words =
                rest.isBetter ? "is better by" : rest.isWorse ? "is worse by" : "is not shown to differ from that:"
            sentences.append(
                "The best on dev that trains no encoder, \(title(rival)), reaches \(value(rival)); \(title(subject)) \(words) \(figures(rest))."
            )
        } else {
            sentences.append("Nothing that trains no encoder did better on dev than the black box alone.")
        }
        reason = sentences.joined(separator: " ")

        var notes: [String] = []
        if subject != artefact {
            let choices = result.rows.first { $0.name == subject }?.choices
            notes.append(
                "The artefact by itself, \(title(artefact)), reaches \(value(artefact)): costs are those of the artefact. A search asks for BM25 "
                    + "with \"bm25\": \(choices?["weight"]?.text ?? "its weight")\(choices?["normalization"]?.text == "min-max" ? "" : "; the service brings scores to one scale by min-max, which may move the figure a little")."
            )
        }
        if composed != subject, let more = difference(composed, to: subject) {
            notes.append(
                "What is built on it, \(title(composed)), reaches \(value(composed)): \(figures(more)) over it"
                    + (passes(composed)
                        ? ", and it is better than the black box and the best without an encoder. " : ". ")
                    + (servable.contains(composed)
                        ? "" : "It exists in this comparison alone (its rankings are in runs/): no command serves it."))
        }
        if let chosen = result.chosen?.contender, chosen != .tunedAlone,
            let joint = difference(artefact, to: "tuned-alone-mixed")
        {
            notes.append(
                "Joint training’s own share, over the same encoder tuned alone and mixed afterwards: \(figures(joint))."
            )
        }
        if decision == .cannotTell {
            let open = rest.map(\.values) ?? difference(subject, to: report.baseline)?.values ?? []
            let mean = open.isEmpty ? 0 : open.reduce(0, +) / Double(open.count)
            if mean > 0, open.count > 1 {
                let needed = MinimumDetectableDifference(differences: open).queriesNeeded(for: mean)
                notes.append(
                    "A difference of that size would be shown by about \(Number.count(needed)) labelled \(report.split) queries."
                )
            }
        }
        self.notes = notes
    }
}

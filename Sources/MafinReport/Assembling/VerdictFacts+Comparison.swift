import MafinComparison
import MafinPipeline
import MafinRetrieval

extension VerdictFacts {
    /// A comparison's verdict in words.
    /// - Parameter queries: number of queries of the split.
    init(_ verdict: ComparisonVerdict, _ outcome: ComparisonOutcome, split: String, queries: Int, metric: Metric) {
        let means = Dictionary(
            outcome.systems.map { ($0.name, $0.evaluation.mean.means[metric]) }, uniquingKeysWith: { first, _ in first }
        )
        func value(_ name: String) -> String { Number.mean(means[name] ?? nil) }
        let title = SystemTitles.title
        let candidate = title(verdict.candidate)
        var sentences = [
            "On \(Number.count(queries)) \(split) queries, \(candidate) reaches \(value(verdict.candidate)) \(metric) and the black box "
                + "\(value(verdict.primary.other)): a difference of \(Self.figures(verdict.primary.difference))."
        ]
        if let second = verdict.secondary {
            let rival = "\(title(second.other)), the best on dev that trains no encoder (\(value(second.other)))"
            let level = ComparisonVerdict.level
            let finding =
                second.difference.isBetter(at: level)
                ? "is better than \(rival)"
                : second.difference.isWorse(at: level)
                    ? "is worse than \(rival)" : "could not be shown to differ from \(rival)"
            sentences.append("\(candidate) \(finding): \(Self.figures(second.difference)).")
        } else {
            sentences.append("No system without a trained encoder was better on dev than the black box alone.")
        }
        self.init(
            decision: verdict.decision, system: verdict.candidate, reason: sentences.joined(separator: " "),
            notes: Self.notes(verdict, outcome, value: value, split: split), againstBlackBox: verdict.primary,
            againstBestWithoutEncoder: verdict.secondary)
    }

    private static func notes(
        _ verdict: ComparisonVerdict, _ outcome: ComparisonOutcome, value: (String) -> String, split: String
    ) -> [String] {
        let title = SystemTitles.title
        let tests = [verdict.primary, verdict.secondary].compactMap(\.self)
        let fixed =
            (tests.count > 1
                ? "These two tests were fixed before \(split) was measured; shipping takes both, so their"
                : "This test was fixed before \(split) was measured, so its")
            + " p is not corrected for the other systems in the table. "
            + (tests.contains(where: \.difference.includesSeeds)
                ? "Intervals and p include the variance between seeds."
                : "The method was trained with one seed: the variance between seeds is not included.")
        let choices = outcome.rows.first { $0.name == verdict.candidate }?.choices ?? [:]
        let withoutBM25 =
            "Without BM25 the artefact, \(title(verdict.artefact)), reaches \(value(verdict.artefact)). A search request turns BM25 on with "
            + "\"bm25\": \(choices["weight"]?.text ?? "its weight")."
            + (choices["normalization"]?.text == "min-max"
                ? ""
                : " The service scales scores by min-max; this comparison chose another scale, so served figures may differ a little.")
        let notes: [String?] = [
            fixed, verdict.usesBM25 ? withoutBM25 : nil,
            verdict.builtOnArtefact.map {
                "\(title($0.system)), which is built on the artefact, was better on dev. On \(split) it reaches \(value($0.system)), a "
                    + "difference of \(figures($0.difference)) to \(title($0.other)). No command serves it; its rankings are in runs/."
            },
            verdict.jointTraining.map {
                "Joint training differs from tuning the same encoder alone and mixing it in afterwards by \(figures($0.difference))."
            },
            verdict.queriesNeeded.map {
                "About \(Number.count($0)) labelled \(split) queries would be needed to show a difference of this size."
            },
        ]
        return notes.compactMap(\.self)
    }

    /// `+.031 (95 % interval +.010 to +.052, p = .004)`.
    private static func figures(_ difference: PairedDifference) -> String {
        "\(signed(difference.mean)) (95 % interval \(signed(difference.low)) to \(signed(difference.high)), "
            + "p \(ReportPage.probability(difference.p)))"
    }
}

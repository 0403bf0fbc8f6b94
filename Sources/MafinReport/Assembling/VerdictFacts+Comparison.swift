import MafinComparison
import MafinPipeline
import MafinRetrieval

extension VerdictFacts {
    /// A comparison's verdict in words.
    /// - Parameters:
    ///   - queries: number of queries of the split.
    ///   - chosen: the artefact's own figures.
    ///   - costs: what the artefact costs; `nil` if it was not measured.
    init(
        _ verdict: ComparisonVerdict, _ outcome: ComparisonOutcome, split: String, queries: Int, metric: Metric,
        chosen: ChosenFacts? = nil, costs: CostFacts? = nil
    ) {
        let means = Dictionary(
            outcome.systems.map { ($0.name, $0.evaluation.mean.means[metric]) }, uniquingKeysWith: { first, _ in first }
        )
        func value(_ name: String) -> String { Number.mean(means[name] ?? nil) }
        let sentences: [String?] = [
            "On \(Number.count(queries)) \(split) queries, \(SystemTitles.title(verdict.candidate)) reaches \(value(verdict.candidate)) \(metric) "
                + "and the black box \(value(verdict.primary.other)): a difference of \(Self.figures(verdict.primary.difference)).",
            Self.gains(known: verdict.known, new: verdict.new), Self.cost(verdict.cost, costs),
        ]
        self.init(
            decision: verdict.decision, system: verdict.candidate,
            reason: sentences.compactMap(\.self).joined(separator: " "),
            notes: Self.notes(verdict, split: split, metric: metric, chosen: chosen),
            againstBlackBox: verdict.primary, known: verdict.known, new: verdict.new, encoder: verdict.secondary,
            costs: costs)
    }

    /// The gains on known and on new documents.
    /// - Parameter subject: names the difference that is divided into both.
    static func gains(known: ComparisonVerdict.Gain?, new: ComparisonVerdict.Gain?, of subject: String = "It")
        -> String?
    {
        func gain(_ gain: ComparisonVerdict.Gain, _ documents: String) -> String {
            "\(figures(gain.difference)) for \(Number.count(gain.queries)) queries about \(documents) documents"
        }
        return switch (known, new) {
        case (let known?, let new?): "\(subject) is \(gain(known, "known")), and \(gain(new, "new"))."
        case (let known?, nil):
            "\(subject) is \(gain(known, "known")). There are too few about new documents to tell what it is there."
        case (nil, let new?):
            "\(subject) is \(gain(new, "new")). There are too few about known documents to tell what it is there."
        case (nil, nil): nil
        }
    }

    /// What a query costs.
    private static func cost(_ cost: ComparisonVerdict.QueryCost, _ costs: CostFacts?) -> String {
        let time = costs?.queryMilliseconds.map {
            ": \(Number.milliseconds($0)) of computing" + (cost.asksBlackBox ? " beside the call to the API" : "")
        }
        return "A query needs \(cost.needs)\(time ?? "")."
    }

    private static func notes(
        _ verdict: ComparisonVerdict, split: String, metric: Metric, chosen: ChosenFacts?
    ) -> [String] {
        let title = SystemTitles.title
        let includesSeeds = verdict.primary.difference.includesSeeds
        let seeds =
            includesSeeds
            ? " Intervals and p include the variance between seeds."
            : verdict.cost.encodesLocally
                ? " The encoder was trained with one seed: the variance between seeds is not included." : ""
        let encoder = verdict.secondary.map { test in
            verdict.cost.encodesLocally
                ? "The trained encoder adds \(figures(test.difference)): the difference to \(title(test.other)), the best on dev without one."
                : "\(title(test.system)), the best on dev with a trained encoder, was not better there beyond chance. On \(split) it differs from "
                    + "\(title(test.other)) by \(figures(test.difference))."
        }
        let notes: [String?] = [
            "This test was fixed before \(split) was measured, so its p is not corrected for the other systems in the table.\(seeds)",
            includesSeeds
                ? chosen.map {
                    "The artefact is that of seed \($0.seed), the best on dev. It reaches \(Number.mean($0.all.metrics[metric]))."
                } : nil,
            verdict.tooFewNewSets.map {
                let reason = Verdict.fewSets($0)
                return reason.prefix(1).uppercased() + reason.dropFirst()
            },
            verdict.new.flatMap {
                $0.queries < fewQueries
                    ? "\(Number.count($0.queries)) queries about new documents are too few to predict the gain on documents that are added later."
                    : nil
            },
            encoder,
            verdict.jointTraining.map {
                "Joint training differs from tuning the same encoder alone and mixing it in afterwards by \(figures($0.difference))."
            },
            verdict.queriesNeeded.map {
                "About \(Number.count($0)) labelled \(split) queries would be needed to show a difference of this size."
            },
        ]
        return notes.compactMap(\.self)
    }

    /// With fewer queries an interval is too wide to predict anything.
    private static let fewQueries = 30

    /// `+.031 (95 % interval +.010 to +.052, p = .004)`.
    static func figures(_ difference: PairedDifference) -> String {
        "\(signed(difference.mean)) (95 % interval \(signed(difference.low)) to \(signed(difference.high)), "
            + "\(Number.probabilityInWords(difference.p)))"
    }
}

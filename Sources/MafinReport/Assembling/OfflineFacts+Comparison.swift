import Foundation
import MafinComparison
import MafinMethod
import MafinPipeline
import MafinRetrieval

extension OfflineFacts {
    /// What was measured without the black box's query vectors.
    /// - Parameters:
    ///   - shipped: the figures of the artefact's own sum.
    ///   - price: of a million tokens; `nil` if it is not known.
    ///   - milliseconds: of a whole query; `nil` if the artefact does not hold this sum.
    init(
        _ offline: ComparisonVerdict.Offline, _ outcome: ComparisonOutcome, split: String, metric: Metric,
        shipped: ChosenFacts?, milliseconds: Double?, tokensPerQuery: Double?, price: Double?
    ) {
        self.init(
            system: offline.system, reason: "", againstBlackBox: offline.againstBlackBox,
            againstChosen: offline.againstCandidate, known: offline.known, new: offline.new, query: offline.cost,
            shipped: shipped, milliseconds: milliseconds, tokensPerQuery: tokensPerQuery,
            savedPerThousandQueries: price.flatMap { price in tokensPerQuery.map { price * $0 / 1_000 } },
            curve: outcome.askingCurve(metric: metric))
        let mean = outcome.systems.first { $0.name == offline.system }?.evaluation.mean.means[metric]
        reason = [lost(mean, metric), gains, saved, partlyAsked(split)].compactMap(\.self).joined(separator: " ")
    }

    private func lost(_ mean: Double?, _ metric: Metric) -> String {
        let chosen = againstChosen.map {
            "\(VerdictFacts.figures($0.difference)) to \(SystemTitles.title($0.other)), and of "
        }
        return
            "Without asking the API, \(SystemTitles.title(system)) reaches \(Number.mean(mean)) \(metric): a difference of "
            + "\(chosen ?? "")\(VerdictFacts.figures(againstBlackBox.difference)) to the black box."
    }

    private var gains: String? { VerdictFacts.gains(known: known, new: new, of: "The last") }

    private var saved: String {
        let time = milliseconds.map { ": \(Number.milliseconds($0)) in all" } ?? ""
        let money =
            savedPerThousandQueries.map {
                "\(String(format: "%.2g", $0)) for a thousand queries at the given price (\(Number.decimal(tokensPerQuery ?? 0, 1)) tokens each, "
                    + "by the local encoder’s tokenizer)"
            } ?? "its price, which was not given (--price)"
        return
            "A query then needs \(query.needs)\(time). It saves the API’s own time, which was not measured, and \(money)."
    }

    private func partlyAsked(_ split: String) -> String? {
        curve.flatMap { curve in
            curve.recommended.map { point in
                "If the API is asked for the queries of which it is not sure (threshold \(Number.threshold(point.development.threshold)), chosen on "
                    + "dev), \(Number.percent(point.asked)) of the \(split) queries are asked and \(curve.metric) is \(Number.mean(point.metric))."
            }
        }
    }
}

import Foundation
import MafinBlackBox
import MafinComparison
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinReport
import MafinRetrieval

/// The output of a comparison before it trains: the data, texts that are both in training and in the measured split, the smallest gain that
/// these queries could show, and the plan.
struct ComparisonPrelude {
    private let split: String
    private let collection: RetrievalCollection
    private let context: WorkflowContext

    init(_ split: String, _ collection: RetrievalCollection, _ context: WorkflowContext) {
        (self.split, self.collection, self.context) = (split, collection, context)
    }

    /// Documents, queries and labels of each split.
    func describe(_ splits: [(name: String, qrels: Qrels)]) {
        context.note("\(collection.documents.count) documents, \(collection.queries.count) queries")
        for (name, qrels) in splits {
            let judged = qrels.queryIds.filter(qrels.hasRelevantDocument)
            let relevant = judged.reduce(0) { $0 + qrels.relevantDocuments(of: $1).count }
            context.note(
                "  \(name): \(judged.count) queries, \(qrels.pairCount) labels, "
                    + String(format: "%.1f relevant documents a query", Double(relevant) / Double(max(1, judged.count)))
            )
        }
    }

    /// Number of pairs that are listed on standard error.
    private static let shownPairs = 20

    /// Lists texts that are the same, or nearly, in training and in the measured split.
    func list(_ leaks: LeakReport) {
        let lines =
            leaks.queries.map { pair in
                "\(pair.learned.id) and \(pair.measured.id)"
                    + (pair.isEqual ? ", equal" : String(format: ", %.0f %% alike", pair.similarity * 100))
                    + ": \(LeakGuard.short(pair.measured.text))"
            }
            + leaks.documents.map { pair in
                String(
                    format: "documents %@ and %@, %.0f %% alike", pair.learned.id, pair.measured.id,
                    pair.similarity * 100)
            }
        guard !lines.isEmpty else { return }
        context.note(
            "nearly the same text in training and in \(split); the report also measures without these queries:")
        for line in lines.prefix(Self.shownPairs) { context.note("  " + line) }
        if lines.count > Self.shownPairs { context.note("  … and \(lines.count - Self.shownPairs) more") }
    }

    /// The smallest gain that the measured queries could show, from the black box's values on dev.
    func detectable(
        _ vectors: BlackBoxVectors, _ dev: Qrels, _ measured: Qrels, _ plan: ComparisonPlan
    ) throws -> MinimumDetectableDifference {
        let queries = measured.queryIds.count(where: measured.hasRelevantDocument)
        let values = try vectors.evaluation(on: dev, of: collection, metrics: [plan.metric]).values[plan.metric] ?? []
        guard values.count >= 2, queries >= 2 else {
            throw WorkflowError.tooFewQueries(dev: values.count, split: split, measured: queries)
        }
        // The verdict's tests are not corrected for the number of systems in the table.
        let detectable = MinimumDetectableDifference(baseline: values, queries: queries)
        context.note(
            String(
                format:
                    "the smallest gain that %d %@ queries would show with a probability of 80 %%: %.3f %@ (assuming that differences between two "
                    + "systems have a standard deviation of %.3f, from the black box's values on dev and a correlation of %.1f between systems)",
                queries, split, detectable.difference, "\(plan.metric)", detectable.standardDeviation,
                MinimumDetectableDifference.usualCorrelation))
        return detectable
    }

    /// Tells what may be trained, for how long, and for which share of new documents choices are made.
    func announce(_ plan: ComparisonPlan, _ training: CollectionTraining) {
        let share = plan.request.newDocuments ?? RivalData.newDocuments(of: training)
        let isDated = RivalData.newDocuments(training.data.index, datedBy: training.queries.map(\.date)) != nil
        context.note(
            String(
                format: "weights and choices are for %.0f %% of queries about documents that no label names%@",
                share * 100,
                plan.request.newDocuments != nil
                    ? "" : isDated ? ", by the dates of the queries (--new-documents)" : " (--new-documents)"))
        guard !plan.contenders.isEmpty else { return }
        context.note(
            "encoders, as far as there is time: \(plan.contenders.map(\.rawValue).joined(separator: ", ")); "
                + "\(plan.seeds.count) \(plan.seeds.count == 1 ? "seed" : "seeds"), the best method first")
        context.note("mode \(training.choice.mode.rawValue): \(training.choice.reason)")
    }
}

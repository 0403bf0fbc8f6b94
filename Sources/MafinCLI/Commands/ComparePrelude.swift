import Foundation
import MafinBlackBox
import MafinComparison
import MafinMethod
import MafinPipeline
import MafinReport
import MafinRetrieval

/// What `mafin compare` says before it trains: the data, texts on both sides, what these queries could show, and what will be done.
struct ComparePrelude {
    private let command: CompareCommand
    private let collection: RetrievalCollection
    private var shared: SharedOptions { command.shared }

    init(_ command: CompareCommand, _ collection: RetrievalCollection) {
        self.command = command
        self.collection = collection
    }

    /// Documents, queries and labels of each split.
    func describe(_ splits: [(name: String, qrels: Qrels)]) {
        shared.note("\(collection.documents.count) documents, \(collection.queries.count) queries")
        for (name, qrels) in splits {
            let judged = qrels.queryIds.filter(qrels.hasRelevantDocument)
            let relevant = judged.reduce(0) { $0 + qrels.relevantDocuments(of: $1).count }
            shared.note(
                "  \(name): \(judged.count) queries, \(qrels.pairCount) labels, "
                    + String(format: "%.1f relevant documents a query", Double(relevant) / Double(max(1, judged.count)))
            )
        }
    }

    /// Pairs that are listed on standard error.
    private static let shownPairs = 20

    /// Lists texts that stand on both sides.
    /// - Throws: ``LeakRefusal`` for queries on both sides, unless they are allowed.
    func guardAgainst(_ leaks: LeakCheck) throws {
        let pairs = leaks.queries.pairs
        let lines =
            pairs.map { pair in
                "\(pair.learned.id) and \(pair.measured.id)"
                    + (pair.isEqual ? ", equal" : String(format: ", %.0f %% alike", pair.similarity * 100))
                    + ": \(Self.short(pair.measured.text))"
            }
            + leaks.documents.map { finding in
                String(
                    format: "documents %@ and %@, %.0f %% alike", finding.trainingId, finding.testId,
                    finding.similarity * 100)
            }
        if !lines.isEmpty {
            shared.note("the same text in training and in \(command.split):")
            for line in lines.prefix(Self.shownPairs) { shared.note("  " + line) }
            if lines.count > Self.shownPairs { shared.note("  … and \(lines.count - Self.shownPairs) more") }
        }
        guard !pairs.isEmpty else { return }
        if command.allowLeak {
            shared.warn(
                "\(leaks.queries.affectedQueries.count) of \(leaks.queries.measuredQueries) queries of \(command.split) stand in train or dev too"
            )
        } else {
            do {
                try leaks.queries.requireNone()
            } catch {
                throw LeakRefusal(reason: "\(error)")
            }
        }
    }

    private static func short(_ text: String) -> String { text.count > 60 ? text.prefix(59) + "…" : text }

    /// The smallest gain that the measured queries could show, from the black box's values on dev.
    func detectable(
        _ vectors: BlackBoxVectors, _ dev: Qrels, _ measured: Qrels, _ plan: ComparisonPlan
    ) throws -> MinimumDetectableDifference {
        let queries = measured.queryIds.count(where: measured.hasRelevantDocument)
        let values = try vectors.evaluation(on: dev, of: collection, metrics: [plan.metric]).values[plan.metric] ?? []
        guard values.count >= 2, queries >= 2 else {
            throw TooFewQueries(dev: values.count, split: command.split, measured: queries)
        }
        func smallest(_ comparisons: Int) -> MinimumDetectableDifference {
            MinimumDetectableDifference(baseline: values, queries: queries, comparisons: comparisons)
        }
        let systems = max(1, ComparedSystem.all.count { plan.wants($0.name) && $0.kind != .baseline })
        let detectable = smallest(systems)
        shared.note(
            String(
                format:
                    "the smallest gain that %d %@ queries would show with a chance of 80 %%: %.3f %@ for one system, %.3f for one of %d "
                    + "(if differences between two systems spread by %.3f: the black box's values on dev, correlated by %.1f with the other's)",
                queries, command.split, smallest(1).difference, "\(plan.metric)", detectable.difference, systems,
                detectable.standardDeviation, MinimumDetectableDifference.usualCorrelation))
        return detectable
    }

    /// What will be trained, for how long, and what not.
    func announce(_ plan: ComparisonPlan, _ training: CollectionTraining) {
        guard !plan.contenders.isEmpty else { return }
        let names = plan.contenders.map(\.rawValue).joined(separator: ", ")
        shared.note(
            "\(plan.contenders.count) methods × \(plan.seeds.count) \(plan.seeds.count == 1 ? "seed" : "seeds"), each about "
                + "\(Duration.seconds(plan.secondsEach).shortText): \(names)")
        shared.note("mode \(training.choice.mode.rawValue): \(training.choice.reason)")
    }
}

/// Queries on both sides of the split.
struct LeakRefusal: CommandStatusProviding, CustomStringConvertible {
    var reason: String

    var commandStatus: CommandStatus { .data }
    var description: String { "\(reason); take them out of one side, or measure all the same with --allow-leak" }
}

/// Splits from which no spread can be told.
struct TooFewQueries: CommandStatusProviding, CustomStringConvertible {
    var dev: Int
    var split: String
    var measured: Int

    var commandStatus: CommandStatus { .data }
    var description: String {
        "a comparison needs two queries with a relevant document in dev and in \(split); there are \(dev) and \(measured)"
    }
}

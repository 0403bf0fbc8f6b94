import ArgumentParser
import Foundation
import Mafin
import MafinBlackBox
import MafinRetrieval

/// How sums of sources are best weighted: likelihood with several settings, min-max fusion and step-wise selection, all without a trained
/// encoder. Prints a Markdown table of test figures.
struct WeightsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "weights")

    @OptionGroup var collection: CollectionOptions
    @Flag(help: "Also try settings other than the defaults.") var settings = false
    @Option(help: "The shares of new documents to fit for, separated by commas.") var newDocuments = "0.25"

    func run() async throws {
        let (training, splits) = try await collection.training(CollectionTraining.Settings())
        let test = try splits.qrels(.test)
        let parts = try CollectionOptions.parts(of: test, splits)
        let metric = Metric.nDCG(cutoff: 10)
        let (blackBox, words) = collection.frozen(training)
        let shares = newDocuments.split(separator: ",").compactMap { Double($0) }
        let data = try RivalData(training, metric: metric, newDocuments: shares.first ?? 0.25)
        let lexical = try SourceSystem(words, queries: data.queries, documents: data.documents)
        let memories: [any RememberingSource] = RememberedQueries.standard + [RememberedByMoving()]
        var rivals: [(name: String, rival: any Rival)] = [
            ("API", UntunedRival(training.blackBoxSystem, name: "black-box")),
            (
                "API + BM25, min-max or z-score, chosen on dev",
                ConvexFusion(("black-box", training.blackBoxSystem), ("bm25", lexical), name: "convex")
            ), ("API + BM25, likelihood", SourceFit([blackBox, words], name: "sum")),
            ("all, step-wise", BestComposition(training.blackBoxSystem, others: [("bm25", lexical)])),
            ("all, likelihood", SourceFit([blackBox, words], remembering: memories, name: "sum")),
        ]
        if settings {
            func changed(
                _ name: String, _ memories: [any RememberingSource], _ change: (inout SourceFit) -> Void = { _ in }
            ) {
                var fit = SourceFit([blackBox, words], remembering: memories, name: "sum")
                change(&fit)
                rivals.append((name, fit))
            }
            changed("all, no adjustment to the metric", memories) { $0.adjustsToMetric = false }
            for errors in [0.0, 1] {
                changed("all, \(errors) standard errors", memories) { $0.standardErrors = errors }
            }
            changed("all, no guard of new documents", memories) { $0.level = 0 }
            changed("all, guard without margin", memories) { $0.margin = 0 }
            changed("all without moved documents", RememberedQueries.standard)
            changed("all without memories of queries", [RememberedByMoving()])
        }
        for share in shares.dropFirst() {
            let other = try RivalData(training, metric: metric, newDocuments: share)
            rivals.append(
                (
                    "all, likelihood, ρ = \(share)",
                    Fixed(SourceFit([blackBox, words], remembering: memories, name: "sum"), data: other)
                ))
        }
        print(
            "| | dev | all | known | new | p against API + BM25, likelihood | seconds |\n|---|---|---|---|---|---|---|")
        var reference: [Double]?
        for (name, rival) in rivals {
            let begin = ContinuousClock.now
            let fitted = try rival.fit(to: data)
            let seconds = (ContinuousClock.now - begin) / .seconds(1)
            let values = try training.evaluate(fitted.system, on: test, metrics: [metric]).values[metric] ?? []
            if name == "API + BM25, likelihood" { reference = values }
            func mean(_ part: String) -> String {
                guard let rows = parts[part], !rows.isEmpty else { return "" }
                return String(format: "%.4f", rows.reduce(0) { $0 + values[$1] } / Double(rows.count))
            }
            let p = reference.map {
                String(format: "%.3f", PairedRandomizationTest().pValue(of: zip(values, $0).map { $0 - $1 }))
            }
            print(
                "| \(name) | \(String(format: "%.4f", fitted.development)) | \(mean("all")) | \(mean("known")) "
                    + "| \(mean("new")) | \(p ?? "") | \(String(format: "%.1f", seconds)) |")
            let choices = fitted.choices.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.text)" }
            log("\(name): \(choices.joined(separator: "; "))")
        }
    }
}

/// A rival that is fitted to data of its own.
private struct Fixed: Rival {
    let rival: any Rival
    let data: RivalData
    var name: String { rival.name }

    init(_ rival: any Rival, data: RivalData) { (self.rival, self.data) = (rival, data) }

    func fit(to _: RivalData, seed: UInt64, isCancelled: () -> Bool) throws -> FittedRival {
        try rival.fit(to: data, seed: seed, isCancelled: isCancelled)
    }
}

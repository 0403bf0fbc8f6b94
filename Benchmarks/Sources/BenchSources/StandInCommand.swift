import ArgumentParser
import Foundation
import Mafin
import MafinBlackBox
import MafinRetrieval

/// What is a stand-in worth? Trains one for each seed with the given settings, fits all sums that need no answer of the
/// black box, and prints their metrics on test as JSON.
struct StandInCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "stand-in")

    @OptionGroup var collection: CollectionOptions
    @Option(help: "Seconds of training.") var seconds = 120.0
    @Option(help: "Trainings.") var seeds = 1
    @Option(help: "The share of the time that distillation alone has.") var distillationShare =
        StandInTraining.Settings().distillationShare
    @Option(help: "The weight of the black box's vectors beside labels.") var distillation = StandInTraining.Settings()
        .distillation
    @Option(help: "Peak learning rate.") var learningRate = StandInTraining.Settings().learningRate
    @Option(help: "The heads' learning rate divided by it.") var headRate = StandInTraining.Settings().headRate
    @Option(help: "Tokens of documents in distillation.") var documentTokens = StandInTraining.Settings().documentTokens
    @Flag(help: "Reads no labels.") var noLabels = false
    @Flag(help: "The local encoder itself, and not the stand-in, encodes the queries for the local part.")
    var noLocalHead = false
    @Option(
        help:
            "Seconds of training a local encoder beside the black box, for sums of the stand-in and that encoder; 0: the released one."
    ) var mafinSeconds = 0.0
    @Flag(help: "Trains that encoder beside the stand-in instead.") var besideStandIn = false
    @Flag(help: "Without the sums with BM25 and memories.") var denseOnly = false

    func run() async throws {
        var training = CollectionTraining.Settings()
        training.mode = .query
        let (collectionTraining, splits) = try await collection.training(training)
        let rivals = try RivalData(collectionTraining, metric: .nDCG(cutoff: 10))
        let test = try splits.qrels(.test)
        let (blackBox, words) = collection.frozen(collectionTraining)
        var figures: [String: [[String: Double]]] = [:]
        let metrics: [Metric] = [.nDCG(cutoff: 10), .recall(cutoff: 100)]
        func measure(_ name: String, _ fitted: FittedRival) throws {
            let values = try collectionTraining.evaluate(fitted.system, on: test, metrics: metrics).values
            var row = ["dev": fitted.development]
            for metric in metrics {
                let own = values[metric] ?? []
                row["\(metric)"] = own.reduce(0, +) / Double(max(1, own.count))
            }
            figures[name, default: []].append(row)
            log(
                "  \(name): "
                    + row.sorted { $0.key < $1.key }.map { "\($0.key) \(String(format: "%.4f", $0.value))" }.joined(
                        separator: ", "))
        }
        let box = SourceFit([blackBox], name: "black-box")
        try measure("black-box", box.fit(to: rivals))
        for seed in 1...UInt64(seeds) {
            var settings = StandInTraining.Settings()
            (settings.seconds, settings.seed) = (seconds, seed)
            (settings.distillationShare, settings.distillation) = (distillationShare, distillation)
            (settings.learningRate, settings.headRate) = (learningRate, headRate)
            (settings.learnsLabels, settings.hasLocalHead) = (!noLabels, !noLocalHead)
            settings.documentTokens = documentTokens
            let trained = try StandInTraining(collectionTraining, settings: settings).run(onEvent: { event in
                if case .evaluated(let record, _) = event {
                    log("    step \(record.step): dev \(String(format: "%.4f", record.result.metric))")
                }
            })
            log(
                "seed \(seed): \(trained.training.steps) steps, \(trained.training.hyperparameters["seconds"]?.number ?? 0) s, ridge \(trained.training.hyperparameters["ridge"]?.number ?? 0), distillation steps \(trained.training.hyperparameters["distillationSteps"]?.number ?? 0)"
            )
            var local = try collectionTraining.releasedSystem()
            if mafinSeconds > 0 {
                let estimates = VectorSystem(
                    queries: trained.blackBoxQueries, documents: collectionTraining.data.blackBoxDocuments)
                let index = collectionTraining.data.index
                let labelled = index.trainQueries + index.devQueries
                let base =
                    besideStandIn
                    ? TrainingBase(name: "stand-in", queries: labelled, scores: estimates.scores(queries: labelled))
                    : nil
                let mafin = try collectionTraining.seeded(seed, seconds: mafinSeconds).train(
                    .mafin, base: base, checkpointFolder: nil)
                local = try collectionTraining.systems(of: mafin).local
                log("  mafin: \(mafin.outcome.steps) steps, \(Int(mafin.outcome.elapsed)) s")
                let pair = SourceFit(
                    [blackBox, LocalVectorSource(dimension: local.documents.columns)], local: local,
                    learned: [.local], name: "mafin")
                try measure("mafin", pair.fit(to: rivals))
            }
            let data = try rivals.offline(trained, local: local)
            let sums = OfflineSums.rivals(
                trained.source, local: LocalVectorSource(dimension: local.documents.columns), words: words)
            for sum in denseOnly ? Array(sums.prefix(2)) : sums { try measure(sum.name, sum.fit(to: data)) }
        }
        let json = try JSONSerialization.data(withJSONObject: figures, options: [.prettyPrinted, .sortedKeys])
        print(String(decoding: json, as: UTF8.self))
    }
}

import ArgumentParser
import Foundation
import Mafin
import MafinBlackBox
import MafinRetrieval

/// What is the encoder best trained beside: nothing, the black box, or everything that is frozen? Trains it in each way with the same time and
/// seeds, composes each with all other sources by the same fit, and prints paired tests as JSON.
struct BasesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "bases")

    @OptionGroup var collection: CollectionOptions
    @Option(help: "Minutes of each training.") var minutes = 4.0
    @Option(help: "Trainings of each kind.") var seeds = 3
    @Option(help: "query: the query tower alone. block: both towers.") var mode = "query"

    /// A system's values on the measured queries, one list per seed.
    private struct Measured {
        var values: [[Double]] = []
        var mean: Double { Self.mean(values.map(Self.mean)) }
        /// The mean over seeds of each query.
        var queries: [Double] { values[0].indices.map { query in Self.mean(values.map { $0[query] }) } }

        static func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(1, values.count)) }
    }

    func run() async throws {
        var settings = CollectionTraining.Settings()
        settings.mode = mode == "block" ? .block : .query
        settings.options.time = minutes * 60
        let (training, splits) = try await collection.training(settings)
        let rivals = try RivalData(training, metric: .nDCG(cutoff: 10))
        let test = try splits.qrels(.test)
        let (blackBox, words) = collection.frozen(training)
        let memories: [any RememberingSource] = RememberedQueries.standard + [RememberedByMoving()]
        let frozen = SourceFit([blackBox, words], remembering: memories, name: "composition-without-encoder")

        var measured: [String: Measured] = [:]
        func measure(_ name: String, _ system: any RankingSystem) throws {
            let values = try training.evaluate(system, on: test, metrics: [.nDCG(cutoff: 10)]).values
            measured[name, default: Measured()].values.append(values[.nDCG(cutoff: 10)] ?? [])
            log("  \(name): \(Measured.mean(measured[name]?.values.last ?? []))")
        }
        try measure("black-box", training.blackBoxSystem)
        try measure("black-box+bm25", SourceFit([blackBox, words], name: "black-box+bm25").fit(to: rivals).system)
        try measure("composition-without-encoder", frozen.fit(to: rivals).system)
        let base = try frozen.base(to: rivals)

        let kinds: [(name: String, contender: Contender, base: TrainingBase?)] = [
            ("alone", .tunedAlone, nil), ("beside the black box", .mafin, nil), ("beside everything", .mafin, base),
        ]
        for seed in 1...UInt64(seeds) {
            for kind in kinds {
                log("\(kind.name), seed \(seed)")
                let trained = try training.seeded(seed, seconds: minutes * 60).train(
                    kind.contender, base: kind.base, checkpointFolder: nil)
                log("  \(trained.outcome.steps) steps, \(Int(trained.outcome.elapsed)) s")
                let local = try training.systems(of: trained).local
                let own = LocalVectorSource(dimension: local.documents.columns)
                for (name, sources, memories) in [
                    ("", [blackBox, own], []), ("+bm25", [blackBox, own, words], []),
                    ("+all", [blackBox, own, words], memories),
                ] as [(String, [any ScoreSource], [any RememberingSource])] {
                    let sum = SourceFit(
                        sources, remembering: memories, local: local, learned: [.local], name: kind.name + name
                    )
                    try measure(kind.name + name, sum.fit(to: rivals).system)
                }
            }
        }
        try report(measured, CollectionOptions.parts(of: test, splits))
    }

    private func report(_ measured: [String: Measured], _ parts: [String: [Int]]) throws {
        let pairs = [
            ("beside the black box+all", "composition-without-encoder"), ("beside the black box+all", "alone+all"),
            ("beside everything+all", "beside the black box+all"), ("beside the black box+bm25", "black-box+bm25"),
            ("beside everything+bm25", "beside the black box+bm25"), ("beside the black box", "alone"),
        ]
        var tests: [[String: Any]] = []
        for (first, second) in pairs {
            guard let mine = measured[first]?.queries, let theirs = measured[second]?.queries else { continue }
            for (part, rows) in parts.sorted(by: { $0.key < $1.key }) where rows.count > 1 {
                let differences = rows.map { mine[$0] - theirs[$0] }
                tests.append([
                    "system": first, "other": second, "queries": part, "count": rows.count,
                    "difference": Measured.mean(differences),
                    "p": PairedRandomizationTest().pValue(of: differences),
                ])
            }
        }
        let systems = measured.mapValues { system in
            [
                "seeds": system.values.map(Measured.mean) as Any,
                "parts": parts.mapValues { rows in Measured.mean(rows.map { system.queries[$0] }) },
            ]
        }
        let json = try JSONSerialization.data(
            withJSONObject: ["systems": systems, "tests": tests], options: [.prettyPrinted, .sortedKeys])
        print(String(decoding: json, as: UTF8.self))
    }
}

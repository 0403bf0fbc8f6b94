import ArgumentParser
import Foundation
import MafinBlackBox
import MafinCommandLine
import MafinMethod
import MafinPipeline
import MafinProviderWorkflows
import MafinProviders
import MafinReport
import MafinRetrieval
import MafinWorkflows

/// `mafin migrate`: measures what each road to another black box costs and keeps.
struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Measure, on your own labels, what a move to another embedding model costs and keeps.",
        usage: "mafin migrate <artefact> --data <path> --black-box <kind:argument> [<options>]",
        discussion: """
            The roads: stay with the old model; re-index, which buys all documents again; bridge-documents, which buys a sample of the documents and \
            maps the old vectors of the others into the new space; bridge-queries, which keeps the documents and maps the new model's vectors of \
            queries into the old space; stand-in, which keeps the documents and asks no model, for an artefact that has a stand-in. The trained encoder and BM25 move along, and only the weights are fitted again, on dev. Each road's \
            nDCG@10 is that of the whole sum, with a 95 % interval and a paired randomization test against staying.

            The verdict is the cheapest road that is not worse than a full re-index (p < .05) and better than staying (p < .05); if there is none, to \
            stay. If the old model is going to end, take the road that the table names for that case. Without labels only the share of the ten \
            best documents that a road keeps is measured, and the verdict is to stay.

            The old model is never asked: its vectors are read from the cache, or from --old-black-box. The new one is asked for all labelled \
            queries and for the sample, and the prices are of both. Stored vectors (vectors:PATH) cost nothing and are read whole.

            More flags: mafin migrate --help-hidden
            """)

    @Argument(help: "Folder that 'mafin train', 'compare' or 'ship' wrote.")
    var artefact: String

    @Option(help: .collection)
    var data: String

    @OptionGroup var blackBox: BlackBoxOptions

    @Option(
        help: ArgumentHelp(
            "The old black box's stored vectors, if they are not in the cache. They are taken on your word; only their dimension is checked. (default: the artefact's own black box, from the cache alone)",
            valueName: "kind:argument"), transform: BlackBoxSpecification.init(parsing:))
    var oldBlackBox: BlackBoxSpecification?

    @Option(
        help: ArgumentHelp(
            "Documents to buy, to fit the maps to. More cost more and make better maps. (default: a tenth of the documents, at least 500)",
            valueName: "n"))
    var sample: Int?

    @Flag(
        help:
            "Buy the new vectors of all documents, so that the full re-index and the curve of a mixed index are measured too. The price is that of a re-index."
    )
    var buyEverything = false

    @Option(
        help: ArgumentHelp(
            "Also train the artefact's encoder of queries on beside the new model, for at most this long, and show that road too. Needs the new vectors of all documents. (default: only the weights are fitted again)",
            valueName: "duration"), transform: TimeLimit.init(parsing:))
    var time: TimeLimit?

    @Option(
        help:
            "Split of the labels to measure on. Of dev, one half is measured and the other fits the weights; an artefact that was chosen on dev needs --allow-leak, and staying then looks better than it is."
    )
    var split = "test"

    @Option(
        help:
            "Draws the sample and the random order. Without --time, the same seed, threads and data give the same table."
    )
    var seed: UInt64 = 1

    @Option(
        name: .shortAndLong,
        help:
            "Folder for the artefact of the verdict's road. A bridge keeps the vectors of the documents in the artefact. The artefact counts the measured queries as known, because they chose the road; with --road they stay unknown."
    )
    var output: String?

    @Option(
        help: .expert(
            "The road that --output writes. (default: the verdict's)",
            "re-index|re-index-trained|bridge-documents|bridge-queries"))
    var road: MigrationRoad.Name?

    @OptionGroup var leaks: LeakOptions

    @OptionGroup var computing: ComputingOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func validate() throws {
        _ = try blackBox.source(default: nil)
        try require(["--sample": sample], atLeast: VectorMapChoice.fewestPairs)
        if split == "train" {
            throw ValidationError("--split train cannot be measured: the weights are fitted to it. Use dev or test.")
        }
        if split == "dev", time != nil {
            throw ValidationError("--time cannot be used with --split dev: the training would choose its state on dev.")
        }
        if let output { try requireFolder(output: output) }
        if road != nil, output == nil { throw ValidationError("--road needs --output, the folder to write.") }
        if case .provider? = oldBlackBox {
            throw ValidationError(
                "--old-black-box takes vectors:PATH or local:NAME-OR-FOLDER: the old model's server is not asked.")
        }
    }

    func run() async throws {
        try computing.begin()
        var migration = MigrationWorkflow(
            artefact: artefact, data: data, context: shared.context, openOld: openOld, openNew: openNew)
        (migration.split, migration.sample, migration.seed) = (split, sample, seed)
        (migration.buysEverything, migration.allowsLeaks) = (buyEverything, leaks.allowLeak)
        (migration.output, migration.road) = (output, road)
        migration.time = time?.duration
        let progress = TrainingProgress(shared, resuming: "the same command begins again")
        defer { progress.finish() }
        let result = try await migration.run { progress.report(.mafin, $0) }
        try format.print(result, or: Self.text(result).safeForTerminal)
        if let reason = result.notWritten { shared.warn("no artefact was written: \(reason)") }
    }

    /// The flags with which the old black box is opened: those that describe the new one are left out.
    func oldOptions(_ stored: BlackBoxSource?) throws -> BlackBoxOptions {
        if oldBlackBox == nil, stored == nil {
            throw ValidationError(
                "the artefact does not say where its black box is: pass its vectors with --old-black-box vectors:PATH.")
        }
        var options = blackBox
        (options.dimensions, options.queryPrefix, options.documentPrefix) = (nil, nil, nil)
        (options.asking.onOverflow, options.asking.tokenizer, options.asking.driftCheck) = (nil, nil, nil)
        options.blackBox = oldBlackBox
        // Nothing is sent, so the artefact's own address may be used.
        options.baseURL = oldBlackBox == nil ? stored?.baseURL : nil
        return options
    }

    /// The old black box, which is never asked: stored vectors and encoders on this machine are read, of a provider's model only the cache.
    private func openOld(_ model: ArtefactModel) async throws -> MigrationSide {
        let options = try oldOptions(model.manifest.blackBoxSource)
        let source = try options.source(default: model.manifest.blackBoxSource, flag: "--old-black-box")
        let box = try await options.factory(shared).open(source)
        let isProvider = if case .provider = source.specification { true } else { false }
        var side = MigrationSide(box, source: source, isStored: !isProvider)
        side.isVouchedFor = oldBlackBox != nil
        return side
    }

    private func openNew() async throws -> MigrationSide {
        let source = try blackBox.source(default: nil)
        let box = try await blackBox.make(shared: shared)
        switch source.specification {
        case .vectors: return MigrationSide(box, source: source, isStored: true)
        case .local:
            return MigrationSide(box, source: source, isStored: false) { documents, queries in
                MigrationPrice(texts: documents.count + queries.count, cost: 0)
            }
        case .provider:
            let opened = try blackBox.openedProvider(shared)
            let ruler = try TokenRuler(opened.profile, tokenizer: blackBox.asking.tokenizer)
            let (overflow, isInBatches) = (blackBox.asking.onOverflow ?? .error, blackBox.asking.batch)
            return MigrationSide(box, source: source, isStored: false) { documents, queries in
                let plan = try await EmbeddingPlan(
                    opened.server, cache: opened.cache, texts: [(.document, documents), (.query, queries)],
                    ruler: ruler, overflow: overflow, isInBatches: isInBatches)
                return MigrationPrice(
                    texts: plan.toAsk, tokens: plan.tokens, minutes: plan.minutes, cost: plan.cost)
            }
        }
    }

    // MARK: Text

    static func text(_ result: MigrationWorkflow.Result) -> String {
        var text =
            "\(result.from.provider):\(result.from.model) to \(result.to.provider):\(result.to.model), "
            + "\(Number.count(result.documents)) documents, a sample of \(Number.count(result.sample)); "
            + (result.isLabelled
                ? "\(result.split) split, \(result.queries) queries, differences are to staying\n\n"
                : "no labels, \(result.queries) queries\n\n")
        text += table(result).text()
        let notes = result.roads.compactMap { road in road.omitted.map { "\(road.name.rawValue): \($0)" } }
        if !notes.isEmpty { text += "\n" + notes.map { "Not measured: \($0)." }.joined(separator: "\n") + "\n" }
        let leftOut = Set(result.roads.flatMap(\.leftOut).map(\.rawValue)).sorted()
        if !leftOut.isEmpty {
            text +=
                "\nLeft out of the other roads, because they belong to the old space: \(leftOut.joined(separator: ", ")).\n"
        }
        if !result.mixedIndex.isEmpty { text += "\n" + curve(result).text() }
        text += "\nVerdict: \(result.verdict.decision.rawValue). \(result.verdict.reason)\n"
        if let road = result.verdict.ifOldEnds { text += "If the old model ends: \(road.rawValue).\n" }
        if let written = result.written { text += "Written: \(written)\n" }
        return text
    }

    private static func table(_ result: MigrationWorkflow.Result) -> Table {
        var columns: [Table.Column] = [
            "road", .number("new documents"), .number("price"), .number("minutes"), .number("dimension"),
        ]
        if result.isLabelled {
            columns += [.number("vectors alone"), .number("nDCG@10"), "95 %", .number("difference"), .number("p")]
        }
        columns += [.number("keeps old"), .number("keeps new"), "map"]
        var table = Table(columns: columns)
        for road in result.roads {
            var row = [
                road.name.rawValue, Number.count(road.newDocuments), amount(road.price?.cost),
                amount(road.price?.minutes), road.dimension.map(String.init) ?? "–",
            ]
            if result.isLabelled {
                row += [
                    Number.mean(road.vectorsAlone), Number.mean(road.value?.mean),
                    road.value.map { "\(Number.mean($0.low))…\(Number.mean($0.high))" } ?? "",
                    road.toStaying.map { Number.signed($0.mean) } ?? "",
                    road.toStaying.map { Number.probability($0.p) } ?? "",
                ]
            }
            row += [Number.mean(road.keepsOld), Number.mean(road.keepsNew), map(road.map)]
            table.append(row)
        }
        return table
    }

    /// An amount of money or time of which little may be known.
    private static func amount(_ value: Double?) -> String {
        value.map { $0 == 0 ? "0" : String(format: $0 < 0.01 ? "%.4f" : "%.2f", $0) } ?? "unknown"
    }

    private static func map(_ map: VectorMapChoice.Candidate?) -> String {
        guard let map else { return "" }
        return map.form.rawValue + (map.rank.map { " \($0)" } ?? "")
    }

    private static func curve(_ result: MigrationWorkflow.Result) -> Table {
        var table = Table(columns: ["mixed index: bought", .number("known first"), .number("at random")])
        let shares = Set(result.mixedIndex.map(\.share)).sorted()
        for share in shares {
            func value(_ order: MigrationPoint.Order) -> String {
                Number.mean(result.mixedIndex.first { $0.order == order && $0.share == share }?.value)
            }
            table.append([String(format: "%.0f %%", 100 * share), value(.known), value(.random)])
        }
        return table
    }
}

extension MigrationRoad.Name: ExpressibleByArgument {}

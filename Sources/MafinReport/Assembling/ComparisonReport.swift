import Foundation
import MafinComparison
import MafinImages
import MafinMethod
import MafinPipeline
import MafinRetrieval

/// Collects everything that goes into the report of a comparison.
public struct ComparisonReport {
    /// The comparison.
    public let comparison: Comparison
    /// Its results.
    public let result: ComparisonOutcome
    /// Labels by part.
    public let splits: JudgedSplits
    /// The smallest gain that the measured split would show, computed before training.
    public let detectable: MinimumDetectableDifference
    /// Texts that are both in training and in the measured split.
    public let leaks: LeakReport
    /// The artefact of the chosen system; `nil` if no system can be shipped.
    public let artefact: MeasuredArtefact?
    /// The commands that put the artefact to use, and the one that makes an artefact of another system.
    public let commands: (use: String, others: String)
    /// The price of a million tokens of the black box's API; `nil` if it is not known.
    public let price: Double?
    /// How the figures were made. ``facts(onProgress:)`` adds each system's choices. Its machine is the one on which times were measured.
    public let provenance: ProvenanceFacts

    /// All parts.
    public init(
        comparison: Comparison, result: ComparisonOutcome, splits: JudgedSplits,
        detectable: MinimumDetectableDifference, leaks: LeakReport, artefact: MeasuredArtefact?,
        commands: (use: String, others: String), price: Double? = nil, provenance: ProvenanceFacts
    ) {
        self.comparison = comparison
        self.result = result
        self.splits = splits
        self.detectable = detectable
        self.leaks = leaks
        self.artefact = artefact
        self.commands = commands
        self.price = price
        self.provenance = provenance
    }

    private var collection: RetrievalCollection { splits.collection }
    private var plan: ComparisonPlan { comparison.plan }

    /// Computes the facts. It takes seconds to minutes, because texts are encoded again without each of their words.
    /// - Parameter onProgress: called with each step.
    /// - Throws: errors of labels, encoders and files.
    public func facts(onProgress: (String) -> Void = { _ in }) throws -> ComparisonFacts {
        let metric = plan.metric
        let metrics = plan.request.metrics
        let split = plan.request.split
        let qrels = try splits.qrels(split)
        onProgress("testing differences")
        let systems = result.systems
        let evaluations = systems.map { (name: $0.name, evaluation: $0.evaluation) }
        let report = try EvaluationReport(
            split: split, evaluations: evaluations, baseline: ArtefactEvaluation.baseline, metrics: metrics)
        var facts = ComparisonFacts(
            title: collection.source?.deletingPathExtension().lastPathComponent ?? "Comparison", report, metric: metric)
        facts.created = Date().ISO8601Format()
        for index in facts.systems.indices {
            let name = facts.systems[index].name
            let rows = result.rows.filter { $0.name == name }
            facts.systems[index].title = SystemTitles.title(name)
            facts.systems[index].summary = SystemTitles.summary(name, choices: rows.first?.choices ?? [:])
            facts.systems[index].development = DevelopmentFacts(rows)
            facts.systems[index].seconds = result.seconds[name]
            if systems[index].evaluation.seeds.count > 1 {
                facts.systems[index].seeds = systems[index].evaluation.spread
            }
        }
        try addGroups(to: &facts, evaluations)
        facts.statistics = StatisticsFacts(
            comparisons: report.systems.count - 1,
            detectable: .init(
                metric: metric, difference: detectable.difference, power: detectable.power,
                standardDeviation: detectable.standardDeviation))
        facts.perQuery = PerQueryFacts(
            evaluations.map { ($0.name, $0.evaluation.mean) }, metrics: metrics,
            texts: { collection.queryText($0) ?? "" })
        facts.trainingCurves =
            result.trainings.isEmpty ? nil : result.trainings.map { TrainingCurve($0, metric: metric) }
        facts.lambdaSweeps = sweeps
        facts.learningCurve = result.learningCurve.flatMap {
            LearningCurveFacts($0, system: result.chosen?.name ?? "", metric: metric)
        }
        let labels = [
            (name: JudgedSplits.Part.train.rawValue, qrels: try splits.qrels(.train)),
            (name: JudgedSplits.Part.dev.rawValue, qrels: try splits.qrels(.dev)), (name: split, qrels: qrels),
        ]
        facts.data = DataFacts(collection, splits: labels)
        facts.leaks = LeakFacts(
            leaks, leftOut: splits.allowsLeaks ? 0 : try splits.leaks().count, isAllowed: splits.allowsLeaks)
        onProgress("looking for labels that may be missing")
        facts.suspectedFalseNegatives = try suspects(qrels)
        if let verdict = ComparisonVerdict(result, metric: metric), let artefact {
            onProgress("explaining wins and losses")
            try add(verdict, artefact, qrels, to: &facts)
        }
        if let shown = facts.chosen?.name ?? systems.max(by: { $0.development < $1.development })?.name {
            facts.headToHead = try HeadToHeadFacts(shown, among: evaluations, split: split, metric: metric)
        }
        facts.provenance = provenanceWithChoices
        let omissions = result.omissions.map { Omission(what: SystemTitles.title($0.name), reason: $0.reason) }
        facts.omissions = omissions.isEmpty ? nil : omissions
        return facts
    }

    /// Adds the chosen system: the verdict on it, its artefact's figures and costs, and what explains its rankings.
    private func add(
        _ verdict: ComparisonVerdict, _ artefact: MeasuredArtefact, _ qrels: Qrels, to facts: inout ComparisonFacts
    ) throws {
        // The artefact has the seed that is best on dev, the first of equally good ones.
        guard
            let row = result.rows.filter({ $0.name == verdict.candidate }).max(by: { $0.development < $1.development })
        else { return }
        let chosen = ChosenFacts(
            name: row.name, seed: row.seed, weights: artefact.weights, row.evaluation,
            result.partition)
        let training = result.trainings.first { $0.contender == row.encoder && $0.seed == row.seed }
        let fit = training?.name == row.name ? nil : result.seconds[row.name]
        let costs = try comparison.costs(
            of: artefact, training: (training?.seconds ?? 0) + (fit ?? 0), machine: provenance.machine)
        var words = VerdictFacts(
            verdict, result, split: facts.split, queries: facts.queries, metric: plan.metric, chosen: chosen,
            costs: costs)
        words.notes = (words.notes ?? []) + twinNotes(facts, of: row.name)
        if let offline = verdict.offline {
            let shipped = try shippedOffline(row.name, artefact)
            let found = OfflineFacts(
                offline, result, split: facts.split, metric: plan.metric, shipped: shipped,
                // Measured with the artefact, which may hold another sum.
                milliseconds: shipped?.name == offline.system ? try artefact.offlineMilliseconds() : nil,
                tokensPerQuery: try comparison.training.meanQueryTokens(), price: price)
            facts.offline = found
            words.notes?.append(found.reason)
        }
        (words.command, words.commandForOthers) = commands
        words.shippable = try comparison.store.shippable()
        (facts.chosen, facts.verdict) = (chosen, words)
        facts.scoreHistograms = histograms(artefact)
        facts.examples = try examples(row.name, artefact, qrels, else: verdict.secondary?.system)
    }

    /// The sum that the artefact holds for queries that are not asked.
    private func shippedOffline(_ system: String, _ artefact: MeasuredArtefact) throws -> ChosenFacts? {
        let manifest = artefact.model.manifest
        guard let mixing = manifest.offline?.mixing,
            let row = try comparison.store.offlineRow(inArtefactOf: system, form: manifest.mixing.localForm)
        else { return nil }
        let weights = mixing.weights
        let used = weights.sources.filter { weights[$0] > 0 }
        return ChosenFacts(
            name: row.name, seed: row.seed, weights: SourceWeights(used.map { ($0, weights[$0]) }), row.evaluation,
            result.partition)
    }

    /// Adds figures on groups of queries: those about known documents, those about new ones, and those without twins.
    private func addGroups(
        to facts: inout ComparisonFacts, _ evaluations: [(name: String, evaluation: SeededEvaluation)]
    ) throws {
        func add(_ report: EvaluationReport?, _ body: (inout SystemFacts, GroupResult) -> Void) {
            guard let report else { return }
            for index in facts.systems.indices {
                guard let found = report.systems.first(where: { $0.name == facts.systems[index].name }) else {
                    continue
                }
                body(
                    &facts.systems[index],
                    GroupResult(queries: report.queries, metrics: found.metrics, difference: found.difference))
            }
        }
        if let partition = result.partition {
            let reports = try partition.reports(
                split: facts.split, evaluations: evaluations, baseline: facts.baseline,
                metrics: plan.request.metrics)
            add(reports[.seenDocuments]) { $0.known = $1 }
            add(reports[.newDocuments]) { $0.new = $1 }
            facts.newDocuments = NewDocumentFacts(
                partition, expected: comparison.expectedNewDocuments, given: plan.request.newDocuments)
        }
        let twins = leaks.affectedQueries
        let others = evaluations.map { ($0.name, $0.evaluation.filter { !twins.contains($0) }) }
        guard !twins.isEmpty, others.first?.1.mean.queryIds.isEmpty == false else { return }
        let report = try EvaluationReport(
            split: "\(facts.split), without twins", evaluations: others, baseline: facts.baseline,
            metrics: [facts.metric])
        let subset = QuerySubset(
            name: Self.withoutTwins, title: "Without twins",
            summary: "no query of train or dev has the same or nearly the same text", queries: report.queries)
        facts.subsets = [subset]
        add(report) {
            $0.subsets = [SubsetResult(subset: subset.name, metrics: $1.metrics, difference: $1.difference)]
        }
    }

    private static let withoutTwins = "without-twins"

    /// A sentence on a system's gain on queries without twins; empty if there are no twins.
    private func twinNotes(_ facts: ComparisonFacts, of system: String) -> [String] {
        guard let subset = facts.subsets?.first(where: { $0.name == Self.withoutTwins }),
            let difference = facts.system(named: system)?.subsets?.first(where: { $0.subset == subset.name })?
                .difference?[facts.metric]
        else { return [] }
        let twins = facts.queries - subset.queries
        return [
            "\(Number.count(twins)) \(facts.split) \(twins == 1 ? "query has" : "queries have") a twin in train or dev. Without "
                + "\(twins == 1 ? "it" : "them"), \(SystemTitles.title(system)) differs from the black box by \(signed(difference.mean)) "
                + "(95 % interval \(signed(difference.low)) to \(signed(difference.high)))."
        ]
    }

    private var sweeps: [LambdaSweepFacts]? {
        let found = result.trainings.filter { $0.seed == plan.request.seed }.compactMap { record in
            record.sweep.map {
                LambdaSweepFacts(
                    system: record.name, split: JudgedSplits.Part.dev.rawValue, sweep: $0,
                    chosen: record.mixing.lambda.map(Double.init),
                    choice: record.mixing.origin == .fixed ? "fixed" : "fitted by likelihood on dev")
            }
        }
        return found.isEmpty ? nil : found
    }

    private func histograms(_ artefact: MeasuredArtefact) -> [ScoreHistogramFacts] {
        comparison.scoreSamples(of: artefact).compactMap { source, sample in
            let title = source.title
            return ScoreHistogramFacts(
                title: title.prefix(1).uppercased() + title.dropFirst(),
                groups: [("relevant", sample.relevant), ("other", sample.other)])
        }
    }

    /// How many suspects are shown, and how many characters of their texts.
    private static let shownSuspects = 30
    private static let suspectLength = 1_200

    private func suspects(_ qrels: Qrels) throws -> SuspectFacts {
        let found = try comparison.suspectedNegatives(labels: [qrels, try splits.qrels(.dev), try splits.qrels(.train)])
        return SuspectFacts(
            method:
                "Unlabelled documents that the black box and the released encoder both rank first, over the queries of all splits.",
            found: found.count,
            suspects: found.prefix(Self.shownSuspects).map { query, document in
                .init(
                    queryId: query.id, query: query.text, documentId: document.id,
                    document: DocumentText(document, limit: Self.suspectLength), blackBoxRank: 1, localRank: 1)
            })
    }

    /// Number of wins, and of losses, whose words are explained. For the first few the document's words are explained too. Each word costs one
    /// text to encode.
    private static let attributedQueries = 5
    private static let attributedDocuments = 2

    /// - Parameter other: the system that is shown if the chosen one changes no query, as one whose only weight is the black box's.
    private func examples(_ name: String, _ artefact: MeasuredArtefact, _ qrels: Qrels, else other: String?) throws
        -> ExampleFacts
    {
        let rankings = try comparison.rankings(of: artefact)
        func facts(_ system: ExampleFacts.System, parts: (String, String) -> ScoreParts?) throws -> ExampleFacts {
            var facts = ExampleFacts(
                system: system, baseline: (ArtefactEvaluation.baseline, rankings.blackBox), qrels: qrels,
                metric: plan.metric, query: collection.queryText, document: collection.document, parts: parts)
            if collection.hasImages {
                try addImages(to: &facts.wins)
                try addImages(to: &facts.losses)
            }
            return facts
        }
        var examples = try facts((name, rankings.chosen), parts: artefact.parts)
        if let other, other != name, (examples.wins + examples.losses).isEmpty {
            let run = try Run(contentsOf: comparison.store.runFile(of: other))
            return try facts((other, run)) { _, _ in nil }
        }
        guard let words = LeaveOneOut(artefact.model) else { return examples }
        func attribute(_ list: inout [QueryExample]) throws {
            for index in list.indices.prefix(Self.attributedQueries) {
                // The first relevant document, or the first document if none is relevant.
                let ranking = list[index].systemRanking
                guard let shown = ranking.first(where: \.isRelevant) ?? ranking.first,
                    let found = collection.document(shown.id)
                else { continue }
                list[index].attributions = [
                    DocumentAttribution(
                        documentId: shown.id,
                        query: try words.query(list[index].query, document: found.textForEncoding),
                        document: index < Self.attributedDocuments
                            ? try words.document(found.textForEncoding, query: list[index].query) : nil)
                ]
            }
        }
        try attribute(&examples.wins)
        try attribute(&examples.losses)
        return examples
    }

    /// Adds small pictures of queries and documents.
    private func addImages(to list: inout [QueryExample]) throws {
        for index in list.indices {
            let row = collection.queryIndex[list[index].queryId]
            list[index].image = try row.flatMap { collection.queries[$0].image }?.thumbnail()
            for id in list[index].documents.keys {
                list[index].documents[id]?.image = try collection.document(id)?.image?.thumbnail()
            }
        }
    }

    /// The given provenance, with what each system chose on dev.
    private var provenanceWithChoices: ProvenanceFacts {
        var provenance = provenance
        let settings = result.rows.filter { !$0.choices.isEmpty }.map { row in
            ProvenanceFacts.Setting(
                result.rows.count { $0.name == row.name } > 1 ? "\(row.name), seed \(row.seed)" : row.name,
                row.choices.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.text)" }.joined(separator: "; "))
        }
        if !settings.isEmpty {
            provenance.configuration =
                (provenance.configuration ?? []) + [.init(title: "Chosen on dev", settings: settings)]
        }
        provenance.seconds = result.spent
        return provenance
    }
}

extension RetrievalCollection {
    func queryText(_ id: String) -> String? { queryIndex[id].map { queries[$0].text } }

    func document(_ id: String) -> Document? { documentIndex[id].map { documents[$0] } }
}

extension DevelopmentFacts {
    /// The means over the seeds of a system; `nil` without a row.
    init?(_ rows: [ComparisonRow]) {
        guard !rows.isEmpty else { return nil }
        func mean(_ values: [Double?]) -> Double? {
            let values = values.compactMap(\.self)
            return values.count == rows.count ? values.reduce(0, +) / Double(values.count) : nil
        }
        self.init(
            mean: mean(rows.map(\.development)) ?? 0, known: mean(rows.map(\.developmentKnown)),
            new: mean(rows.map(\.developmentNew)))
    }
}

import Foundation
import MafinComparison
import MafinMethod
import MafinPipeline
import MafinRetrieval

/// Everything that goes into the report of a comparison, brought together.
public struct ComparisonReport {
    /// What was run.
    public let comparison: Comparison
    /// What it found.
    public let result: ComparisonOutcome
    /// Texts and labels.
    public let collection: RetrievalCollection
    /// Labels by part.
    public let splits: JudgedSplits
    /// The smallest gain that could be shown, computed before training.
    public let detectable: MinimumDetectableDifference
    /// What stands on both sides.
    public let leaks: LeakReport
    /// The artefact of the chosen method; `nil` where none was trained.
    public let model: ArtefactModel?
    /// Scores in two parts; `nil` without a model.
    public let scores: PairScores?
    /// The lines that put the artefact to use, with BM25 beside it or not.
    public let shippingCommand: (_ usesBM25: Bool) -> String
    /// How it came about; the choices of each system are added here.
    public let provenance: ProvenanceFacts
    /// What times were taken on.
    public let machine: String

    /// All parts.
    public init(
        comparison: Comparison, result: ComparisonOutcome, collection: RetrievalCollection, splits: JudgedSplits,
        detectable: MinimumDetectableDifference, leaks: LeakReport, model: ArtefactModel?,
        scores: PairScores?,
        shippingCommand: @escaping (_ usesBM25: Bool) -> String, provenance: ProvenanceFacts, machine: String
    ) {
        self.comparison = comparison
        self.result = result
        self.collection = collection
        self.splits = splits
        self.detectable = detectable
        self.leaks = leaks
        self.model = model
        self.scores = scores
        self.shippingCommand = shippingCommand
        self.provenance = provenance
        self.machine = machine
    }

    private var plan: ComparisonPlan { comparison.plan }

    /// The facts: figures, tests, and what is looked at beside them. Takes seconds to minutes: words are left out one by one.
    /// - Parameter onProgress: what is being done.
    /// - Throws: what labels, encoders and files throw.
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
        facts.created = ISO8601DateFormatter().string(from: Date())
        for index in facts.systems.indices {
            let name = facts.systems[index].name
            let row = result.rows.first { $0.name == name }
            facts.systems[index].title = SystemTitles.title(name)
            facts.systems[index].summary = SystemTitles.summary(name, choices: row?.choices ?? [:])
            facts.systems[index].seconds = result.seconds[name]
            let spread = systems[index].spread.mapValues { SeedSpread(values: $0.values) }
            if spread.values.contains(where: { $0.values.count > 1 }) { facts.systems[index].seeds = spread }
        }
        try addSubsets(to: &facts, evaluations, qrels)
        facts.statistics = StatisticsFacts(
            comparisons: report.systems.count - 1,
            detectable: .init(
                metric: metric, difference: detectable.difference, power: detectable.power,
                standardDeviation: detectable.standardDeviation))
        let texts = Dictionary(collection.queries.map { ($0.id, $0.text) }, uniquingKeysWith: { first, _ in first })
        facts.perQuery = PerQueryFacts(evaluations, metrics: metrics, texts: { texts[$0] ?? "" })
        facts.trainingCurves = result.trainings.map { TrainingCurve($0, metric: metric) }
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
        if let chosen = result.chosen {
            facts.scoreHistograms = try histograms(chosen)
            onProgress("explaining wins and losses")
            facts.examples = try examples(chosen, qrels)
            if let verdict = ComparisonVerdict(result, report, metric: metric) {
                facts.verdict = VerdictFacts(
                    decision: verdict.decision, system: verdict.system, reason: verdict.reason,
                    notes: verdict.notes + subsetNotes(facts, of: verdict.system),
                    costs: try costs(chosen), command: shippingCommand(verdict.usesBM25))
            }
        }
        if let best = systems.max(by: { $0.development < $1.development }) {
            facts.headToHead = try HeadToHeadFacts(best.name, among: evaluations, split: split, metric: metric)
        }
        facts.provenance = provenanceWithChoices
        let omissions = result.omissions.map { Omission(what: SystemTitles.title($0.name), reason: $0.reason) }
        facts.omissions = omissions.isEmpty ? nil : omissions
        return facts
    }

    /// Queries whose answers training knew, apart from the rest.
    private func addSubsets(
        to facts: inout ComparisonFacts, _ evaluations: [(name: String, evaluation: RunEvaluation)], _ qrels: Qrels
    ) throws {
        let learned = try splits.qrels(.train)
        let partition = QueryPartition(
            qrels, learned: learned, identity: ContentIdentity(collection, labelledBy: [learned, qrels]))
        let reports = try partition.reports(
            split: facts.split, evaluations: evaluations, baseline: facts.baseline, metrics: [facts.metric])
        let shares = partition.seenShares
        let newDocuments =
            "some relevant document never was an answer in training"
            + (shares.isEmpty
                ? "" : "; on average \(Number.percent(shares.reduce(0, +) / Double(shares.count))) of a query’s were")
        let parts: [(part: QueryPartition.Part, name: String, title: String, summary: String)] = [
            (.seenDocuments, "seen-documents", "Seen documents", "every relevant document was an answer in training"),
            (.newDocuments, "new-documents", "New documents", newDocuments),
        ]
        var shown = parts.compactMap { part in
            reports[part.part].map { (name: part.name, title: part.title, summary: part.summary, report: $0) }
        }
        let twins = leaks.affectedQueries
        let others = evaluations.map { ($0.name, $0.evaluation.filter { !twins.contains($0) }) }
        if !twins.isEmpty, others.first?.1.queryIds.isEmpty == false {
            shown.append(
                (
                    "without-twins", "Without twins", "no query of train or dev is the same or nearly so",
                    try EvaluationReport(
                        split: "\(facts.split), without twins", evaluations: others, baseline: facts.baseline,
                        metrics: [facts.metric])
                ))
        }
        facts.subsets = shown.map {
            QuerySubset(name: $0.name, title: $0.title, summary: $0.summary, queries: $0.report.queries)
        }
        for index in facts.systems.indices {
            facts.systems[index].subsets = shown.compactMap { part in
                part.report.systems.first { $0.name == facts.systems[index].name }.map {
                    SubsetResult(subset: part.name, metrics: $0.metrics, difference: $0.difference)
                }
            }
        }
    }

    /// What the groups of queries say of a system: whether its gain is one on documents that training knew, and whether it is one of memory.
    private func subsetNotes(_ facts: ComparisonFacts, of system: String) -> [String] {
        guard let results = facts.system(named: system)?.subsets else { return [] }
        func figure(_ name: String) -> String? {
            results.first { $0.subset == name }?.difference?[facts.metric].map {
                "\(signed($0.mean)) (95 % interval \(signed($0.low)) to \(signed($0.high)))"
            }
        }
        func queries(_ name: String) -> Int { facts.subsets?.first { $0.name == name }?.queries ?? 0 }
        var notes: [String] = []
        let seen = queries("seen-documents")
        let name = SystemTitles.title(system)
        if seen > 0 {
            let new = queries("new-documents")
            notes.append(
                "Of \(Number.count(seen)) of \(Number.count(facts.queries)) \(facts.split) queries every relevant document was an answer in training. "
                    + (figure("new-documents").map {
                        "On the other \(Number.count(new)) \(name) differs from the black box by \($0)\(new < Self.fewQueries ? ": too few to tell what documents that are added later gain." : ".")"
                    } ?? "What documents that are added later gain cannot be told."))
        }
        if queries("without-twins") > 0, let figure = figure("without-twins") {
            notes.append(
                "\(Number.count(facts.queries - queries("without-twins"))) \(facts.split) queries have a twin in train or dev; without them \(name) differs by \(figure)."
            )
        }
        return notes
    }

    /// Of fewer queries an interval says little.
    private static let fewQueries = 30

    /// The sweeps of the first seed.
    private var sweeps: [LambdaSweepFacts]? {
        var found: [LambdaSweepFacts] = []
        for record in result.trainings where record.seed == plan.request.seed {
            guard let sweep = record.sweep else { continue }
            found.append(
                LambdaSweepFacts(
                    system: record.name, split: JudgedSplits.Part.dev.rawValue, sweep: sweep,
                    chosen: Double(record.mixing.lambda),
                    choice: record.mixing.lambdaForm == .fixed ? "given" : "fitted by likelihood on dev"))
        }
        return found.isEmpty ? nil : found
    }

    private func histograms(_ chosen: TrainingRecord) throws -> [ScoreHistogramFacts] {
        let samples = try comparison.scoreSamples(of: chosen)
        return [("Black box", samples.blackBox), ("Local half, trained", samples.local)].compactMap { title, sample in
            ScoreHistogramFacts(title: title, groups: [("relevant", sample.relevant), ("other", sample.other)])
        }
    }

    /// Suspects that are shown, and characters of their texts.
    private static let shownSuspects = 30
    private static let suspectLength = 1_200

    private func suspects(_ qrels: Qrels) throws -> SuspectFacts {
        let found = try comparison.suspectedNegatives(
            labels: [qrels, try splits.qrels(.dev), try splits.qrels(.train)])
        return SuspectFacts(
            method:
                "Documents without a label that the black box and the encoder as released both rank first, of the queries of all splits.",
            found: found.count,
            suspects: found.prefix(Self.shownSuspects).map { query, document in
                .init(
                    queryId: query.id, query: query.text, documentId: document.id,
                    document: DocumentText(document, limit: Self.suspectLength), blackBoxRank: 1, localRank: 1)
            })
    }

    /// Wins and losses whose words are looked at: the query's of all of these, the document's of the first few, since each word is a text to encode.
    private static let attributedQueries = 5
    private static let attributedDocuments = 2

    private func examples(_ chosen: TrainingRecord, _ qrels: Qrels) throws -> ExampleFacts {
        let rankings = try comparison.rankings(of: chosen)
        let texts = Dictionary(collection.queries.map { ($0.id, $0.text) }, uniquingKeysWith: { first, _ in first })
        func document(_ id: String) -> Document? { collection.documentIndex[id].map { collection.documents[$0] } }
        var examples = ExampleFacts(
            system: (chosen.name, rankings.chosen), baseline: (ArtefactEvaluation.baseline, rankings.blackBox),
            qrels: qrels, metric: plan.metric, query: { texts[$0] }, document: document,
            parts: { scores?.parts(query: $0, document: $1) })
        guard let model else { return examples }
        let words = LeaveOneOut(model)
        func attribute(_ list: inout [QueryExample]) throws {
            for index in list.indices.prefix(Self.attributedQueries) {
                // The first that is relevant, else what stands first.
                let ranking = list[index].systemRanking
                guard let shown = ranking.first(where: \.isRelevant) ?? ranking.first, let found = document(shown.id)
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

    private func costs(_ chosen: TrainingRecord) throws -> CostFacts? {
        guard let model else { return nil }
        let costs = try comparison.costs(of: model, chosen)
        return CostFacts(
            dimensions: .init(before: Double(costs.dimensions.before), after: Double(costs.dimensions.after)),
            indexBytes: .init(before: Double(costs.indexBytes.before), after: Double(costs.indexBytes.after)),
            searchMilliseconds: .init(before: costs.searchMilliseconds.before, after: costs.searchMilliseconds.after),
            encoderMilliseconds: costs.encoderMilliseconds, tokensToBuyAgain: 0, trainingSeconds: chosen.seconds,
            machine: machine)
    }

    /// The given provenance, with what each system chose on dev.
    private var provenanceWithChoices: ProvenanceFacts {
        var provenance = provenance
        var settings: [ProvenanceFacts.Setting] = []
        for row in result.rows where !row.choices.isEmpty {
            let name = result.rows.count { $0.name == row.name } > 1 ? "\(row.name), seed \(row.seed)" : row.name
            settings.append(
                .init(
                    name,
                    row.choices.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.text)" }.joined(
                        separator: "; ")))
        }
        if !settings.isEmpty {
            provenance.configuration =
                (provenance.configuration ?? []) + [.init(title: "Chosen on dev", settings: settings)]
        }
        provenance.seconds = result.spent
        return provenance
    }
}

extension ManifestValue {
    /// The value for people: numbers with four digits, lists and records on one line.
    public var text: String {
        switch self {
        case .null: "none"
        case .boolean(let value): value ? "yes" : "no"
        case .integer(let value): "\(value)"
        case .number(let value): String(format: "%.4g", value)
        case .text(let value): value
        case .list(let values): values.map(\.text).joined(separator: ", ")
        case .record(let values):
            values.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.text)" }.joined(separator: ", ")
        }
    }
}

extension TrainingCurve {
    /// The curve of a training.
    init(_ record: TrainingRecord, metric: Metric) {
        self.init(
            // On dev an encoder that is trained alone is looked at alone.
            system: record.contender.rawValue, seed: record.seed,
            loss: record.history.compactMap { entry in
                entry.smoothedLoss.map { Point(step: entry.step, value: Double($0)) }
            },
            development: record.history.map { Point(step: $0.step, value: $0.result.metric) },
            metric: metric.description, keptStep: record.keptStep)
    }
}

extension LearningCurveFacts {
    /// A measured curve with what it foresees up to twice the labels; `nil` without a point.
    init?(_ curve: LearningCurve, system: String, metric: Metric) {
        guard let last = curve.points.last else { return nil }
        func point(_ queries: Int, _ interval: PairedBootstrap.Interval) -> Point {
            Point(queries: queries, gain: interval.mean, low: interval.low, high: interval.high)
        }
        let all = last.labelledQueries
        let foreseen = [1.0, 1.25, 1.5, 2].compactMap { curve.forecast(labelledQueries: Int(Double(all) * $0)) }
        self.init(
            system: system, metric: metric, measured: curve.points.map { point($0.labelledQueries, $0.gain) },
            // By the increase alone: the fitted curve need not go through the last point.
            foreseen: foreseen.isEmpty
                ? nil
                : foreseen.map {
                    Point(
                        queries: $0.labelledQueries, gain: last.gain.mean + $0.increase.mean,
                        low: last.gain.mean + $0.increase.low, high: last.gain.mean + $0.increase.high)
                },
            model: foreseen.isEmpty ? nil : curve.points.count >= 4 ? "an inverse power law" : "a line over log n",
            expectation: curve.doubled.map {
                "With twice the labels, \(Number.count($0.labelledQueries)) queries, expect \(signed($0.increase.mean)) "
                    + "(\(signed($0.increase.low)) to \(signed($0.increase.high))) more than the \(signed(last.gain.mean)) that all "
                    + "\(Number.count(all)) bring now, if the curve goes on as it was measured."
            })
    }
}

extension ComparisonFacts {
    /// The facts without texts, curves and values of single queries: what a program reads first.
    public var summary: ComparisonFacts {
        var facts = self
        facts.perQuery = nil
        facts.examples = nil
        facts.scoreHistograms = nil
        facts.trainingCurves = nil
        facts.lambdaSweeps = nil
        facts.suspectedFalseNegatives?.suspects = []
        facts.leaks?.findings = []
        return facts
    }

    /// The table alone.
    public var evaluation: EvaluationReport {
        EvaluationReport(
            split: split, baseline: baseline, queries: queries,
            queriesWithoutRelevantDocument: queriesWithoutRelevantDocument,
            systems: systems.map { SystemEvaluation(name: $0.name, metrics: $0.metrics, difference: $0.difference) })
    }
}

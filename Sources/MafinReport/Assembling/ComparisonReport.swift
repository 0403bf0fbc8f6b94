import Foundation
import MafinComparison
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
    /// The artefact of the chosen method; `nil` if nothing was trained.
    public let model: ArtefactModel?
    /// Scores in their two parts; `nil` without a model.
    public let scores: PairScores?
    /// The commands that put the artefact to use, with or without BM25.
    public let shippingCommand: (_ usesBM25: Bool) -> String
    /// How the figures were made. ``facts(onProgress:)`` adds each system's choices. Its machine is the one on which times were measured.
    public let provenance: ProvenanceFacts

    /// All parts.
    public init(
        comparison: Comparison, result: ComparisonOutcome, splits: JudgedSplits,
        detectable: MinimumDetectableDifference, leaks: LeakReport, model: ArtefactModel?, scores: PairScores?,
        shippingCommand: @escaping (_ usesBM25: Bool) -> String, provenance: ProvenanceFacts
    ) {
        self.comparison = comparison
        self.result = result
        self.splits = splits
        self.detectable = detectable
        self.leaks = leaks
        self.model = model
        self.scores = scores
        self.shippingCommand = shippingCommand
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
        facts.created = ISO8601DateFormatter().string(from: Date())
        for index in facts.systems.indices {
            let name = facts.systems[index].name
            let row = result.rows.first { $0.name == name }
            facts.systems[index].title = SystemTitles.title(name)
            facts.systems[index].summary = SystemTitles.summary(name, choices: row?.choices ?? [:])
            facts.systems[index].seconds = result.seconds[name]
            if systems[index].evaluation.seeds.count > 1 {
                facts.systems[index].seeds = systems[index].evaluation.spread
            }
        }
        try addSubsets(to: &facts, evaluations, qrels)
        facts.statistics = StatisticsFacts(
            comparisons: report.systems.count - 1,
            detectable: .init(
                metric: metric, difference: detectable.difference, power: detectable.power,
                standardDeviation: detectable.standardDeviation))
        facts.perQuery = PerQueryFacts(
            evaluations.map { ($0.name, $0.evaluation.mean) }, metrics: metrics,
            texts: { collection.queryText($0) ?? "" })
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
            if let verdict = ComparisonVerdict(result, metric: metric) {
                var words = VerdictFacts(verdict, result, split: split, queries: report.queries, metric: metric)
                words.notes = (words.notes ?? []) + subsetNotes(facts, of: verdict.candidate)
                words.costs = try model.map { try comparison.costs(of: $0, chosen, machine: provenance.machine) }
                words.command = shippingCommand(verdict.usesBM25)
                facts.verdict = words
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

    /// Adds figures on groups of queries: those whose answers were in training, the others, and those without twins.
    private func addSubsets(
        to facts: inout ComparisonFacts, _ evaluations: [(name: String, evaluation: SeededEvaluation)], _ qrels: Qrels
    ) throws {
        let learned = try splits.qrels(.train)
        let partition = QueryPartition(
            qrels, learned: learned, identity: ContentIdentity(collection, labelledBy: [learned, qrels]))
        let reports = try partition.reports(
            split: facts.split, evaluations: evaluations, baseline: facts.baseline, metrics: [facts.metric])
        var shown: [(subset: QuerySubset, report: EvaluationReport)] = []
        func add(_ name: String, _ title: String, _ summary: String, _ report: EvaluationReport?) {
            guard let report else { return }
            shown.append((QuerySubset(name: name, title: title, summary: summary, queries: report.queries), report))
        }
        let shares = partition.seenShares
        let share = Number.percent(shares.reduce(0, +) / Double(max(1, shares.count)))
        add(
            "seen-documents", "Seen documents", "every relevant document was an answer in training",
            reports[.seenDocuments])
        add(
            "new-documents", "New documents",
            "some relevant document was not an answer in training"
                + (shares.isEmpty ? "" : "; on average \(share) of a query’s relevant documents were"),
            reports[.newDocuments])
        let twins = leaks.affectedQueries
        let others = evaluations.map { ($0.name, $0.evaluation.filter { !twins.contains($0) }) }
        if !twins.isEmpty, others.first?.1.mean.queryIds.isEmpty == false {
            add(
                "without-twins", "Without twins", "no query of train or dev has the same or nearly the same text",
                try EvaluationReport(
                    split: "\(facts.split), without twins", evaluations: others, baseline: facts.baseline,
                    metrics: [facts.metric]))
        }
        facts.subsets = shown.map(\.subset)
        for index in facts.systems.indices {
            facts.systems[index].subsets = shown.compactMap { subset, report in
                report.systems.first { $0.name == facts.systems[index].name }.map {
                    SubsetResult(subset: subset.name, metrics: $0.metrics, difference: $0.difference)
                }
            }
        }
    }

    /// Sentences on a system's gain by group: for documents that were not answers in training, and for queries without twins.
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
                "For \(Number.count(seen)) of \(Number.count(facts.queries)) \(facts.split) queries, every relevant document was an answer in training. "
                    + (figure("new-documents").map {
                        "On the other \(Number.count(new)), \(name) differs from the black box by \($0)\(new < Self.fewQueries ? "; these are too few to predict the gain on documents that are added later." : ".")"
                    } ?? "So the gain on documents that are added later is unknown."))
        }
        if queries("without-twins") > 0, let figure = figure("without-twins") {
            notes.append(
                "\(Number.count(facts.queries - queries("without-twins"))) \(facts.split) queries have a twin in train or dev. Without them, \(name) differs from the black box by \(figure)."
            )
        }
        return notes
    }

    /// With fewer queries an interval is too wide to predict anything.
    private static let fewQueries = 30

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

    private func histograms(_ chosen: TrainingRecord) throws -> [ScoreHistogramFacts] {
        let samples = try comparison.scoreSamples(of: chosen)
        return [("Black box", samples.blackBox), ("Local encoder, trained", samples.local)].compactMap {
            title, sample in
            ScoreHistogramFacts(title: title, groups: [("relevant", sample.relevant), ("other", sample.other)])
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

    private func examples(_ chosen: TrainingRecord, _ qrels: Qrels) throws -> ExampleFacts {
        let rankings = try comparison.rankings(of: chosen)
        var examples = ExampleFacts(
            system: (chosen.name, rankings.chosen), baseline: (ArtefactEvaluation.baseline, rankings.blackBox),
            qrels: qrels, metric: plan.metric, query: collection.queryText, document: collection.document,
            parts: { scores?.parts(query: $0, document: $1) })
        guard let words = model.flatMap({ LeaveOneOut($0) }) else { return examples }
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

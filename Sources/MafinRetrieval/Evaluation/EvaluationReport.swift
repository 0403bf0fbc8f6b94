/// One system's difference to the baseline in one metric.
public struct MetricDifference: Sendable, Equatable, Codable {
    /// Mean over queries of system minus baseline.
    public var mean: Double
    /// Lower bound of the paired bootstrap interval.
    public var low: Double
    /// Upper bound of the paired bootstrap interval.
    public var high: Double
    /// Two-sided p of the paired randomization test.
    public var p: Double
    /// `p` after Holm's correction over all systems that are compared in this metric.
    public var pHolm: Double

    /// A difference from its parts.
    public init(mean: Double, low: Double, high: Double, p: Double, pHolm: Double) {
        self.mean = mean
        self.low = low
        self.high = high
        self.p = p
        self.pHolm = pHolm
    }
}

/// One system's row of the comparison table.
public struct SystemEvaluation: Sendable, Equatable, Codable {
    /// The system: `bm25`, `black-box`, `mafin`, …
    public var name: String
    /// Mean of each metric over the judged queries.
    public var metrics: [Metric: Double]
    /// Difference to the baseline in each metric; `nil` for the baseline itself.
    public var difference: [Metric: MetricDifference]?

    /// A row from its parts.
    public init(name: String, metrics: [Metric: Double], difference: [Metric: MetricDifference]?) {
        self.name = name
        self.metrics = metrics
        self.difference = difference
    }
}

/// Several systems on one split, each compared with the same baseline. `mafin evaluate --json` prints it.
public struct EvaluationReport: Sendable, Equatable, Codable {
    /// The split that was measured.
    public var split: String
    /// Name of the system that is subtracted from the others.
    public var baseline: String
    /// Number of queries in every mean.
    public var queries: Int
    /// Number of judged queries that are left out because they have no relevant document.
    public var queriesWithoutRelevantDocument: Int
    /// The systems, in the given order.
    public var systems: [SystemEvaluation]

    /// A report from its parts.
    public init(
        split: String, baseline: String, queries: Int, queriesWithoutRelevantDocument: Int, systems: [SystemEvaluation]
    ) {
        self.split = split
        self.baseline = baseline
        self.queries = queries
        self.queriesWithoutRelevantDocument = queriesWithoutRelevantDocument
        self.systems = systems
    }

    /// Measures the systems and compares each with the baseline.
    /// - Parameters:
    ///   - runs: the systems by name, including the baseline.
    ///   - baseline: name of the system that is subtracted from the others.
    ///   - metrics: the metrics to compute. All differences use the same resampled queries.
    /// - Throws: ``RetrievalError/noJudgedQueries(path:)`` where no query has a relevant document.
    public init(
        split: String, runs: [(name: String, run: Run)], qrels: Qrels, baseline: String,
        metrics: [Metric] = Metric.standard, bootstrap: PairedBootstrap = PairedBootstrap(),
        test: PairedRandomizationTest = PairedRandomizationTest()
    ) throws {
        try self.init(
            split: split,
            evaluations: runs.map { (name: $0.name, evaluation: evaluate($0.run, against: qrels, metrics: metrics)) },
            baseline: baseline, metrics: metrics, bootstrap: bootstrap, test: test)
    }

    /// Compares systems that have been measured once each, on the same qrels.
    /// - Throws: ``RetrievalError/noJudgedQueries(path:)`` where no query has a relevant document.
    public init(
        split: String, evaluations: [(name: String, evaluation: RunEvaluation)], baseline: String,
        metrics: [Metric] = Metric.standard, bootstrap: PairedBootstrap = PairedBootstrap(),
        test: PairedRandomizationTest = PairedRandomizationTest()
    ) throws {
        try self.init(
            split: split, evaluations: evaluations.map { ($0.name, SeededEvaluation([$0.evaluation])) },
            baseline: baseline, metrics: metrics, bootstrap: bootstrap, test: test)
    }

    /// Compares systems that have been measured on the same qrels. For a system with several seeds, interval and p
    /// include the variance between seeds.
    /// - Throws: ``RetrievalError/noJudgedQueries(path:)`` where no query has a relevant document.
    public init(
        split: String, evaluations: [(name: String, evaluation: SeededEvaluation)], baseline: String,
        metrics: [Metric] = Metric.standard, bootstrap: PairedBootstrap = PairedBootstrap(),
        test: PairedRandomizationTest = PairedRandomizationTest()
    ) throws {
        guard let reference = evaluations.first(where: { $0.name == baseline })?.evaluation else {
            preconditionFailure("the baseline \(baseline) is not among the systems")
        }
        guard !reference.mean.queryIds.isEmpty else { throw RetrievalError.noJudgedQueries(path: split) }
        let others = evaluations.indices.filter { evaluations[$0].name != baseline }
        // One column per system and metric, so that all use the same resamples.
        let columns = metrics.flatMap { metric in
            others.map { evaluations[$0].evaluation.mean.differences(from: reference.mean, in: metric) }
        }
        let seeds = metrics.flatMap { metric in
            others.map { evaluations[$0].evaluation.seedErrors(minus: reference, in: metric) }
        }
        let intervals = bootstrap.intervals(of: columns, seeds: seeds)
        let pValues = test.pValues(of: columns, seeds: seeds)
        var differences = [[Metric: MetricDifference]](repeating: [:], count: evaluations.count)
        for (row, metric) in metrics.enumerated() {
            let slice = row * others.count..<(row + 1) * others.count
            let adjusted = holmAdjusted(Array(pValues[slice]))
            for (offset, system) in others.enumerated() {
                let interval = intervals[slice.lowerBound + offset]
                differences[system][metric] = MetricDifference(
                    mean: interval.mean, low: interval.low, high: interval.high,
                    p: pValues[slice.lowerBound + offset], pHolm: adjusted[offset])
            }
        }
        self.split = split
        self.baseline = baseline
        queries = reference.mean.queryIds.count
        queriesWithoutRelevantDocument = reference.mean.queriesWithoutRelevantDocument
        systems = evaluations.indices.map { index in
            let means = evaluations[index].evaluation.mean.means.filter { metrics.contains($0.key) }
            return SystemEvaluation(
                name: evaluations[index].name, metrics: means,
                difference: evaluations[index].name == baseline ? nil : differences[index])
        }
    }
}

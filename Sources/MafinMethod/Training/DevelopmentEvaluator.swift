import MafinNumerics
import MafinRetrieval

/// A state of a training run that is to be evaluated on the development queries.
public struct DevelopmentState: Sendable {
    /// Updates made so far.
    public var step: Int
    /// The local rows of the development queries, in the order of ``TrainingIndex/devQueries``, or of ``sample``.
    public var queries: LocalRows
    /// The local rows of all documents.
    public var documents: LocalRows
    /// The scale at which training goes on.
    public var scale: MixtureWeights
    /// How the scores of black box and local encoder become one.
    public var form: ScoreForm
    /// Places in ``TrainingIndex/devQueries`` of the queries to evaluate, ascending; `nil`: all of them. Always `nil` in
    /// an evaluation of your own.
    public var sample: [Int]?
}

/// The figures of one state on the development queries.
public struct DevelopmentResult: Sendable, Codable, Equatable {
    /// The metric, larger is better; nDCG@10 by default.
    public var metric: Double
    /// Mean log-likelihood of the labels, in nats; larger is better.
    public var logLikelihood: Double
    /// The scale fitted on the development queries, which the artefact carries.
    public var scale: MixtureWeights
    /// Further figures by name, which are only recorded.
    public var figures: [String: Double]
    /// Both figures of each query. ``TrainingGain`` measures the gain of training from them. `nil` if they are not
    /// known, and in the history of a run, which keeps only means.
    public var queries: QueryFigures?

    /// A result of an evaluation.
    public init(
        metric: Double, logLikelihood: Double, scale: MixtureWeights, figures: [String: Double] = [:],
        queries: QueryFigures? = nil
    ) {
        self.metric = metric
        self.logLikelihood = logLikelihood
        self.scale = scale
        self.figures = figures
        self.queries = queries
    }

    /// The result on some of the queries, by their places in ``queries``; `nil` if their figures are not known. The
    /// scale stays that of all.
    func limited(to places: [Int]) -> DevelopmentResult? {
        guard let queries else { return nil }
        func mean(_ values: [Float]) -> Double { values.reduce(0) { $0 + Double($1) } / Double(max(1, values.count)) }
        let kept = queries.limited(to: places)
        var limited = self
        limited.metric = mean(kept.metric)
        limited.logLikelihood = mean(kept.logLikelihood)
        limited.figures["queries"] = Double(places.count)
        limited.queries = kept
        return limited
    }

    /// Metric and log-likelihood of each evaluated query, in the order of ``TrainingIndex/devQueries``.
    public struct QueryFigures: Sendable, Codable, Equatable {
        /// The metric of each query.
        public var metric: [Float]
        /// The log-likelihood of each query's labels, in nats.
        public var logLikelihood: [Float]

        /// Figures of the same queries in the same order.
        public init(metric: [Float], logLikelihood: [Float]) {
            precondition(
                metric.count == logLikelihood.count, "\(metric.count) metrics, \(logLikelihood.count) likelihoods")
            self.metric = metric
            self.logLikelihood = logLikelihood
        }

        /// The figures of some of the queries, by their places.
        func limited(to places: [Int]) -> QueryFigures {
            QueryFigures(metric: places.map { metric[$0] }, logLikelihood: places.map { logLikelihood[$0] })
        }
    }
}

/// The default evaluation: scores all documents for the development queries, fits both weights by maximum likelihood,
/// and ranks.
///
/// The forms `fixed` and `learned` rank with the fitted (a, b), because weights that are fitted on the training queries
/// overfit them. The form `norm` has no λ to fit, and `localOnly` has no frozen scores. The log-likelihood is the negative
/// ``ListNet`` loss with ``ListNet/Target/exponentialGain``. Equal scores rank in the order of trec_eval
/// (``TrainingIndex/tieOrder``).
public struct DevelopmentEvaluator: Sendable {
    private let index: TrainingIndex
    private let scores: FrozenScores
    private let byteBudget: Int
    private let ranks: RelevantRanks
    private let fitsScale: Bool

    /// - Parameters:
    ///   - byteBudget: bytes of score matrices that are held in memory at a time.
    ///   - metric: the metric by which states are chosen.
    ///   - fitsScale: whether ranks are taken at the scale fitted on dev; if not, at the scale of training.
    ///   - base: the frozen scores beside the encoder's; `nil`: the black box's.
    /// - Throws: ``TrainingError/noQueries(list:reason:)`` if there is no development query.
    public init<Inputs>(
        data: TrainingData<Inputs>, byteBudget: Int, metric: Metric = .nDCG(cutoff: 10), fitsScale: Bool = true,
        base: TrainingBase? = nil
    ) throws {
        guard !data.index.devQueries.isEmpty else {
            throw TrainingError.noQueries(
                list: "development queries",
                reason: "without them no state can be chosen; hold some of the training queries out")
        }
        index = data.index
        scores = data.frozenScores(of: data.index.devQueries, base: base, byteBudget: byteBudget)
        self.byteBudget = byteBudget
        ranks = RelevantRanks(tieOrder: data.index.tieOrder, metric: metric)
        self.fitsScale = fitsScale
    }

    /// The figures of a state. The figure "local" is the metric of the local scores alone. The figure "queries" is the
    /// number of queries. The figure "fitted" is 1 if weights were fitted, and 0 if those of the state were kept: in the
    /// norm form, without `fitsScale`, and if neither score ranks the labels above chance.
    /// - Complexity: O(queries · documents · (black-box width + local width)). If the scores do not fit the budget,
    ///   each pass of the fit costs the same again.
    public func evaluate(_ state: DevelopmentState) throws -> DevelopmentResult {
        let asked = state.sample.map { $0.map { index.devQueries[$0] } } ?? index.devQueries
        let fitted = try fittedScale(state, of: asked)
        let scale = fitted ?? state.scale
        let head = ScoreHead(scale: scale, form: state.documents.weights.isEmpty ? .unit : .norm(factor: 1))
        let likelihood = ListNet(target: .exponentialGain)
        var (mixed, local, logLikelihoods): ([Double], [Double], [Double]) = ([], [], [])
        // Three score matrices of a block are in memory at a time.
        let blockRows = max(1, byteBudget / (3 * MemoryLayout<Float>.stride * max(1, index.documentCount)))
        for start in stride(from: 0, to: asked.count, by: blockRows) {
            let rows = start..<min(start + blockRows, asked.count)
            let queries = Array(asked[rows])
            let pass = head.forward(
                queries: state.queries.selecting(rows: Array(rows)), documents: state.documents,
                blackBox: head.blackBoxFactor == 0 ? nil : scores.block(queries: queries))
            let labels = StepPlan(queries: queries).againstCorpus(index).labels
            logLikelihoods += likelihood.evaluateRows(logits: pass.logits, labels: labels).values.map { -$0 }
            let judged = index.judged(queries)
            mixed += ranks.values(of: pass.logits, judged: judged)
            local += ranks.values(of: pass.local, judged: judged)
        }
        func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
        return DevelopmentResult(
            metric: mean(mixed), logLikelihood: mean(logLikelihoods), scale: scale,
            figures: ["local": mean(local), "fitted": fitted == nil ? 0 : 1, "queries": Double(asked.count)],
            queries: .init(metric: mixed.map(Float.init), logLikelihood: logLikelihoods.map(Float.init)))
    }

    private func fittedScale(_ state: DevelopmentState, of queries: [Int]) throws -> MixtureWeights? {
        if state.form == .norm || !fitsScale { return nil }
        do {
            return try Calibration.fit(
                queries: queries, local: state.queries.vectors, documents: state.documents.vectors,
                scores: state.form == .localOnly ? nil : scores, index: index, byteBudget: byteBudget,
                startingAt: state.scale
            ).scale
        } catch CalibrationError.uninformative {
            return nil
        }
    }
}

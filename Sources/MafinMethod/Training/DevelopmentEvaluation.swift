import MafinNumerics
import MafinRetrieval

/// What an evaluation is given: the local half of the moment.
public struct DevelopmentState: Sendable {
    /// Updates made so far.
    public var step: Int
    /// The local rows of the development queries, in the order of ``TrainingIndex/devQueries``, ready to be compared.
    public var queries: LocalRows
    /// The local rows of all documents, ready to be compared.
    public var documents: LocalRows
    /// The scale at which training goes on.
    public var scale: MixtureWeights
    /// How the halves' scores become one.
    public var form: ScoreForm
}

/// What an evaluation says of a state.
public struct DevelopmentResult: Sendable, Codable, Equatable {
    /// The figure to choose by, larger is better; nDCG@10 by default.
    public var metric: Double
    /// Mean log-likelihood of the labels, in nats, at most 0 for the default; larger is better.
    public var logLikelihood: Double
    /// The scale fitted on the development queries: what the artefact carries.
    public var scale: MixtureWeights
    /// Further figures by name, for the record.
    public var figures: [String: Double]

    /// A result of an evaluation.
    public init(metric: Double, logLikelihood: Double, scale: MixtureWeights, figures: [String: Double] = [:]) {
        self.metric = metric
        self.logLikelihood = logLikelihood
        self.scale = scale
        self.figures = figures
    }
}

/// The default evaluation: scores the development queries over all documents, fits the scale by likelihood, and ranks.
///
/// Forms `fixed` and `learned` are ranked at the fitted (a, b): fitted on train it over-fits, see METHOD §2. `norm` has no λ to fit, and
/// `localOnly` only a temperature, which does not move a ranking.
public struct DevelopmentEvaluator: Sendable {
    private let index: TrainingIndex
    private let scores: ScoreSource
    private let byteBudget: Int
    private let metric: Metric
    private let fitsScale: Bool

    /// - Parameters:
    ///   - byteBudget: bytes of score matrices held at a time.
    ///   - metric: what to choose by.
    ///   - fitsScale: whether ranks are taken at the scale fitted on dev; if not, at the scale of training.
    /// - Throws: ``TrainingError/noQueries(list:reason:)`` where there is no development query.
    public init<Inputs>(
        data: TrainingData<Inputs>, byteBudget: Int, metric: Metric = .nDCG(cutoff: 10), fitsScale: Bool = true
    ) throws {
        guard !data.index.devQueries.isEmpty else {
            throw TrainingError.noQueries(
                list: "development queries",
                reason: "without them no state can be chosen; hold some training queries out (TrainingIndex.holdOut)")
        }
        index = data.index
        scores = ScoreSource(
            queries: data.index.devQueries, queryVectors: data.blackBoxQueries,
            documentVectors: data.blackBoxDocuments, byteBudget: byteBudget)
        self.byteBudget = byteBudget
        self.metric = metric
        self.fitsScale = fitsScale
    }

    /// Figures of a state: `metric`, `logLikelihood`; under "local" the metric of the local half alone, under "fitted" 1 where a scale was
    /// fitted, and 0 where the state's own was kept: in the norm form, and where neither half ranks the labels above chance.
    /// - Complexity: O(queries · documents · (black-box width + local width)).
    public func evaluate(_ state: DevelopmentState) throws -> DevelopmentResult {
        let fitted = try fittedScale(state)
        let scale = fitted ?? state.scale
        let head = ScoreHead(scale: scale, form: state.documents.weights.isEmpty ? .unit : .norm(factor: 1))
        let likelihood = ListNet(target: .exponentialGain)
        var (mixed, alone, logLikelihood) = (0.0, 0.0, 0.0)
        for rows in blocks(state) {
            let queries = Array(index.devQueries[rows])
            let pass = head.forward(
                queries: state.queries.selecting(rows: Array(rows)), documents: state.documents,
                blackBox: head.blackBoxFactor == 0 ? nil : scores.block(queries: queries))
            let labels = StepPlan(queries: queries).againstCorpus(index).labels
            logLikelihood -=
                Double(likelihood.evaluate(logits: pass.logits, labels: labels).value) * Double(queries.count)
            mixed += sum(of: pass.logits, queries: queries)
            alone += sum(of: pass.local, queries: queries)
        }
        let count = Double(index.devQueries.count)
        return DevelopmentResult(
            metric: mixed / count, logLikelihood: logLikelihood / count, scale: scale,
            figures: ["local": alone / count, "fitted": fitted == nil ? 0 : 1])
    }

    /// Rows of queries whose three score matrices fit the budget.
    private func blocks(_ state: DevelopmentState) -> [Range<Int>] {
        let rows = max(1, byteBudget / (3 * MemoryLayout<Float>.stride * max(1, index.documentCount)))
        return stride(from: 0, to: index.devQueries.count, by: rows).map {
            $0..<min($0 + rows, index.devQueries.count)
        }
    }

    private func fittedScale(_ state: DevelopmentState) throws -> MixtureWeights? {
        if state.form == .norm || !fitsScale { return nil }
        do {
            return try ScaleFit.fit(
                queries: index.devQueries, local: state.queries.vectors, documents: state.documents.vectors,
                scores: state.form == .localOnly ? nil : scores, index: index, byteBudget: byteBudget,
                startingAt: state.scale
            ).scale
        } catch CalibrationError.uninformative {
            return nil
        }
    }

    /// Ranks that the metric looks at.
    private var depth: Int {
        switch metric {
        case .nDCG(let cutoff), .reciprocalRank(let cutoff), .averagePrecision(let cutoff):
            min(cutoff ?? index.documentCount, index.documentCount)
        case .recall(let cutoff), .precision(let cutoff), .success(let cutoff): min(cutoff, index.documentCount)
        case .rPrecision: index.documentCount
        }
    }

    private func sum(of logits: Matrix, queries: [Int]) -> Double {
        let ranked = rank(scores: logits, count: depth)
        var sum = 0.0
        for (row, query) in queries.enumerated() {
            let grades = Dictionary(
                uniqueKeysWithValues: index.labels[query].map { ($0.column, Int($0.grade.rounded(.up))) })
            sum += metric.value(
                of: JudgedRanking(
                    grades: ranked[row].map { grades[$0.index] ?? 0 }, judgedGrades: Array(grades.values)))
        }
        return sum
    }
}

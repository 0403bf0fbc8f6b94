/// The weights w ≥ 0 that make the labels most likely under `P = softmax(Σ_k w_k s_k)` over each query's candidates,
/// for the scores s_k of any number of sources.
///
/// The fit minimises the mean over labelled queries of `−Σ_d Q_d log P_d`, with Q as in ``ListNet/Target``. This
/// function is convex, so every local minimum is the global one. It is the conditional logit model of McFadden 1974
/// ("Conditional logit analysis of qualitative choice behavior") with one coefficient per source. A negative weight would
/// rank by *dis*similarity, so a source that only adds noise has weight 0.
///
/// ``Calibration`` is the fit for a black box and a local encoder, in terms of λ and τ.
public struct WeightFit: Sendable, Codable, Hashable {
    /// The names of the sources, in the order of ``weights``.
    public let sources: [SourceName]
    /// One weight per source, at least 0. All are 0 if no source ranks the labels better than chance.
    public let weights: [Double]
    /// Mean over the labelled queries of the cross entropy between labels and scores, in nats.
    public let loss: Double
    /// The same where all scores are equal. What the sources are worth is its distance to ``loss``.
    public let uniformLoss: Double
    /// Mean entropy of the label distributions, in nats: the least that ``loss`` can be.
    public let labelEntropy: Double
    /// Root mean square over the labelled queries of the standard deviation of each source's scores within a query, all
    /// candidates alike. A source whose scores do not differ within any query has 0.
    public let spreads: [Double]
    /// Queries that had a relevant document and a weight above 0.
    public let labelledRows: Int
    /// Whether the bound holds the weights down, so that they would be larger without it.
    public let isAtBound: Bool
    /// Second derivatives of ``loss`` at ``weights``, `(sources, sources)`, row-major. The inverse, divided by
    /// ``labelledRows``, is the covariance of the weights. Rows and columns of sources that took no part, because they are
    /// constant or were not selected, are 0.
    public let hessian: [Double]
    /// How the sources were selected; `nil` if all took part.
    public let selection: Selection?
    /// Number of passes that the fit made over the scores. A pass over a part of the queries counts as that part.
    public let passes: Int

    /// What keeps the weights finite where the scores separate the labels without error.
    public enum Bound: Sendable, Hashable {
        /// `Σ_k w_k` is at most this. For sources in the same unit, such as cosines, for which it is 1 / temperature.
        case sum(Double)
        /// `Σ_k w_k σ_k` is at most this, with σ as in ``WeightFit/spreads``. It bounds the standard deviation of the
        /// logits within a query, in nats, and does not depend on the sources' units.
        case spread(Double)
    }

    /// How sources were selected.
    public struct Selection: Sendable, Codable, Hashable {
        /// The chosen weight of the penalty `Σ_k w_k σ_k`, in nats.
        public let penalty: Double
        /// ``WeightFit/loss`` of queries that the fit has not seen, with this penalty.
        public let crossFittedLoss: Double
        /// The number of parts into which the queries were divided.
        public let folds: Int
    }

    /// The sources of weight 0.
    public var dropped: [SourceName] { zip(sources, weights).filter { $0.1 == 0 }.map(\.0) }

    /// Fits the weights of all sources.
    ///
    /// - Parameters:
    ///   - blocks: the sources' scores of the queries. They are read once per iteration, about ten times in all.
    ///   - labels: one row per query. Columns are positions in the query's list of candidates. Masked columns are not
    ///     candidates. Rows without a relevant column are left out.
    ///   - rowWeights: how much each row counts, at least 0; `nil`: all the same. A row of weight 2 counts as two equal
    ///     rows, and one of weight 0 is left out. So a query can have several versions that count less each.
    ///   - target: how grades become label distributions.
    ///   - bound: above 0.
    ///   - start: where to begin, such as the weights of the last fit. It changes the time of the fit, not its result.
    /// - Throws: ``CalibrationError/noLabelledRow(rows:)``, ``CombinationError/notFinite(source:row:column:id:)``, and
    ///   whatever the closure that computes the blocks throws.
    /// - Complexity: O(candidates · sources²) per pass, in double precision, on all threads. Memory: one block.
    public static func fit(
        _ blocks: ScoreBlocks, labels: BlockLabels, rowWeights: [Double]? = nil,
        target: ListNet.Target = .exponentialGain, bound: Bound = .spread(100), startingAt start: [Double]? = nil
    ) throws -> WeightFit {
        let problem = try WeightProblem(
            blocks, labels: labels, rowWeights: rowWeights, target: target, bound: bound)
        let support = problem.varying
        var first: [Double]?
        if let start {
            precondition(
                start.count == blocks.sources.count, "\(start.count) weights for \(blocks.sources.count) sources")
            first = support.map { start[$0] * problem.spreads[$0] }
        }
        let fitted = try problem.fit(support, startingAt: first)
        return WeightFit(problem, fitted, of: support, selection: nil)
    }

    /// Selects the sources that help with queries that the fit has not seen, and fits the weights of these alone.
    ///
    /// The relaxed lasso (Meinshausen 2007) with its second parameter at 0: the penalty `ρ Σ_k w_k σ_k` selects the
    /// sources, and the weights of those that are left are fitted without it. ρ is chosen by cross-fitting. The loss of
    /// each part of the queries is that of the weights which the same two steps give on other parts (on at most 400 of their queries). Of the penalties
    /// whose loss exceeds the least by no more than one standard error, the largest is chosen. It is the standard error
    /// of the *difference* of the two losses over groups of queries: the queries' losses themselves vary far more than
    /// what a source is worth.
    ///
    /// - Parameters:
    ///   - blocks: see ``fit(_:labels:rowWeights:target:bound:startingAt:)``.
    ///   - rowWeights: see there.
    ///   - groups: one number per query. Queries of the same number stay in the same part, such as those that share a
    ///     document or a text; `nil`: each query is a group of its own.
    ///   - folds: the number of parts, at least 2. It is lower if there are fewer groups. If all labelled queries are one
    ///     group, nothing can be selected, and the weights are those of ``fit(_:labels:rowWeights:target:bound:startingAt:)``.
    ///   - standardErrors: how many standard errors the loss may exceed the least by, at least 0. The fewer, the more
    ///     sources are kept.
    /// - Throws: as ``fit(_:labels:rowWeights:target:bound:startingAt:)``.
    /// - Complexity: about 40 passes over 400 queries per fold, and 20 over all queries.
    public static func select(
        _ blocks: ScoreBlocks, labels: BlockLabels, rowWeights: [Double]? = nil, groups: [Int]? = nil,
        folds: Int = 5, standardErrors: Double = 1, target: ListNet.Target = .exponentialGain,
        bound: Bound = .spread(100)
    ) throws -> WeightFit {
        precondition(folds >= 2, "cross-fitting over \(folds) folds")
        precondition(standardErrors >= 0, "\(standardErrors) standard errors")
        let groups = groups ?? Array(0..<labels.rows)
        precondition(groups.count == labels.rows, "\(groups.count) groups of \(labels.rows) queries")
        let problem = try WeightProblem(
            blocks, labels: labels, rowWeights: rowWeights, target: target, bound: bound)
        guard let selection = try problem.select(groups: groups, folds: folds, standardErrors: standardErrors) else {
            return WeightFit(problem, try problem.fit(problem.varying), of: problem.varying, selection: nil)
        }
        return WeightFit(
            problem, try problem.fit(selection.support), of: selection.support, selection: selection.record)
    }

    /// Divides `rows` into at most `count` parts of about the same size. A group is never cut.
    package static func parts(_ rows: [Int], groups: [Int], count: Int) -> [[Int]] {
        let members = Dictionary(grouping: rows) { groups[$0] }.values.sorted { ($1.count, $0[0]) < ($0.count, $1[0]) }
        var parts = [[Int]](repeating: [], count: min(count, members.count))
        for group in members {
            guard let smallest = parts.indices.min(by: { parts[$0].count < parts[$1].count }) else { break }
            parts[smallest] += group
        }
        return parts.map { $0.sorted() }
    }

    private init(
        _ problem: WeightProblem, _ fitted: ConstrainedNewton.Result, of support: [Int], selection: Selection?
    ) {
        let count = problem.sources.count
        var (weights, hessian) = (
            [Double](repeating: 0, count: count), [Double](repeating: 0, count: count * count)
        )
        for (row, source) in support.enumerated() {
            weights[source] = fitted.point[row] / problem.spreads[source]
            for (column, other) in support.enumerated() {
                hessian[source * count + other] =
                    fitted.expansion.hessian[row * support.count + column]
                    * problem.spreads[source] * problem.spreads[other]
            }
        }
        sources = problem.sources
        self.weights = weights
        self.hessian = hessian
        loss = fitted.expansion.value
        uniformLoss = problem.likelihood.uniform.value
        labelEntropy = problem.likelihood.labelEntropy(of: problem.likelihood.rows)
        spreads = problem.spreads
        labelledRows = problem.likelihood.rows.count
        isAtBound = dot(problem.costs(of: support), fitted.point) >= problem.limit * (1 - 1e-9)
        self.selection = selection
        passes = problem.likelihood.passes
    }
}

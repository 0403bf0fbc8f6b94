import Foundation

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
    public let sources: [VectorSource]
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
    /// Queries that had a relevant document.
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
    public var dropped: [VectorSource] { zip(sources, weights).filter { $0.1 == 0 }.map(\.0) }

    /// Fits the weights of all sources.
    ///
    /// - Parameters:
    ///   - blocks: the sources' scores of the queries. They are read once per iteration, about ten times in all.
    ///   - labels: one row per query. Columns are positions in the query's list of candidates. Masked columns are not
    ///     candidates. Rows without a relevant column are left out.
    ///   - target: how grades become label distributions.
    ///   - bound: above 0.
    ///   - start: where to begin, such as the weights of the last fit. It changes the time of the fit, not its result.
    /// - Throws: ``CalibrationError/noLabelledRow(rows:)``, ``CombinationError/notFinite(source:row:column:id:)``, and
    ///   whatever the closure that computes the blocks throws.
    /// - Complexity: O(candidates · sources²) per pass, in double precision, on all threads. Memory: one block.
    public static func fit(
        _ blocks: ScoreBlocks, labels: BlockLabels, target: ListNet.Target = .exponentialGain,
        bound: Bound = .spread(100), startingAt start: [Double]? = nil
    ) throws -> WeightFit {
        let problem = try WeightProblem(blocks, labels: labels, target: target, bound: bound)
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
    /// each part of the queries is that of the weights which the same two steps give on the other parts. Of the penalties
    /// whose loss exceeds the least by no more than one standard error, the largest is chosen. It is the standard error
    /// of the *difference* of the two losses over groups of queries: the queries' losses themselves vary far more than
    /// what a source is worth.
    ///
    /// - Parameters:
    ///   - blocks: see ``fit(_:labels:target:bound:startingAt:)``.
    ///   - groups: one number per query. Queries of the same number stay in the same part, such as those that share a
    ///     document or a text; `nil`: each query is a group of its own.
    ///   - folds: the number of parts, at least 2. It is lower if there are fewer groups. If all labelled queries are one
    ///     group, nothing can be selected, and the weights are those of ``fit(_:labels:target:bound:startingAt:)``.
    /// - Throws: as ``fit(_:labels:target:bound:startingAt:)``.
    /// - Complexity: about 40 passes per fold.
    public static func select(
        _ blocks: ScoreBlocks, labels: BlockLabels, groups: [Int]? = nil, folds: Int = 5,
        target: ListNet.Target = .exponentialGain, bound: Bound = .spread(100)
    ) throws -> WeightFit {
        precondition(folds >= 2, "cross-fitting over \(folds) folds")
        let groups = groups ?? Array(0..<labels.rows)
        precondition(groups.count == labels.rows, "\(groups.count) groups of \(labels.rows) queries")
        let problem = try WeightProblem(blocks, labels: labels, target: target, bound: bound)
        guard let selection = try problem.select(groups: groups, folds: folds) else {
            return WeightFit(problem, try problem.fit(problem.varying), of: problem.varying, selection: nil)
        }
        return WeightFit(
            problem, try problem.fit(selection.support), of: selection.support, selection: selection.record)
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

/// The likelihood as a function of `u_k = w_k σ_k`, so that nothing depends on the sources' units.
struct WeightProblem {
    let sources: [VectorSource]
    let likelihood: LabelLikelihood
    /// σ.
    let spreads: [Double]
    /// The sources of σ above 0. A constant cancels in a softmax.
    let varying: [Int]
    private let bound: WeightFit.Bound

    init(_ blocks: ScoreBlocks, labels: BlockLabels, target: ListNet.Target, bound: WeightFit.Bound) throws {
        sources = blocks.sources
        likelihood = try LabelLikelihood(blocks: blocks, labels: labels, target: target)
        let (count, variances) = (blocks.sources.count, likelihood.uniform.hessian)
        let spreads = (0..<count).map { variances[$0 * (count + 1)].squareRoot() }
        self.spreads = spreads
        varying = (0..<count).filter { spreads[$0] > 0 }
        self.bound = bound
        precondition(limit > 0 && limit.isFinite, "bound \(limit)")
    }

    var limit: Double {
        switch bound {
        case .sum(let limit), .spread(let limit): limit
        }
    }

    /// What one unit of u costs of the bound.
    func costs(of support: [Int]) -> [Double] {
        switch bound {
        case .sum: support.map { 1 / spreads[$0] }
        case .spread: [Double](repeating: 1, count: support.count)
        }
    }

    // MARK: Fits

    /// The maximum of the likelihood of `rows` (`nil`: all), with the sources of `support` alone.
    func fit(
        _ support: [Int], rows: [Int]? = nil, startingAt start: [Double]? = nil, tolerance: Double = 1e-15
    ) throws -> ConstrainedNewton.Result {
        var best = try minimum(support, rows: rows, startingAt: start, tolerance: tolerance)
        let cost = dot(costs(of: support), best.point)
        let least = likelihood.labelEntropy(of: rows ?? likelihood.rows)
        if best.expansion.value - least < 1e-9, cost > 0, cost < limit {
            // The scores explain all labels. Larger weights are as good, so they are set to their bound.
            best.point = best.point.map { $0 * (limit / cost) }
            best.expansion = try evaluate(at: best.point, support, rows: rows)
        }
        return best
    }

    /// The minimum of the loss plus `penalty · Σ u_k`.
    private func minimum(
        _ support: [Int], rows: [Int]?, startingAt start: [Double]?, penalty: Double = 0, tolerance: Double
    ) throws -> ConstrainedNewton.Result {
        let newton = ConstrainedNewton(costs: costs(of: support), bound: limit, tolerance: tolerance)
        let point = newton.feasible(start ?? support.map { _ in 0 })
        func penalised(_ point: [Double]) throws -> Expansion {
            var expansion = try evaluate(at: point, support, rows: rows)
            expansion.value += penalty * point.reduce(0, +)
            for index in point.indices { expansion.gradient[index] += penalty }
            return expansion
        }
        return try newton.minimize(from: .init(point: point, expansion: penalised(point)), penalised)
    }

    private func evaluate(at point: [Double], _ support: [Int], rows: [Int]?) throws -> Expansion {
        let scales = support.map { spreads[$0] }
        let expansion =
            rows == nil && point.allSatisfy { $0 == 0 }
            ? likelihood.uniform.selecting(support)
            : try likelihood.evaluate(
                at: zip(point, scales).map { $0 / $1 }, of: support, rows: rows ?? likelihood.rows)
        return expansion.dividing(by: scales)
    }

    // MARK: Selection

    /// The penalties that are tried: from the one above which every weight is 0 to a 500th of it, and none.
    private var penalties: [Double] {
        let gradient = likelihood.uniform.gradient
        let largest = varying.map { -gradient[$0] / spreads[$0] }.max() ?? 0
        guard largest > 0 else { return [0] }
        return (0..<12).map { largest * pow(500, -Double($0) / 11) } + [0]
    }

    /// The penalised weights u of ``varying`` at each of `penalties`, which fall.
    private func path(_ penalties: some Sequence<Double>, rows: [Int]?) throws -> [[Double]] {
        var point = varying.map { _ in 0.0 }
        return try penalties.map { penalty in
            point = try minimum(varying, rows: rows, startingAt: point, penalty: penalty, tolerance: 1e-8).point
            return point
        }
    }

    /// The sources that have a weight, and their weights.
    private func support(of point: [Double]) -> (sources: [Int], weights: [Double]) {
        let left = varying.indices.filter { point[$0] > 0 }
        return (left.map { varying[$0] }, left.map { point[$0] })
    }

    /// The sources to keep; `nil` if the queries cannot be divided.
    func select(groups: [Int], folds: Int) throws -> (support: [Int], record: WeightFit.Selection)? {
        let rows = likelihood.rows
        let parts = Self.parts(rows, groups: groups, count: folds)
        guard parts.count > 1 else { return nil }
        let penalties = penalties
        // For each penalty the loss of each row by the weights of the other parts.
        var losses = [[Double]](repeating: [Double](repeating: 0, count: groups.count), count: penalties.count)
        for part in parts {
            let isHeld = Set(part)
            let others = rows.filter { !isHeld.contains($0) }
            var known: [[Int]: [Double]] = [:]
            for (index, point) in try path(penalties, rows: others).enumerated() {
                let (support, start) = support(of: point)
                let held: [Double]
                if let found = known[support] {
                    held = found
                } else {
                    let fitted = try fit(support, rows: others, startingAt: start, tolerance: 1e-8).point
                    held = try likelihood.losses(
                        at: zip(fitted, support).map { $0 / spreads[$1] }, of: support, rows: part)
                    known[support] = held
                }
                for (row, loss) in zip(part, held) { losses[index][row] = loss }
            }
        }
        let means = losses.map { $0.reduce(0, +) / Double(rows.count) }
        guard let best = means.indices.min(by: { means[$0] < means[$1] }),
            let chosen = means.indices.first(where: { index in
                let error = Self.standardError(
                    rows.map { (groups[$0], losses[index][$0] - losses[best][$0]) }, mean: means[index] - means[best])
                return means[index] - means[best] <= error
            }), let point = try path(penalties.prefix(chosen + 1), rows: nil).last
        else { return nil }
        return (
            support(of: point).sources,
            WeightFit.Selection(penalty: penalties[chosen], crossFittedLoss: means[chosen], folds: parts.count)
        )
    }

    /// Divides `rows` into at most `count` parts of about the same size. A group is never cut.
    static func parts(_ rows: [Int], groups: [Int], count: Int) -> [[Int]] {
        let members = Dictionary(grouping: rows) { groups[$0] }.values.sorted { ($1.count, $0[0]) < ($0.count, $1[0]) }
        var parts = [[Int]](repeating: [], count: min(count, members.count))
        for group in members {
            guard let smallest = parts.indices.min(by: { parts[$0].count < parts[$1].count }) else { break }
            parts[smallest] += group
        }
        return parts.map { $0.sorted() }
    }

    /// The standard error of the mean of `values`, which are independent between groups only.
    private static func standardError(_ values: [(group: Int, value: Double)], mean: Double) -> Double {
        var sums: [Int: Double] = [:]
        for (group, value) in values { sums[group, default: 0] += value - mean }
        let count = Double(sums.count)
        // In the order of the groups, because the order of a dictionary changes the last digits of a sum.
        let squares = sums.sorted { $0.key < $1.key }.reduce(0) { $0 + $1.value * $1.value }
        return (squares * count / (count - 1)).squareRoot() / Double(values.count)
    }
}

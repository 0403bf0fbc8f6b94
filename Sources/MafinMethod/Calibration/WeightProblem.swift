import Foundation

/// The likelihood as a function of `u_k = w_k σ_k`, so that nothing depends on the sources' units.
struct WeightProblem {
    let sources: [SourceName]
    let likelihood: LabelLikelihood
    /// σ.
    let spreads: [Double]
    /// The sources of σ above 0. A constant cancels in a softmax.
    let varying: [Int]
    private let bound: WeightFit.Bound

    init(
        _ blocks: ScoreBlocks, labels: BlockLabels, rowWeights: [Double]?, target: ListNet.Target,
        bound: WeightFit.Bound
    ) throws {
        sources = blocks.sources
        likelihood = try LabelLikelihood(blocks: blocks, labels: labels, target: target, rowWeights: rowWeights)
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
    private func path(_ penalties: [Double], rows: [Int]) throws -> [[Double]] {
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

    /// The weights of each part are fitted to at most so many of the other rows: a few hundred are enough for a few
    /// weights, and the fits take nearly all the time. Losses are measured on all rows.
    static let rowsPerFit = 400

    /// At most ``rowsPerFit`` of `rows`, evenly spread.
    private static func sample(_ rows: [Int]) -> [Int] {
        guard rows.count > rowsPerFit else { return rows }
        return (0..<rowsPerFit).map { rows[$0 * rows.count / rowsPerFit] }
    }

    /// The sources to keep; `nil` if the queries cannot be divided.
    func select(
        groups: [Int], folds: Int, standardErrors: Double
    ) throws -> (support: [Int], record: WeightFit.Selection)? {
        let rows = likelihood.rows
        let parts = WeightFit.parts(rows, groups: groups, count: folds)
        guard parts.count > 1 else { return nil }
        let penalties = penalties
        // For each penalty the loss of each row by the weights of the other parts.
        var losses = [[Double]](repeating: [Double](repeating: 0, count: groups.count), count: penalties.count)
        for part in parts {
            let isHeld = Set(part)
            let others = Self.sample(rows.filter { !isHeld.contains($0) })
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
        let weights = likelihood.rowWeights
        let means = losses.map { losses in
            rows.reduce(0) { $0 + weights[$1] * losses[$1] } / likelihood.weight(of: rows)
        }
        guard let best = means.indices.min(by: { means[$0] < means[$1] }),
            let chosen = means.indices.first(where: { index in
                let error = Self.standardError(
                    rows.map { (groups[$0], weights[$0], losses[index][$0] - losses[best][$0]) },
                    mean: means[index] - means[best])
                return means[index] - means[best] <= standardErrors * error
            })
        else { return nil }
        let point = try minimum(varying, rows: nil, startingAt: nil, penalty: penalties[chosen], tolerance: 1e-8).point
        return (
            support(of: point).sources,
            WeightFit.Selection(penalty: penalties[chosen], crossFittedLoss: means[chosen], folds: parts.count)
        )
    }

    /// The standard error of the weighted mean of `values`, which are independent between groups only.
    private static func standardError(
        _ values: [(group: Int, weight: Double, value: Double)], mean: Double
    ) -> Double {
        var sums: [Int: Double] = [:]
        for (group, weight, value) in values { sums[group, default: 0] += weight * (value - mean) }
        let count = Double(sums.count)
        // In the order of the groups, because the order of a dictionary changes the last digits of a sum.
        let squares = sums.sorted { $0.key < $1.key }.reduce(0) { $0 + $1.value * $1.value }
        return (squares * count / (count - 1)).squareRoot() / values.reduce(0) { $0 + $1.weight }
    }
}

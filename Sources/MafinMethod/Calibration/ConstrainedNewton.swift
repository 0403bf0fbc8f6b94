import MafinNumerics

/// Newton's method with constraints: minimises a convex function over `x ≥ 0, Σ_k c_k x_k ≤ bound`.
///
/// Each step finds the exact minimum of the quadratic model over the constraints, and a line search towards it follows.
/// So every point is feasible. Source of the inner method: Nocedal and Wright 2006, "Numerical Optimization", algorithm
/// 16.3 (active sets for convex quadratic programs).
struct ConstrainedNewton {
    /// c, above 0, one per variable.
    let costs: [Double]
    /// Above 0.
    let bound: Double
    /// Stops when the predicted decrease of a step is below it.
    var tolerance = 1e-15

    struct Result {
        var point: [Double]
        var expansion: Expansion
    }

    /// The feasible point on the way from 0 to `point`, whose negative variables are set to 0 first.
    func feasible(_ point: [Double]) -> [Double] {
        let point = point.map { max(0, $0) }
        let cost = dot(costs, point)
        return cost > bound ? point.map { $0 * (bound / cost) } : point
    }

    /// Minimises `function` in at most 100 steps.
    /// - Parameter start: a feasible point and the function there.
    func minimize(from start: Result, _ function: ([Double]) throws -> Expansion) rethrows -> Result {
        var result = start
        for _ in 0..<100 {
            let step = modelMinimum(from: result)
            let slope = dot(result.expansion.gradient, step)
            guard -slope > tolerance, let next = try search(from: result, along: step, slope: slope, function) else {
                break
            }
            result = next
        }
        return result
    }

    /// Halves the step until the function decreases. Doubles it while the function still falls steeply at its end.
    ///
    /// Doubling is for scores that separate the labels without error. There the minimum is at infinity, and each Newton
    /// step adds only a constant to the weights.
    private func search(
        from start: Result, along step: [Double], slope: Double, _ function: ([Double]) throws -> Expansion
    ) rethrows -> Result? {
        func at(_ length: Double) throws -> Result {
            // Variables that differ from 0 by rounding only become exactly 0.
            let point = step.indices.map { index in
                let value = start.point[index] + length * step[index]
                return value * costs[index] < 1e-12 * bound ? 0 : value
            }
            return Result(point: point, expansion: try function(point))
        }
        // About the rounding error of the sum over all queries. Smaller differences are ignored.
        let slack = 1e-15 * (1 + abs(start.expansion.value))
        var length: Double = 1
        var best = try at(length)
        while best.expansion.value > start.expansion.value + 1e-4 * length * slope + slack {
            length /= 2
            guard length > 1e-9 else { return nil }
            best = try at(length)
        }
        guard length == 1 else { return best }
        while true {
            let longer = min(2 * length, farthest(from: start.point, along: step))
            guard dot(best.expansion.gradient, step) < 0.25 * slope, longer > length else { return best }
            let next = try at(longer)
            guard next.expansion.value < best.expansion.value else { return best }
            best = next
            length = longer
        }
    }

    /// The largest multiple of `step` that keeps to the constraints.
    private func farthest(from start: [Double], along step: [Double]) -> Double {
        let cost = dot(costs, step)
        var length = cost > 0 ? (bound - dot(costs, start)) / cost : .infinity
        for (value, change) in zip(start, step) where change < 0 { length = min(length, -value / change) }
        return length
    }

    /// The step to the minimum of the quadratic model over the constraints.
    private func modelMinimum(from start: Result) -> [Double] {
        let count = costs.count
        let gradient = start.expansion.gradient
        var hessian = start.expansion.hessian
        // If two sources are copies of each other, the minima form a line. A ridge far below the curvature picks one of
        // them.
        let ridge =
            1e-10 * (0..<count).reduce(0) { $0 + hessian[$1 * (count + 1)] } + Double.leastNormalMagnitude
        for index in 0..<count { hessian[index * (count + 1)] += ridge }
        var step = [Double](repeating: 0, count: count)
        var held = start.point.map { $0 <= 0 }
        var isOnBound = dot(costs, start.point) >= bound * (1 - 1e-12)
        let rounding = 1e-14 * (1 + (gradient.map { abs($0) }.max() ?? 0))
        // Each round adds or drops one constraint. The limit is never reached unless rounding makes rounds repeat.
        for _ in 0..<20 * (count + 1) {
            let free = held.indices.filter { !held[$0] }
            let slopes = (0..<count).map { row in
                gradient[row] + (0..<count).reduce(0) { $0 + hessian[row * count + $1] * step[$1] }
            }
            let part = CholeskyFactor(free.flatMap { row in free.map { hessian[row * count + $0] } }, size: free.count)
            var move = part.solve(free.map { -slopes[$0] })
            var multiplier = 0.0
            if isOnBound {
                // Along the bound: the part of the move that leaves it is taken out.
                let freeCosts = free.map { costs[$0] }
                let normal = part.solve(freeCosts)
                multiplier = dot(freeCosts, move) / dot(freeCosts, normal)
                for index in move.indices { move[index] -= multiplier * normal[index] }
            }
            // How far the move goes, and the constraint that ends it.
            var (length, blocking): (Double, Int?) = (1, nil)
            for (index, variable) in free.enumerated() where move[index] < 0 {
                let limit = (start.point[variable] + step[variable]) / -move[index]
                if limit < length { (length, blocking) = (limit, variable) }
            }
            var isBlockedByBound = false
            let cost = free.indices.reduce(0) { $0 + costs[free[$1]] * move[$1] }
            if !isOnBound, cost > 0 {
                let limit = (bound - dot(costs, start.point) - dot(costs, step)) / cost
                if limit < length { (length, isBlockedByBound) = (max(0, limit), true) }
            }
            for (index, variable) in free.enumerated() { step[variable] += length * move[index] }
            if isBlockedByBound {
                isOnBound = true
            } else if let blocking {
                step[blocking] = -start.point[blocking]
                held[blocking] = true
            } else {
                // The minimum over the free variables. A constraint whose multiplier is negative holds back a decrease.
                var (least, dropped): (Double, Int?) = (-rounding, nil)
                for variable in 0..<count where held[variable] {
                    var slope = gradient[variable] + multiplier * costs[variable]
                    for other in 0..<count { slope += hessian[variable * count + other] * step[other] }
                    if slope < least { (least, dropped) = (slope, variable) }
                }
                if isOnBound, multiplier < -rounding, multiplier < least {
                    isOnBound = false
                } else if let dropped {
                    held[dropped] = false
                } else {
                    break
                }
            }
        }
        return step
    }
}

/// `Σ_k x_k y_k`.
func dot(_ x: [Double], _ y: [Double]) -> Double { zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }

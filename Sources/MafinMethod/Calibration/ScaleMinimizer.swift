/// Newton's method with constraints: minimises a convex function of two weights over the triangle
/// `a ≥ 0, b ≥ 0, a + b ≤ bound`.
///
/// Each step finds the exact minimum of the quadratic model over the triangle: the unconstrained minimum if it lies
/// inside, otherwise the best point of the three edges. A line search towards that point follows. So every point is
/// feasible, and no separate search for the active constraints is needed.
struct ScaleMinimizer {
    typealias Point = (Double, Double)

    private let bound: Double
    private let isFixed: (Bool, Bool)
    private var point: Point = (0, 0)

    /// - Parameters:
    ///   - bound: largest sum of both weights.
    ///   - isFixed: weights that stay 0.
    init(bound: Double, isFixed: (Bool, Bool)) {
        self.bound = bound
        self.isFixed = isFixed
    }

    /// Begins at `start` instead of (0, 0). A point outside the triangle is moved to its edge.
    mutating func begin(at start: Point) {
        point = (isFixed.0 ? 0 : max(0, start.0), isFixed.1 ? 0 : max(0, start.1))
        let sum = point.0 + point.1
        if sum > bound { point = (point.0 * bound / sum, point.1 * bound / sum) }
    }

    struct Result {
        var point: Point
        var value: CalibrationObjective.Value
        /// Calls of the function.
        var evaluations: Int
    }

    /// Minimises `function` until the predicted decrease of a step is below 1e-15, or for 100 steps.
    mutating func minimize(_ function: (Point) throws -> CalibrationObjective.Value) rethrows -> Result {
        var result = Result(point: point, value: try function(point), evaluations: 1)
        for _ in 0..<100 {
            let step = modelMinimum(from: result.point, result.value)
            let slope = result.value.gradient.0 * step.0 + result.value.gradient.1 * step.1
            guard -slope > 1e-15 else { break }
            guard let next = try search(from: result, along: step, slope: slope, function) else { break }
            result = next
        }
        return result
    }

    /// Halves the step until the function decreases. Doubles it while the function still falls steeply at its end.
    ///
    /// Doubling is for scores that separate the labels without error. There the minimum is at infinity, and each Newton
    /// step adds only a constant to the weights.
    private func search(
        from start: Result, along step: Point, slope: Double, _ function: (Point) throws -> CalibrationObjective.Value
    ) rethrows -> Result? {
        var evaluations = start.evaluations
        func at(_ length: Double) throws -> Result {
            evaluations += 1
            let point = clamped((start.point.0 + length * step.0, start.point.1 + length * step.1))
            return Result(point: point, value: try function(point), evaluations: evaluations)
        }
        // About the rounding error of the sum over all queries. Smaller differences are ignored.
        let slack = 1e-15 * (1 + abs(start.value.loss))
        var length: Double = 1
        var best = try at(length)
        while best.value.loss > start.value.loss + 1e-4 * length * slope + slack {
            length /= 2
            guard length > 1e-9 else { return nil }
            best = try at(length)
        }
        guard length == 1 else { return best }
        while true {
            let end = best.value.gradient.0 * step.0 + best.value.gradient.1 * step.1
            let longer = min(2 * length, farthest(from: start.point, along: step))
            guard end < 0.25 * slope, longer > length else { return best }
            let next = try at(longer)
            guard next.value.loss < best.value.loss else {
                best.evaluations = evaluations
                return best
            }
            best = next
            length = longer
        }
    }

    /// The step to the minimum over the triangle of the quadratic model at `point`.
    private func modelMinimum(from point: Point, _ value: CalibrationObjective.Value) -> Point {
        var (g, h) = (value.gradient, value.hessian)
        if isFixed.0 { (g.0, h.0, h.1) = (0, 1, 0) }
        if isFixed.1 { (g.1, h.2, h.1) = (0, 1, 0) }
        // If the two sources are copies of each other, the minima form a line. A ridge far below the curvature picks
        // one of them.
        let ridge = 1e-10 * (h.0 + h.2) + .leastNormalMagnitude
        h.0 += ridge
        h.2 += ridge
        func model(_ d: Point) -> Double {
            g.0 * d.0 + g.1 * d.1 + 0.5 * (h.0 * d.0 * d.0 + 2 * h.1 * d.0 * d.1 + h.2 * d.1 * d.1)
        }
        let determinant = h.0 * h.2 - h.1 * h.1
        if determinant > 0 {
            let free = ((h.1 * g.1 - h.2 * g.0) / determinant, (h.1 * g.0 - h.0 * g.1) / determinant)
            let end = (point.0 + free.0, point.1 + free.1)
            if end.0 >= 0, end.1 >= 0, end.0 + end.1 <= bound { return free }
        }
        let corners: [Point] = [(0, 0), (bound, 0), (0, bound)]
        var best: Point = (0, 0)
        var least = Double.infinity
        for (from, to) in [(corners[0], corners[1]), (corners[0], corners[2]), (corners[1], corners[2])] {
            let direction = (to.0 - from.0, to.1 - from.1)
            let start = (from.0 - point.0, from.1 - point.1)
            let slope =
                (g.0 + h.0 * start.0 + h.1 * start.1) * direction.0 + (g.1 + h.1 * start.0 + h.2 * start.1)
                * direction.1
            let curvature =
                h.0 * direction.0 * direction.0 + 2 * h.1 * direction.0 * direction.1 + h.2 * direction.1 * direction.1
            let length = curvature > 0 ? min(1, max(0, -slope / curvature)) : (slope < 0 ? 1 : 0)
            let candidate = (start.0 + length * direction.0, start.1 + length * direction.1)
            if model(candidate) < least { (best, least) = (candidate, model(candidate)) }
        }
        return best
    }

    /// The largest multiple of `step` that stays inside the triangle.
    private func farthest(from start: Point, along step: Point) -> Double {
        var length = Double.infinity
        if step.0 < 0 { length = min(length, -start.0 / step.0) }
        if step.1 < 0 { length = min(length, -start.1 / step.1) }
        if step.0 + step.1 > 0 { length = min(length, (bound - start.0 - start.1) / (step.0 + step.1)) }
        return length
    }

    /// Sets weights that differ from 0 by rounding only to exactly 0.
    private func clamped(_ point: Point) -> Point {
        let edge = 1e-12 * bound
        return (point.0 < edge ? 0 : point.0, point.1 < edge ? 0 : point.1)
    }
}

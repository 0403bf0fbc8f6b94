import Foundation
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// NUDGE-N: every document vector that answers a training query moves toward its queries on the unit sphere. The
/// largest distance is the same for all documents and is chosen on the development queries. Source: Zeighami, Wellmer
/// and Parameswaran 2025, "NUDGE: Lightweight Non-Parametric Fine-Tuning of Embeddings for Retrieval", ICLR; arXiv
/// 2409.02343.
///
/// Let v be a document and `c = Σ q` over its training queries. The vector v' that maximises `c · v'` under `‖v'‖ = 1`
/// and `‖v' − v‖² ≤ γ` lies on the great circle from v to c, at the angle `θ = arccos(1 − γ/2)` from v, or in the
/// direction of c if that is nearer. A document with `c · v < 0` does not move, as in the authors' package `nudge-ft`,
/// whose rankings this reproduces. A document that answers no training query does not move either, so new documents
/// gain nothing.
public struct NudgeN: Rival {
    /// Its name in tables and JSON.
    public let name: String
    /// The vectors to move; rows are made unit length here.
    public let base: VectorSystem
    /// The values of γ that are tried, ascending. Of equally good values the smallest wins.
    public var steps: [Double]
    /// The metric by which γ is chosen; `nil`: the metric of the data.
    public var criterion: Metric?

    /// The values of γ of the package: 0, 0.02, …, 0.48.
    public static let publishedSteps: [Double] = (0..<25).map { 0.02 * Double($0) }
    /// The criterion of the package: the share of queries with an answer at rank 1.
    public static let publishedCriterion = Metric.success(cutoff: 1)

    /// NUDGE-N as published, unless steps or a criterion are given.
    public init(
        _ base: VectorSystem, name: String = "nudge-n", steps: [Double] = publishedSteps,
        criterion: Metric? = publishedCriterion
    ) {
        precondition(!steps.isEmpty && steps.allSatisfy { (0...2).contains($0) }, "steps must lie in 0…2")
        self.base = base
        self.name = name
        self.steps = steps
        self.criterion = criterion
    }

    /// See ``Rival/fit(to:seed:isCancelled:)``; nothing is drawn.
    /// - Complexity: two products of the development queries with all documents, and one ranking of the development
    ///   queries per step.
    public func fit(to data: RivalData, seed: UInt64, isCancelled: () -> Bool) throws -> FittedRival {
        let base = try base.normalized()
        let paths = GreatCirclePaths(data.index.trainQueries, labels: data.index.labels, base: base)
        let metric = criterion ?? data.metric
        let values = try data.developments(of: base, variants: steps.count, metric: metric) {
            queries, scores, measure in
            let along = Matrix.multiply(base.queries.selecting(rows: queries), transposed: paths.tangents)
            for (index, step) in steps.enumerated() {
                if isCancelled() { throw CancellationError() }
                measure(index, paths.scores(scores, along: along, step: step))
            }
        }
        let best = values.indices.max { values[$0] < values[$1] } ?? 0
        let source = paths.source(step: steps[best], ids: data.documents.ids, name: SourceName(rawValue: name))
        return try FittedRival(
            source, base: base, data: data,
            choices: [
                "gamma": .number(steps[best]), "chosenBy": .text(metric.description),
                "movedDocuments": .integer(Int64(paths.moved.count)),
            ])
    }
}

extension FittedRival {
    /// Documents that were moved by labels. Where none had moved them, they would have the vectors of `base`.
    fileprivate init(
        _ source: MovedDocuments, base: VectorSystem, data: RivalData, choices: [String: ManifestValue]
    ) throws {
        let sum = try SourceSystem(
            source, queries: SourceQueries(blackBox: base.queries),
            documents: SourceDocuments(ids: data.documents.ids, blackBox: base.documents))
        self.init(
            name: source.name.rawValue, sum: sum, development: try data.development(of: sum, forgettingTo: base),
            choices: choices)
    }
}

/// The great circles along which documents move toward the sums of the queries that they answer.
struct GreatCirclePaths: Sendable {
    let moved: [Int]
    /// Unit vectors orthogonal to each moved document, in the direction of the movement, `(moved, columns)`.
    let tangents: Matrix
    /// The angle between each moved document and the sum of its queries, where its path ends.
    private let ends: [Float]
    private let base: Matrix

    init(_ queries: [Int], labels: [[Judgement]], base: VectorSystem) {
        let sums = QuerySums(queries, labels: labels, queryVectors: base.queries)
        let columns = base.documents.columns
        var moved: [Int] = []
        var tangents: [Float] = []
        var ends: [Float] = []
        for (row, document) in sums.documents.enumerated() {
            let (v, c) = (base.documents.row(document), sums.rows.row(row))
            var (along, square, length) = (0.0, 0.0, 0.0)
            for (v, c) in zip(v, c) {
                along += Double(v) * Double(c)
                square += Double(c) * Double(c)
                length += Double(v) * Double(v)
            }
            // The component of c orthogonal to v. Computing its length as √(c² − (c · v)²) would lose digits.
            let rest = zip(v, c).map { Double($1) - along / length * Double($0) }
            let across = rest.reduce(0) { $0 + $1 * $1 }.squareRoot()
            // A component below a millionth of c is rounding error.
            guard along >= 0, across > 1e-6 * square.squareRoot() else { continue }
            moved.append(document)
            for value in rest { tangents.append(Float(value / across)) }
            ends.append(Float(atan2(across, along)))
        }
        self.moved = moved
        self.tangents = Matrix(rows: moved.count, columns: columns, values: tangents)
        self.ends = ends
        self.base = base.documents
    }

    /// Cosine and sine of the angle by which each document moves for a step of γ.
    private func turns(step: Double) -> [(cosine: Float, sine: Float)] {
        let angle = Float(acos(1 - step / 2))
        return ends.map { (cos(min(angle, $0)), sin(min(angle, $0))) }
    }

    /// The moved documents for a step of γ.
    /// - Parameter ids: one per document.
    func source(step: Double, ids: [String], name: SourceName) -> MovedDocuments {
        var result = base.selecting(rows: moved)
        let turns = turns(step: step)
        result.forEachRow { row, vector in
            let (cosine, sine) = turns[row]
            tangents.row(row).withUnsafeBufferPointer { tangent in
                for column in vector.indices { vector[column] = cosine * vector[column] + sine * tangent[column] }
            }
        }
        return MovedDocuments(ids: moved.map { ids[$0] }, vectors: result, name: name)
    }

    /// Scores for a step of γ, computed without the moved vectors: the score of a moved document is
    /// `cos θ · s + sin θ · t`.
    /// - Parameters:
    ///   - scores: s, the scores of the documents before they move, `(queries, documents)`.
    ///   - along: t, the scores of the tangents, `(queries, moved)`.
    func scores(_ scores: Matrix, along: Matrix, step: Double) -> Matrix {
        var result = scores
        let turns = turns(step: step)
        result.forEachRow(grain: 4) { row, scores in
            along.row(row).withUnsafeBufferPointer { along in
                for (position, document) in moved.enumerated() {
                    let (cosine, sine) = turns[position]
                    scores[document] = cosine * scores[document] + sine * along[position]
                }
            }
        }
        return result
    }
}

/// NUDGE-M: every document vector that answers a training query moves by the same distance in the direction of the sum
/// of its queries, and leaves the unit sphere. The distance is chosen so that as many answers of the development
/// queries as possible are at rank 1. Source: Zeighami, Wellmer and Parameswaran 2025, ICLR; arXiv 2409.02343.
///
/// `v' = v + γ c / ‖c‖`. Scores are linear in γ, so each answer of a development query is at rank 1 in one interval of
/// γ. The chosen γ is the left end of the range that the most intervals cover. Moved vectors do not have unit length,
/// and they rank by inner product. This follows the authors' package `nudge-ft`.
public struct NudgeM: Rival {
    /// Its name in tables and JSON.
    public let name: String
    /// The vectors to move; rows are made unit length here.
    public let base: VectorSystem

    /// NUDGE-M over the given vectors. It has no settings.
    public init(_ base: VectorSystem, name: String = "nudge-m") {
        self.base = base
        self.name = name
    }

    /// See ``Rival/fit(to:seed:isCancelled:)``; nothing is drawn.
    /// - Complexity: O(answers of development queries × documents), plus two matrix products.
    public func fit(to data: RivalData, seed: UInt64, isCancelled: () -> Bool) throws -> FittedRival {
        let base = try base.normalized()
        let sums = QuerySums(data.index.trainQueries, labels: data.index.labels, queryVectors: base.queries)
        let directions = sums.rows.normalizedRows().matrix
        var intervals: [ClosedRange<Float>] = []
        try base.forEachBlock(of: data.index.devQueries) { range, scores in
            if isCancelled() { throw CancellationError() }
            let queries = data.index.devQueries[range]
            let slopes = Matrix.multiply(base.queries.selecting(rows: queries), transposed: directions)
            var found = [[ClosedRange<Float>]](repeating: [], count: queries.count)
            found.withUnsafeMutableBufferPointer { found in
                let output = UnsafeTransfer(found)
                let rows = Array(queries)
                parallelFor(rows.count) { row in
                    // A document that does not move keeps its score.
                    var slope = [Float](repeating: 0, count: scores.columns)
                    for (position, document) in sums.documents.enumerated() { slope[document] = slopes[row, position] }
                    let score = Array(scores.row(row))
                    output.value[row] = data.index.labels[rows[row]].compactMap {
                        Self.interval(of: $0.column, scores: score, slopes: slope)
                    }
                }
            }
            intervals += found.joined()
        }
        let step = Self.mostCovered(intervals)
        var moved = base.documents.selecting(rows: sums.documents)
        for row in 0..<moved.rows {
            for column in 0..<moved.columns { moved[row, column] += step * directions[row, column] }
        }
        let ids = data.documents.ids
        return try FittedRival(
            MovedDocuments(
                ids: sums.documents.map { ids[$0] }, vectors: moved, name: SourceName(rawValue: name)), base: base,
            data: data,
            choices: [
                "gamma": .number(Double(step)), "chosenBy": .text("answers at rank 1"),
                "movedDocuments": .integer(Int64(sums.documents.count)),
            ])
    }

    /// The values of γ ≥ 0 at which an answer's score `s + γ a` is the largest of all; `nil` if there are none.
    static func interval(of answer: Int, scores: [Float], slopes: [Float]) -> ClosedRange<Float>? {
        // The package adds this constant to differences of slopes to avoid a division by 0. Its reciprocal stands for
        // "no bound".
        let tiny: Float = 1e-8
        var (low, high): (Float, Float) = (0, 1 / tiny)
        let (score, slope) = (scores[answer], slopes[answer])
        for document in scores.indices {
            let (behind, faster) = (scores[document] - score, slope - slopes[document])
            if faster > 0 {
                low = max(low, behind / (faster + tiny))
            } else if faster < 0 {
                high = min(high, behind / (faster + tiny))
            } else if behind > 0 {
                return nil
            }
        }
        return low <= high ? low...high : nil
    }

    /// The left end of the range that the most intervals cover; 0 if there are no intervals. Intervals that only touch
    /// do not overlap.
    static func mostCovered(_ intervals: [ClosedRange<Float>]) -> Float {
        var events = intervals.map { (point: $0.lowerBound, change: 1) }
        events += intervals.map { (point: $0.upperBound, change: -1) }
        events.sort { $0.point < $1.point }
        var best: (covered: Int, point: Float) = (0, 0)
        var covered = 0
        var index = 0
        while index < events.count {
            // All changes at a point count together, so that an interval that ends where another begins does not
            // overlap it.
            let point = events[index].point
            while index < events.count, events[index].point == point {
                covered += events[index].change
                index += 1
            }
            if covered > best.covered { best = (covered, point) }
        }
        return best.point
    }
}

/// For each document that answers some queries, the sum of these queries' vectors. NUDGE moves the document in this
/// direction.
struct QuerySums: Sendable {
    /// Documents that answer a query, ascending.
    let documents: [Int]
    /// `Σ q` over the queries that each document answers, one row per document in ``documents``. Grades are
    /// ignored.
    let rows: Matrix

    /// - Parameters:
    ///   - queries: rows of the table.
    ///   - labels: one list per query of the table.
    ///   - queryVectors: one row per query of the table.
    init(_ queries: [Int], labels: [[Judgement]], queryVectors: Matrix) {
        var answered: [Int: [Int]] = [:]
        for query in queries {
            for answer in labels[query] { answered[answer.column, default: []].append(query) }
        }
        let documents = answered.keys.sorted()
        let queriesOfDocument = documents.map { answered[$0] ?? [] }
        var sums = Matrix(rows: documents.count, columns: queryVectors.columns)
        sums.forEachRow(grain: 16) { row, sum in
            for query in queriesOfDocument[row] {
                queryVectors.row(query).withUnsafeBufferPointer { query in
                    for column in sum.indices { sum[column] += query[column] }
                }
            }
        }
        self.documents = documents
        rows = sums
    }
}

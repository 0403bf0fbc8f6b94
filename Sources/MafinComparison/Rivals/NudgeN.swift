import Foundation
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// NUDGE-N: every document vector that answers a training query moves toward its queries on the unit sphere, all by at most one distance, which is
/// chosen on development queries (Zeighami, Wellmer and Parameswaran 2025, "NUDGE: Lightweight Non-Parametric Fine-Tuning of
/// Embeddings for Retrieval", ICLR; arXiv 2409.02343).
///
/// For a document v with `c = Σ q` over its training queries, the vector that makes `c · v'` largest under `‖v'‖ = 1` and
/// `‖v' − v‖² ≤ γ` lies on the great circle from v to c, at the angle `θ = arccos(1 − γ/2)` from v, or at c where that is nearer. A
/// document whose queries point away from it (`c · v < 0`) stays, as in the authors' package `nudge-ft`, whose rankings this
/// reproduces. A document without a training query cannot move: new documents gain nothing.
public struct NudgeN: Rival {
    /// Its name in tables and JSON.
    public let name: String
    /// The vectors to move; rows are made unit length here.
    public let base: VectorSystem
    /// The values of γ that are tried, ascending; of equal ones the smallest wins.
    public var steps: [Double]
    /// What γ is chosen by; `nil`: the metric of the data.
    public var criterion: Metric?

    /// The package's γ: 0, 0.02, …, 0.48.
    public static let publishedSteps: [Double] = (0..<25).map { 0.02 * Double($0) }
    /// The package's criterion: how often an answer stands first.
    public static let publishedCriterion = Metric.success(cutoff: 1)

    /// As published, unless steps or criterion are given.
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
    /// - Complexity: two products of the development queries with all documents, and one ranking of them for each step.
    public func fit(to data: RivalData, seed: UInt64, isCancelled: () -> Bool) throws -> FittedRival {
        let base = try base.normalized()
        let motion = SphericalMotion(data.index, base: base)
        let metric = criterion ?? data.metric
        var sums = [Double](repeating: 0, count: steps.count)
        let ranker = RelevantRanks(tieOrder: data.index.tieOrder, metric: metric)
        try base.forEachBlock(of: data.index.devQueries) { range, scores in
            let queries = data.index.devQueries[range]
            let judged = data.index.judged(queries)
            let along = Matrix.multiply(
                base.queries.selecting(rows: queries), transposed: motion.tangents)
            for (index, step) in steps.enumerated() {
                if isCancelled() { throw CancellationError() }
                let moved = motion.scores(scores, along: along, step: step)
                sums[index] += ranker.values(of: moved, judged: judged).reduce(0, +)
            }
        }
        var best = 0
        for index in sums.indices where sums[index] > sums[best] { best = index }
        let system = VectorSystem(queries: base.queries, documents: motion.documents(step: steps[best]))
        return FittedRival(
            name: name, system: system, development: try data.development(of: system),
            choices: [
                "gamma": .number(steps[best]), "chosenBy": .text(metric.description),
                "movedDocuments": .integer(Int64(motion.moved.count)),
            ])
    }
}

/// Documents on their way along great circles, each toward the sum of its training queries.
struct SphericalMotion: Sendable {
    /// Documents that can move.
    let moved: [Int]
    /// Unit directions at right angles to each, `(moved, columns)`.
    let tangents: Matrix
    /// The angle between each and the sum of its queries, where its way ends.
    private let ends: [Float]
    private let base: Matrix

    init(_ index: TrainingIndex, base: VectorSystem) {
        let pull = DocumentPull(index, queryVectors: base.queries)
        let columns = base.documents.columns
        var moved: [Int] = []
        var tangents: [Float] = []
        var ends: [Float] = []
        for (row, document) in pull.documents.enumerated() {
            let (v, c) = (base.documents.row(document), pull.sums.row(row))
            var (along, square, length) = (0.0, 0.0, 0.0)
            for (v, c) in zip(v, c) {
                along += Double(v) * Double(c)
                square += Double(c) * Double(c)
                length += Double(v) * Double(v)
            }
            // What of c is at right angles to v, and its length, which would lose digits as √(c² − (c · v)²).
            let rest = zip(v, c).map { Double($1) - along / length * Double($0) }
            let across = rest.reduce(0) { $0 + $1 * $1 }.squareRoot()
            // A millionth of c is rounding error.
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

    /// Cosine and sine of the angle that each moved document has gone at a step of γ.
    private func turns(step: Double) -> [(cosine: Float, sine: Float)] {
        let angle = Float(acos(1 - step / 2))
        return ends.map { (cos(min(angle, $0)), sin(min(angle, $0))) }
    }

    /// All documents at a step of γ.
    func documents(step: Double) -> Matrix {
        var result = base
        let columns = base.columns
        let turns = turns(step: step)
        for (row, document) in moved.enumerated() {
            let (cosine, sine) = turns[row]
            for column in 0..<columns {
                result.values[document * columns + column] =
                    cosine * base.values[document * columns + column] + sine * tangents.values[row * columns + column]
            }
        }
        return result
    }

    /// Scores at a step of γ, without making the vectors: a moved document's score is `cos θ · s + sin θ · t`.
    /// - Parameters:
    ///   - scores: of the documents as they were, `(queries, documents)`.
    ///   - along: of the tangents, `(queries, moved)`.
    func scores(_ scores: Matrix, along: Matrix, step: Double) -> Matrix {
        var result = scores
        let turns = turns(step: step)
        let (columns, width) = (scores.columns, along.columns)
        result.values.withUnsafeMutableBufferPointer { result in
            along.values.withUnsafeBufferPointer { along in
                let pointers = UnsafeTransfer((result: result, along: along))
                parallelRanges(scores.rows, grain: 4) { range in
                    let (result, along) = pointers.value
                    for row in range {
                        for (position, document) in moved.enumerated() {
                            let index = row * columns + document
                            result[index] =
                                turns[position].cosine * result[index]
                                + turns[position].sine * along[row * width + position]
                        }
                    }
                }
            }
        }
        return result
    }
}

import Foundation
import MafinMethod
import MafinNumerics

/// Scores documents as answers of similar queries that it knows: `s(q, d) = M(q, d) / (‖M(q, ·)‖ + κ)` with
/// `M(q, d) = Σ_t k(q, t) · y(t, d) / n(t)^ν` and the kernel `k(q, t) = exp((q · t − 1) / τ)` over the known queries t.
/// y is 1 for an answer of t and 0 otherwise, and n is the number of answers of t.
///
/// M is a kernel estimate of relevance (Nadaraya 1964; Watson 1964), with the cosine of the black box's query vectors in
/// its kernel. It is divided by its Euclidean norm over all known documents, because otherwise a query in a dense region
/// would count many times as much as one at its edge. κ is the kernel of a query at the distance ``reach``: a query further
/// away than that from all known ones has a norm below κ, so the memory falls silent where it knows nothing.
///
/// A memory keeps queries separate, where NUDGE moves a document toward the *sum* of its queries; so a document can answer
/// questions of different kinds. It scores only documents that it knows, and is one term of a sum with sources that score
/// all.
public struct QueryMemory: ScoringSource {
    /// The queries that memories of different τ and ν share.
    public struct Known: Sendable {
        /// The black box's unit vectors, one per query.
        public let queries: Matrix
        /// For each query the identifiers of its answers.
        public let answers: [[String]]

        /// - Precondition: one list of answers per query.
        public init(queries: Matrix, answers: [[String]]) {
            precondition(queries.rows == answers.count, "\(answers.count) lists of answers of \(queries.rows) queries")
            (self.queries, self.answers) = (queries, answers)
        }
    }

    /// Its name.
    public let name: SourceName
    /// What it knows.
    public let known: Known
    /// τ: how slowly the weight of a known query falls with its distance.
    public let bandwidth: Float
    /// ν, in 0…1: how far a query with several answers divides its weight among them. 0: not at all; 1: fully.
    public let sharing: Double
    /// The cosine to a known query at which the memory is at about half its strength; −1: it never falls silent.
    public let reach: Float
    /// The folder of its files. Memories of the same queries share it.
    public let folder: String

    /// The folder if none is named.
    public static let standardFolder = "memory"

    /// A memory of queries.
    public init(
        _ known: Known, bandwidth: Float, sharing: Double = 0.5, reach: Float = -1, name: SourceName,
        folder: String = standardFolder
    ) {
        precondition(bandwidth > 0 && (0...1).contains(sharing), "τ = \(bandwidth), ν = \(sharing)")
        (self.known, self.bandwidth, self.sharing) = (known, bandwidth, sharing)
        (self.reach, self.name, self.folder) = (reach, name, folder)
    }

    /// See ``ScoreSource/queryInputs``.
    public var queryInputs: SourceInputs { .blackBox }
    /// See ``ScoreSource/documentInputs``.
    public var documentInputs: SourceInputs { .identifier }

    /// See ``ScoringSource/scorer(of:)``.
    public func scorer(of documents: SourceDocuments) -> any DocumentScorer { MemoryScorer(self, documents.ids) }

    /// See ``ScoringSource/knownQueries``.
    public var knownQueries: (name: String, unitRows: Matrix)? { (folder, known.queries) }

    /// Prepares documents for many queries at a time: the result gives the scores, `(queries, documents)`, of the black
    /// box's unit rows of queries.
    ///
    /// A score of `SourceIndex` never depends on other queries. Here one matrix product for all queries is faster, and scores
    /// may differ in their last digits.
    /// - Parameter ids: identifiers of the documents.
    package func scores(ids: [String]) -> @Sendable (_ queries: Matrix) -> Matrix {
        let (scorer, known) = (MemoryScorer(self, ids), known.queries)
        return { queries in
            var result = Matrix(rows: queries.rows, columns: ids.count)
            let cosines = Matrix.multiply(queries, transposed: known)
            result.forEachRow { row, scores in scorer.write(cosines: cosines.row(row), to: scores) }
            return result
        }
    }
}

extension QueryMemory.Known {
    /// The standard deviation of the cosines of different queries, and the cosine to the nearest other query that 95 of
    /// 100 queries reach. They say what near and far mean to this black box. For fewer than two different queries they
    /// are 0.1 and −1.
    ///
    /// At most 500 queries, evenly spaced, are compared with all others.
    package var scale: (spread: Float, reach: Float) {
        let count = min(queries.rows, 500)
        let rows = (0..<count).map { $0 * queries.rows / count }
        let cosines = Matrix.multiply(queries.selecting(rows: rows), transposed: queries)
        var (sum, squares, pairs) = (0.0, 0.0, 0)
        var nearest: [Float] = []
        for (row, query) in rows.enumerated() {
            var best: Float?
            for (other, cosine) in cosines.row(row).enumerated() where other != query && cosine < 1 - 1e-5 {
                sum += Double(cosine)
                squares += Double(cosine) * Double(cosine)
                pairs += 1
                best = max(best ?? cosine, cosine)
            }
            if let best { nearest.append(best) }
        }
        let mean = sum / Double(max(1, pairs))
        let spread = max(0, squares / Double(max(1, pairs)) - mean * mean).squareRoot()
        guard spread > 1e-6 else { return (0.1, -1) }
        nearest.sort()
        return (Float(spread), nearest[nearest.count / 20])
    }
}

/// A memory whose answers are rows of documents.
private struct MemoryScorer: DocumentScorer {
    private let bandwidth: Float
    private let reach: Float
    /// For each query its answers as numbers of known documents, and its share of each.
    private let answers: [[Int32]]
    private let shares: [Float]
    /// For each known document its row; −1 if it is not among the documents.
    private let rows: [Int32]

    init(_ memory: QueryMemory, _ ids: [String]) {
        var numbers: [String: Int32] = [:]
        answers = memory.known.answers.map { answers in
            answers.map { id in
                if let number = numbers[id] { return number }
                let number = Int32(numbers.count)
                numbers[id] = number
                return number
            }
        }
        var rows = [Int32](repeating: -1, count: numbers.count)
        for (row, id) in ids.enumerated() {
            if let number = numbers[id], rows[Int(number)] < 0 { rows[Int(number)] = Int32(row) }
        }
        self.rows = rows
        shares = memory.known.answers.map { Float(pow(Double(max(1, $0.count)), -memory.sharing)) }
        (bandwidth, reach) = (memory.bandwidth, memory.reach)
    }

    func write(
        row: Int, of queries: SourceQueries, cosines: ArraySlice<Float>, to scores: UnsafeMutableBufferPointer<Float>
    ) {
        write(cosines: cosines, to: scores)
    }

    /// - Complexity: O(known queries), and one step per answer of those that are close enough to count.
    func write(cosines: ArraySlice<Float>, to scores: UnsafeMutableBufferPointer<Float>) {
        guard let nearest = cosines.max() else { return }
        withUnsafeTemporaryAllocation(of: Float.self, capacity: rows.count) { memory in
            memory.initialize(repeating: 0)
            for (position, cosine) in cosines.enumerated() {
                // Kernels are computed relative to the nearest query, so that none underflows. Those below 1e-9 of it
                // change no sum.
                let exponent = (cosine - nearest) / bandwidth
                guard exponent > -20.7 else { continue }
                let share = exp(exponent) * shares[position]
                for document in answers[position] { memory[Int(document)] += share }
            }
            let norm = memory.reduce(0) { $0 + $1 * $1 }.squareRoot()
            guard norm > 0 else { return }
            // κ relative to the nearest query, too. It may overflow to infinity, which silences the memory.
            let factor = 1 / (norm + exp((reach - nearest) / bandwidth))
            guard factor > 0 else { return }
            for (number, row) in rows.enumerated() where row >= 0 && memory[number] > 0 {
                scores[Int(row)] = factor * memory[number]
            }
        }
    }
}

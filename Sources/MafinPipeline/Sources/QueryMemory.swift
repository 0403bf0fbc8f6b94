import Foundation
import MafinMethod
import MafinNumerics

/// Scores documents as answers of similar queries that it knows:
/// `s(q, d) = Σ_t exp((q · t − 1) / τ) · y(t, d) / n(t)^ν` over the known queries t. y is 1 for an answer of t and 0
/// otherwise, and n is the number of answers of t.
///
/// This is a kernel estimate of relevance (Nadaraya 1964; Watson 1964), without its normalisation, with the cosine of the
/// black box's query vectors as kernel. So it is silent where a query is not close to one that it knows. A memory keeps
/// queries separate, where NUDGE moves a document toward the *sum* of its queries; so a document can answer questions of
/// different kinds. It scores only documents that it knows, and is one term of a sum with sources that score all.
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

    /// A memory of queries.
    public init(_ known: Known, bandwidth: Float, sharing: Double = 0.5, name: SourceName? = nil) {
        precondition(bandwidth > 0 && (0...1).contains(sharing), "τ = \(bandwidth), ν = \(sharing)")
        (self.known, self.bandwidth, self.sharing) = (known, bandwidth, sharing)
        self.name = name ?? SourceName(rawValue: "query-memory-\(bandwidth)")
    }

    /// See ``ScoreSource/queryInputs``.
    public var queryInputs: SourceInputs { .blackBox }
    /// See ``ScoreSource/documentInputs``.
    public var documentInputs: SourceInputs { .identifier }

    /// See ``ScoringSource/scorer(of:)``.
    public func scorer(of documents: SourceDocuments) -> any DocumentScorer {
        let rows = Dictionary(
            documents.ids.enumerated().map { ($1, Int32($0)) }, uniquingKeysWith: { first, _ in first })
        let answers = known.answers.map { $0.compactMap { rows[$0] } }
        return MemoryScorer(
            queries: known.queries, answers: answers,
            shares: known.answers.map { Float(pow(Double(max(1, $0.count)), -sharing)) }, bandwidth: bandwidth)
    }
}

/// A memory whose answers are rows of documents.
private struct MemoryScorer: DocumentScorer {
    let queries: Matrix
    let answers: [[Int32]]
    let shares: [Float]
    let bandwidth: Float

    /// - Complexity: O(known queries × dimension), and one step per answer of those that are close enough to count.
    func add(_ weight: Float, row: Int, of queries: SourceQueries, to sums: UnsafeMutableBufferPointer<Float>) {
        guard let vectors = queries.blackBox else { preconditionFailure("the black box's vectors are missing") }
        // One row at a time, so that a score does not depend on the other queries.
        let similarity = Matrix.multiply(vectors.selecting(rows: [row]), transposed: self.queries)
        for (position, similarity) in similarity.values.enumerated() {
            let exponent = (similarity - 1) / bandwidth
            // Beyond it the kernel is below 1e-9, and no sum changes.
            guard exponent > -20.7 else { continue }
            let share = weight * (exp(exponent) * shares[position])
            for document in answers[position] { sums[Int(document)] += share }
        }
    }
}

import Foundation
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// How to make a source that remembers which documents answer which queries.
///
/// Its weight in a sum cannot be fitted on queries that it remembers, since it knows their answers. ``SourceFit`` makes it
/// several times, each time without the labels of the queries that are scored.
public protocol RememberingSource: Sendable {
    /// The name of the source that it makes.
    var name: SourceName { get }
    /// Whether a document that no remembered label names has the black box's score. Otherwise it has the score 0.
    var keepsBlackBoxScore: Bool { get }
    /// Makes the source from the labels of some queries.
    /// - Throws: whatever the vectors cause.
    func source(rememberingLabelsOf queries: [Int], in data: RivalData) throws -> any ScoreSource
}

/// Makes a ``MafinPipeline/QueryMemory``.
public struct RememberedQueries: RememberingSource {
    /// τ.
    public let bandwidth: Float
    /// ν.
    public let sharing: Double

    /// A memory with the given settings.
    public init(bandwidth: Float, sharing: Double = 0.5) { (self.bandwidth, self.sharing) = (bandwidth, sharing) }

    /// Three memories, which use near or also far queries.
    public static let standard = [0.03, 0.05, 0.1].map { RememberedQueries(bandwidth: $0) }

    /// See ``RememberingSource``.
    public var name: SourceName { SourceName(rawValue: "query-memory-\(bandwidth)") }
    /// See ``RememberingSource``.
    public var keepsBlackBoxScore: Bool { false }

    /// See ``RememberingSource``.
    public func source(rememberingLabelsOf queries: [Int], in data: RivalData) -> any ScoreSource {
        let known = QueryMemory.Known(
            queries: data.blackBox.queries.selecting(rows: queries),
            answers: queries.map { data.index.labels[$0].map { data.documents.ids[$0.column] } })
        return QueryMemory(known, bandwidth: bandwidth, sharing: sharing, name: name)
    }
}

/// Makes documents that NUDGE-N has moved by a fixed γ.
public struct RememberedByMoving: RememberingSource {
    /// γ.
    public let step: Double

    /// NUDGE-N with the given γ. In a sum with other sources, the exact step matters little.
    public init(step: Double = 0.5) { self.step = step }

    /// See ``RememberingSource``.
    public var name: SourceName { SourceName(rawValue: "nudge-n") }
    /// See ``RememberingSource``.
    public var keepsBlackBoxScore: Bool { true }

    /// See ``RememberingSource``.
    public func source(rememberingLabelsOf queries: [Int], in data: RivalData) -> any ScoreSource {
        GreatCirclePaths(queries, labels: data.index.labels, base: data.blackBox)
            .source(step: step, ids: data.documents.ids, name: name)
    }
}

/// The scores of all documents by a source that remembers, for many queries at a time.
///
/// `SourceIndex` scores one query at a time, so that a score never depends on other queries. Here a matrix product for
/// many queries is faster, and scores may differ in their last digits.
struct BatchScorer: Sendable {
    let scores: @Sendable (_ queries: SourceQueries) throws -> Matrix

    /// - Parameter rows: the row of each document's identifier.
    init(_ source: any ScoreSource, documents: SourceDocuments, rows: [String: Int]) throws {
        switch source {
        case let memory as QueryMemory: scores = Self.scores(memory, documents.count, rows)
        case let moved as MovedDocuments: scores = Self.scores(moved, documents, rows)
        default:
            let index = try SourceIndex([source], documents: documents)
            scores = { index.scores(of: try index.queries($0), weights: SourceWeights([(source.name, 1)])) }
        }
    }

    private static func vectors(_ queries: SourceQueries) -> Matrix {
        guard let vectors = queries.blackBox else { preconditionFailure("the black box's vectors are missing") }
        return vectors
    }

    private static func scores(
        _ memory: QueryMemory, _ documentCount: Int, _ rows: [String: Int]
    ) -> @Sendable (SourceQueries) -> Matrix {
        let answers = memory.known.answers.map { $0.compactMap { rows[$0] } }
        let shares = memory.known.answers.map { Float(pow(Double(max(1, $0.count)), -memory.sharing)) }
        return { queries in
            var result = Matrix(rows: queries.count, columns: documentCount)
            guard !answers.isEmpty else { return result }
            let similarity = Matrix.multiply(vectors(queries), transposed: memory.known.queries)
            result.forEachRow { row, target in
                for (position, similarity) in similarity.row(row).enumerated() {
                    let exponent = (similarity - 1) / memory.bandwidth
                    // As in the memory itself, smaller shares are left out.
                    guard exponent > -20.7 else { continue }
                    let share = exp(exponent) * shares[position]
                    for document in answers[position] { target[document] += share }
                }
            }
            return result
        }
    }

    private static func scores(
        _ moved: MovedDocuments, _ documents: SourceDocuments, _ rows: [String: Int]
    ) -> @Sendable (SourceQueries) -> Matrix {
        guard let still = documents.blackBox else { preconditionFailure("the black box's vectors are missing") }
        let columns = moved.ids.map { rows[$0] }
        return { queries in
            let vectors = vectors(queries)
            var result = Matrix.multiply(vectors, transposed: still)
            guard !columns.isEmpty else { return result }
            let scores = Matrix.multiply(vectors, transposed: moved.moved)
            result.forEachRow { row, target in
                for (column, score) in zip(columns, scores.row(row)) {
                    if let column { target[column] = score }
                }
            }
            return result
        }
    }
}

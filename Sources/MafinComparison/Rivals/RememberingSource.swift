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
    /// See ``RememberingSource``.
    public let name: SourceName
    /// τ in standard deviations of the cosines of known queries. Black boxes spread their cosines differently.
    public let width: Float
    /// ν.
    public let sharing: Double
    /// See ``MafinPipeline/QueryMemory/folder``.
    public let folder: String

    /// A memory with the given settings.
    public init(width: Float, sharing: Double = 0.5, name: String, folder: String = QueryMemory.standardFolder) {
        (self.width, self.sharing, self.name) = (width, sharing, SourceName(rawValue: name))
        self.folder = folder
    }

    /// Three memories, which use near or also far queries.
    public static let standard = memories(prefix: "")

    /// The same for queries whose vectors a stand-in estimates.
    public static let offline = memories(prefix: "offline-")

    private static func memories(prefix: String) -> [RememberedQueries] {
        [("narrow", 0.28), ("medium", 0.45), ("wide", 0.9)].map {
            RememberedQueries(
                width: $1, name: "\(prefix)query-memory-\($0)", folder: prefix + QueryMemory.standardFolder)
        }
    }

    /// See ``RememberingSource``.
    public var keepsBlackBoxScore: Bool { false }

    /// See ``RememberingSource``.
    public func source(rememberingLabelsOf queries: [Int], in data: RivalData) -> any ScoreSource {
        let known = QueryMemory.Known(
            queries: data.blackBox.queries.selecting(rows: queries),
            answers: queries.map { data.index.labels[$0].map { data.documents.ids[$0.column] } })
        let scale = known.scale
        return QueryMemory(
            known, bandwidth: width * scale.spread, sharing: sharing, reach: scale.reach, name: name, folder: folder)
    }
}

/// Makes documents that NUDGE-N has moved by a fixed γ.
public struct RememberedByMoving: RememberingSource {
    /// γ.
    public let step: Double
    /// See ``RememberingSource``.
    public let name: SourceName

    /// NUDGE-N with the given γ. In a sum with other sources, the exact step matters little.
    public init(step: Double = 0.5, name: String = "nudge-n") {
        (self.step, self.name) = (step, SourceName(rawValue: name))
    }

    /// The same for queries whose vectors a stand-in estimates.
    public static let offline = RememberedByMoving(name: "offline-nudge-n")

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
        case let memory as QueryMemory:
            let prepared = memory.scores(ids: documents.ids)
            scores = { prepared(Self.vectors($0)) }
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

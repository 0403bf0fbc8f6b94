import Foundation
import MafinMethod
import MafinNumerics

/// The inner product of the black box's query vector with document vectors of which some were moved by labels (NUDGE,
/// arXiv 2409.02343). All other documents keep the black box's vector.
public struct MovedDocuments: DenseSource {
    /// Its name.
    public let name: SourceName
    /// Identifiers of the moved documents.
    public let ids: [String]
    /// Their vectors, `(ids.count, dimension)`. They need not have unit length.
    public let moved: Matrix
    private let rows: [String: Int]

    /// - Precondition: one identifier per row, and none twice.
    public init(ids: [String], vectors: Matrix, name: SourceName) {
        precondition(ids.count == vectors.rows, "\(ids.count) identifiers of \(vectors.rows) vectors")
        (self.ids, moved, self.name) = (ids, vectors, name)
        rows = Dictionary(uniqueKeysWithValues: ids.enumerated().map { ($1, $0) })
    }

    /// Columns of its vectors.
    public var dimension: Int { moved.columns }
    /// Its own.
    public var documentVectors: SourceName { name }
    /// See ``ScoreSource/queryInputs``.
    public var queryInputs: SourceInputs { .blackBox }
    /// See ``ScoreSource/documentInputs``.
    public var documentInputs: SourceInputs { [.blackBox, .identifier] }

    /// See ``DenseSource/vectors(of:)-(SourceQueries)``.
    public func vectors(of queries: SourceQueries) -> Matrix {
        guard let vectors = queries.blackBox else { preconditionFailure("the black box's vectors are missing") }
        return vectors
    }

    /// See ``DenseSource/vectors(of:)-(SourceDocuments)``.
    public func vectors(of documents: SourceDocuments) -> Matrix {
        guard var vectors = documents.blackBox, !documents.ids.isEmpty || vectors.rows == 0 else {
            preconditionFailure("the black box's vectors or the identifiers are missing")
        }
        for (row, id) in documents.ids.enumerated() {
            guard let place = rows[id] else { continue }
            vectors.values.replaceSubrange(row * dimension..<(row + 1) * dimension, with: moved.row(place))
        }
        return vectors
    }
}

import Foundation
import MafinMethod
import MafinNumerics
import MafinRetrieval

/// Two linear maps into fewer dimensions, one of joined document vectors and one of joined query vectors:
/// `⟨B q, A d⟩ ≈ ⟨q, d⟩` with A and B of N × D.
///
/// The weights of the sources are in the query before it is mapped. Since the map is linear, each source keeps its own
/// part of the score, `w_k ⟨B_k q_k, A d⟩`, where B_k are the columns of B that belong to the source's vectors. So weights
/// can still change from query to query without a new index. The map was fitted for one set of weights, and loses more with
/// weights that are far from them.
public struct DimensionReduction: Sendable, Equatable {
    /// A, `(dimension, columns of a joined vector)`.
    public let documents: Matrix
    /// B, of the same shape.
    public let queries: Matrix

    /// - Precondition: both have the same shape.
    public init(documents: Matrix, queries: Matrix) {
        precondition(
            documents.rows == queries.rows && documents.columns == queries.columns,
            "maps of \(documents.rows) × \(documents.columns) and \(queries.rows) × \(queries.columns)")
        (self.documents, self.queries) = (documents, queries)
    }

    /// N, the columns of a reduced vector.
    public var dimension: Int { documents.rows }
    /// D, the columns of a joined vector.
    public var joinedDimension: Int { documents.columns }

    private static let documentsFile = "documents.npy"
    private static let queriesFile = "queries.npy"

    /// Writes both maps into a folder.
    func write(to folder: URL) throws {
        try NumPyFile.write(documents, to: folder.appendingPathComponent(Self.documentsFile))
        try NumPyFile.write(queries, to: folder.appendingPathComponent(Self.queriesFile))
    }

    /// Reads both maps.
    /// - Throws: ``SourceFault`` for a map of another shape or with numbers that are not finite; file errors.
    init(readingFrom folder: URL, dimension: Int, joinedDimension: Int) throws {
        func read(_ name: String) throws -> Matrix {
            let matrix = try NumPyFile.read(folder.appendingPathComponent(name))
            func fault(_ expected: String, _ found: String) -> SourceFault {
                SourceFault(field: "reduction", expected: "\(name) of \(expected)", found: found)
            }
            guard matrix.rows == dimension, matrix.columns == joinedDimension else {
                throw fault("\(dimension) × \(joinedDimension)", "\(matrix.rows) × \(matrix.columns)")
            }
            guard matrix.values.allSatisfy(\.isFinite) else { throw fault("finite numbers", "others") }
            return matrix
        }
        self.init(documents: try read(Self.documentsFile), queries: try read(Self.queriesFile))
    }
}

extension SourceName {
    /// The name of reduced document vectors, in files and in indexes.
    package static let reduced = SourceName(rawValue: "reduced")
}

/// A dense source whose vectors are reduced. All reduced sources of an artefact share one vector of a document, which is
/// made of the vectors of all of them.
public struct ReducedSource: DenseSource {
    /// The source as it is without the reduction.
    public let base: any DenseSource
    /// The columns of the query map that belong to its vectors.
    private let queryMap: RowMap
    private let documentMap: RowMap
    /// The first source of each part of a joined vector.
    private let parts: [any DenseSource]

    /// Reduces all dense sources. Other sources stay as they are.
    /// - Precondition: the reduction is of their joined vectors.
    public static func reduce(
        _ sources: [any ScoreSource], by reduction: DimensionReduction
    ) throws -> [any ScoreSource] {
        let parts = Mixture.denseParts(of: sources)
        precondition(
            sources.joinedDimension == reduction.joinedDimension,
            "a reduction of \(reduction.joinedDimension) numbers for \(sources.joinedDimension)")
        let documents = try RowMap(reduction.documents)
        var (maps, start) = ([SourceName: RowMap](), 0)
        for part in parts {
            maps[part.source] = try RowMap(reduction.queries.selecting(columns: start..<start + part.dimension))
            start += part.dimension
        }
        return sources.map { source in
            guard let source = source as? any DenseSource, let map = maps[source.documentVectors] else { return source }
            return ReducedSource(base: source, queryMap: map, documentMap: documents, parts: parts.map(\.first))
        }
    }

    /// The name of the source itself.
    public var name: SourceName { base.name }
    /// Columns of reduced vectors.
    public var dimension: Int { documentMap.dimension }
    /// The vectors that all reduced sources share.
    public var documentVectors: SourceName { .reduced }
    /// See ``ScoreSource/queryInputs``.
    public var queryInputs: SourceInputs { base.queryInputs }
    /// What all of the sources read.
    public var documentInputs: SourceInputs { parts.reduce(into: []) { $0.formUnion($1.documentInputs) } }
    /// The record of the source itself. The reduction has a record of its own in the manifest.
    public var record: SourceRecord { base.record }
    /// See ``ScoreSource/write(to:)``.
    public func write(to folder: URL) throws { try base.write(to: folder) }

    /// See ``DenseSource/vectors(of:)-(SourceQueries)``.
    public func vectors(of queries: SourceQueries) throws -> Matrix { queryMap(try base.vectors(of: queries)) }

    /// See ``DenseSource/vectors(of:)-(SourceDocuments)``.
    public func vectors(of documents: SourceDocuments) throws -> Matrix {
        documentMap(Matrix(joining: try parts.map { try $0.vectors(of: documents) }))
    }
}

extension [any ScoreSource] {
    /// The sources without a reduction.
    package var unreduced: [any ScoreSource] { map { ($0 as? ReducedSource)?.base ?? $0 } }
    /// Columns of a joined vector; 0 if no source is dense.
    package var joinedDimension: Int { Mixture.denseParts(of: self).reduce(0) { $0 + $1.dimension } }
}

/// Multiplies rows by a matrix. Each result depends only on its own row, bit for bit, whatever rows are mapped with it. So
/// every command makes the same vector of a text.
struct RowMap: Sendable {
    private let rows: VectorIndex
    var dimension: Int { rows.count }

    /// - Parameter matrix: `(dimension, columns)`, finite.
    init(_ matrix: Matrix) throws { rows = VectorIndex(try VectorRows(matrix)) }

    /// - Complexity: O(vectors.rows × dimension × columns).
    func callAsFunction(_ vectors: Matrix) -> Matrix {
        var result = Matrix(rows: vectors.rows, columns: dimension)
        let all = Array(0..<dimension)
        result.forEachRow { row, values in
            let products = rows.partScores(of: all, query: Array(vectors.row(row))).values
            for index in values.indices { values[index] = products[index] }
        }
        return result
    }
}

extension Matrix {
    /// Matrices of the same number of rows side by side.
    init(joining parts: [Matrix]) {
        if parts.count == 1 {
            self = parts[0]
            return
        }
        let columns = parts.reduce(0) { $0 + $1.columns }
        self.init(rows: parts.first?.rows ?? 0, columns: columns)
        forEachRow(grain: 64) { row, values in
            var start = 0
            for part in parts {
                for (column, value) in part.row(row).enumerated() { values[start + column] = value }
                start += part.columns
            }
        }
    }
}

import MafinMethod
import MafinNumerics

/// The cosine of the black box's vectors of query and document. In the norm form each is multiplied by its text's weight
/// (``MafinMethod/LocalForm/norm(factor:)``).
public struct BlackBoxVectorSource: DenseSource {
    /// Columns of its vectors.
    public let dimension: Int
    private let form: LocalForm

    /// A black box of the given dimension.
    /// - Parameter form: the form of the local encoder beside it.
    public init(dimension: Int, form: LocalForm = .unit) {
        (self.dimension, self.form) = (dimension, form)
    }

    /// ``MafinMethod/SourceName/blackBox``.
    public var name: SourceName { .blackBox }
    /// Its own.
    public var documentVectors: SourceName { .blackBox }
    /// See ``ScoreSource/queryInputs``.
    public var queryInputs: SourceInputs { form == .unit ? .blackBox : [.blackBox, .local] }
    /// See ``ScoreSource/documentInputs``.
    public var documentInputs: SourceInputs { queryInputs }
    /// See ``ScoreSource/record``.
    public var record: SourceRecord { SourceRecord(name: name, kind: .blackBox, dimension: dimension) }

    /// See ``DenseSource/vectors(of:)-(SourceQueries)``.
    public func vectors(of queries: SourceQueries) -> Matrix { weighted(queries.blackBox, queries.local) }

    /// See ``DenseSource/vectors(of:)-(SourceDocuments)``.
    public func vectors(of documents: SourceDocuments) -> Matrix { weighted(documents.blackBox, documents.local) }

    private func weighted(_ vectors: Matrix?, _ local: LocalRows?) -> Matrix {
        guard var vectors else { preconditionFailure("the black box's vectors are missing") }
        guard let weights = local?.weights, !weights.isEmpty else { return vectors }
        vectors.forEachRow { row, values in
            for index in values.indices { values[index] *= weights[row] }
        }
        return vectors
    }
}

/// The inner product of the local encoder's vectors of query and document: their cosine, except in the norm form.
public struct LocalVectorSource: DenseSource {
    /// Columns of its vectors.
    public let dimension: Int

    /// An encoder of the given dimension.
    public init(dimension: Int) { self.dimension = dimension }

    /// ``MafinMethod/SourceName/local``.
    public var name: SourceName { .local }
    /// Its own.
    public var documentVectors: SourceName { .local }
    /// See ``ScoreSource/queryInputs``.
    public var queryInputs: SourceInputs { .local }
    /// See ``ScoreSource/documentInputs``.
    public var documentInputs: SourceInputs { .local }
    /// See ``ScoreSource/record``.
    public var record: SourceRecord { SourceRecord(name: name, kind: .local, dimension: dimension) }

    /// See ``DenseSource/vectors(of:)-(SourceQueries)``.
    public func vectors(of queries: SourceQueries) -> Matrix { rows(queries.local) }

    /// See ``DenseSource/vectors(of:)-(SourceDocuments)``.
    public func vectors(of documents: SourceDocuments) -> Matrix { rows(documents.local) }

    private func rows(_ local: LocalRows?) -> Matrix {
        guard let local else { preconditionFailure("the local encoder's vectors are missing") }
        return local.vectors
    }
}

/// The cosine of the black box's vector of a document and a ``StandIn``'s estimate of the black box's vector of the query.
public struct StandInSource: DenseSource {
    /// The maps from the stand-in's encoder into the black box's space.
    public let heads: StandInHeads

    /// A stand-in as a source.
    public init(_ heads: StandInHeads) { self.heads = heads }

    /// ``MafinMethod/SourceName/standIn``.
    public var name: SourceName { .standIn }
    /// Columns of its vectors.
    public var dimension: Int { heads.blackBox.columns }
    /// The black box's.
    public var documentVectors: SourceName { .blackBox }
    /// See ``ScoreSource/queryInputs``.
    public var queryInputs: SourceInputs { .estimate }
    /// See ``ScoreSource/documentInputs``.
    public var documentInputs: SourceInputs { .blackBox }

    /// See ``DenseSource/vectors(of:)-(SourceQueries)``.
    public func vectors(of queries: SourceQueries) -> Matrix { rows(queries.blackBox) }

    /// See ``DenseSource/vectors(of:)-(SourceDocuments)``.
    public func vectors(of documents: SourceDocuments) -> Matrix { rows(documents.blackBox) }

    private func rows(_ vectors: Matrix?) -> Matrix {
        guard let vectors else { preconditionFailure("the black box's vectors are missing") }
        return vectors
    }
}

/// The cosine after an ``Adapter`` has mapped the black box's vectors: of queries alone, or of both sides.
public struct AdapterSource: DenseSource {
    /// Its name.
    public let name: SourceName
    /// The map.
    public let adapter: Adapter
    /// Whether documents are mapped too.
    public let mapsDocuments: Bool

    /// An adapter as a source.
    public init(_ adapter: Adapter, mapsDocuments: Bool, name: SourceName) {
        (self.adapter, self.mapsDocuments, self.name) = (adapter, mapsDocuments, name)
    }

    /// Columns of its vectors.
    public var dimension: Int { adapter.dimension }
    /// The black box's, unless it maps documents too.
    public var documentVectors: SourceName { mapsDocuments ? name : .blackBox }
    /// See ``ScoreSource/queryInputs``.
    public var queryInputs: SourceInputs { .blackBox }
    /// See ``ScoreSource/documentInputs``.
    public var documentInputs: SourceInputs { .blackBox }

    /// See ``DenseSource/vectors(of:)-(SourceQueries)``.
    public func vectors(of queries: SourceQueries) -> Matrix {
        guard let vectors = queries.blackBox else { preconditionFailure("the black box's vectors are missing") }
        return adapter(vectors)
    }

    /// See ``DenseSource/vectors(of:)-(SourceDocuments)``.
    public func vectors(of documents: SourceDocuments) -> Matrix {
        guard let vectors = documents.blackBox else { preconditionFailure("the black box's vectors are missing") }
        return mapsDocuments ? adapter(vectors) : vectors
    }
}

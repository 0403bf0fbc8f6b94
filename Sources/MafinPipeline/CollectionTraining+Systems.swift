import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinRetrieval
import MafinText

/// A joined embedding as ranking systems, over the queries and documents of a ``CollectionTraining``.
public struct JoinedSystems: Sendable {
    /// Name of the joined embedding. The names of systems that build on it begin with it.
    public var name = "mafin"
    /// Its joined vectors. Their inner products are the scores.
    public var vectors: VectorSystem
    /// The local encoder alone.
    public var local: VectorSystem
}

/// Ranking systems over the rows of ``CollectionTraining/data``, and their evaluation.
extension CollectionTraining {
    /// The black box alone.
    public var blackBoxSystem: VectorSystem {
        VectorSystem(queries: data.blackBoxQueries, documents: data.blackBoxDocuments)
    }

    /// All queries of the table, as sources read them.
    /// - Parameter local: the local encoder's unit rows.
    public func sourceQueries(local: Matrix? = nil) -> SourceQueries {
        SourceQueries(
            ids: queries.map(\.id), texts: queries.map(\.text), blackBox: data.blackBoxQueries,
            local: local.map { LocalRows(vectors: $0, weights: []) })
    }

    /// All documents, as sources read them.
    /// - Parameter local: the local encoder's unit rows.
    public func sourceDocuments(local: Matrix? = nil) -> SourceDocuments {
        SourceDocuments(
            ids: collection.documentIds, texts: collection.documents.map(\.textForEncoding),
            blackBox: data.blackBoxDocuments, local: local.map { LocalRows(vectors: $0, weights: []) })
    }

    /// The released encoder alone. Its vectors are taken from the cache if they are there.
    /// - Throws: `CombinationError` for a text whose vector is all zeros or not finite; `CancellationError` when
    ///   cancelled.
    public func releasedSystem(isCancelled: () -> Bool = { false }) throws -> VectorSystem {
        try localSystem(queries: releasedQueryVectors(isCancelled: isCancelled), documents: documentBank)
    }

    /// The mean number of tokens of a query's own text, by the local encoder's tokenizer; `nil` if there are no queries, or the encoder
    /// reads images.
    /// Its prefix and special tokens are not sent to the black box, so they do not count.
    /// - Throws: `TokenizerError`.
    package func meanQueryTokens() throws -> Double? {
        guard !queries.isEmpty, case .tokens = data.queries else { return nil }
        let tokenizer = try readTokenizer(modelFolder: released.folder)
        let counts = queries.map { tokenizer.encode($0.text, addSpecialTokens: false, maxLength: .max).count }
        return Double(counts.reduce(0, +)) / Double(counts.count)
    }

    /// The record of the released encoder beside a stand-in, whose local encoder's documents it encodes; `nil` if documents
    /// are trained.
    package func releasedRecord(beside standIn: TrainedStandIn) -> EncoderRecord? {
        guard choice.mode == .query else { return nil }
        var record = standIn.record
        (record.folder, record.weightsSHA256) = (nil, released.weightsHash)
        return record
    }

    /// A trained encoder, alone and joined with the black box. No artefact is written.
    /// - Throws: `CombinationError` for vectors that cannot be joined; whatever the encoder throws.
    public func systems(of trained: TrainedEncoder) throws -> JoinedSystems {
        let (queries, documents) = try localVectors(of: trained)
        return try systems(of: trained.contender, mixing: trained.mixing, queries: queries, documents: documents)
    }

    /// The same from vectors of the encoder, not normalised.
    package func systems(
        of contender: Contender, mixing: Mixture, queries: Matrix, documents: Matrix
    ) throws -> JoinedSystems {
        JoinedSystems(
            name: contender.joinedName, vectors: try joined(mixing, queries: queries, documents: documents),
            local: try localSystem(queries: queries, documents: documents))
    }

    /// A trained encoder's vectors of all queries and all documents, not normalised.
    /// - Throws: whatever the encoder throws.
    package func localVectors(of trained: TrainedEncoder) throws -> (queries: Matrix, documents: Matrix) {
        (
            try trained.encoder.encoder.embed(data.queries),
            trained.trainsDocuments ? try trained.encoder.encoder.embed(data.documents) : documentBank
        )
    }

    /// The black box's vectors joined with those of a local encoder, whose share of the score is λ.
    /// - Throws: `CombinationError` for vectors that cannot be joined.
    package func concatenation(of local: VectorSystem, lambda: Float) throws -> VectorSystem {
        try joined(Mixture(MixtureWeights(lambda: lambda)), queries: local.queries, documents: local.documents)
    }

    private func joined(_ mixture: Mixture, queries local: Matrix, documents: Matrix) throws -> VectorSystem {
        VectorSystem(
            queries: try mixture.join(blackBox: data.blackBoxQueries, local: local, as: .query, ids: queries.map(\.id)),
            documents: try mixture.join(
                blackBox: data.blackBoxDocuments, local: documents, as: .document, ids: collection.documentIds))
    }

    private func localSystem(queries local: Matrix, documents: Matrix) throws -> VectorSystem {
        VectorSystem(
            queries: try UnitRows.make(local, source: .local, ids: queries.map(\.id)),
            documents: try UnitRows.make(documents, source: .local, ids: collection.documentIds))
    }

    /// Measures a system on the queries that `qrels` judges.
    /// - Precondition: the black box was asked for those queries.
    /// - Throws: what the system throws.
    public func evaluate(
        _ system: any RankingSystem, on qrels: Qrels, metrics: [Metric] = Metric.standard
    ) throws -> RunEvaluation {
        MafinRetrieval.evaluate(try run(of: system, on: qrels), against: qrels, metrics: metrics)
    }

    /// A system's ranking of the queries that `qrels` judges.
    /// - Precondition: the black box was asked for those queries.
    /// - Throws: what the system throws.
    public func run(of system: any RankingSystem, on qrels: Qrels) throws -> Run {
        try system.run(of: queries, on: qrels, of: collection)
    }
}

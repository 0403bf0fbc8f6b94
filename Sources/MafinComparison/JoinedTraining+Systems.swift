import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

extension TrainedEncoder {
    /// The trained encoder's joined vectors and its half alone, of all queries that the black box was asked for and all documents: what rivals build on,
    /// and what ranks test queries without writing an artefact.
    ///
    /// Rows are those of ``CollectionTraining/data``.
    /// - Throws: ``CombinationError`` for vectors that cannot be joined; what the encoder throws.
    public func systems() throws -> StandardRivals.Joined {
        let (queries, documents) = try localVectors()
        return try training.systems(of: contender, mixing: mixing, queries: queries, documents: documents)
    }

    /// The encoder's vectors of all queries and all documents, as it emits them.
    /// - Throws: what the encoder throws.
    func localVectors() throws -> (queries: Matrix, documents: Matrix) {
        let data = training.data
        return (
            try encoder.encoder.embed(data.queries),
            mode.trainsDocuments ? try encoder.encoder.embed(data.documents) : training.documentBank
        )
    }
}

extension CollectionTraining {
    /// Joined vectors and the local half alone from vectors of an encoder, as it emits them.
    func systems(
        of contender: Contender, mixing: ArtefactManifest.Mixing, queries: Matrix, documents: Matrix
    ) throws -> StandardRivals.Joined {
        let combination = mixing.combination
        let queryIds = self.queries.map(\.id)
        let documentIds = collection.documentIds
        return StandardRivals.Joined(
            name: contender.joinedName,
            vectors: VectorSystem(
                queries: try combination.join(
                    blackBox: data.blackBoxQueries, local: queries, as: .query, ids: queryIds),
                documents: try combination.join(
                    blackBox: data.blackBoxDocuments, local: documents, as: .document, ids: documentIds)),
            local: VectorSystem(
                queries: try UnitRows.make(queries, source: .local, ids: queryIds),
                documents: try UnitRows.make(documents, source: .local, ids: documentIds)))
    }

    /// The black box's vectors beside those of a local encoder, whose share in a score is λ.
    /// - Throws: ``CombinationError`` for vectors that cannot be joined.
    func concatenation(of local: VectorSystem, lambda: Float) throws -> VectorSystem {
        let combination = Combination.querySided(lambda: lambda)
        return VectorSystem(
            queries: try combination.join(blackBox: data.blackBoxQueries, local: local.queries, as: .query),
            documents: try combination.join(blackBox: data.blackBoxDocuments, local: local.documents, as: .document))
    }

    /// The black box alone, over the rows of ``data``.
    public var blackBoxSystem: VectorSystem {
        VectorSystem(queries: data.blackBoxQueries, documents: data.blackBoxDocuments)
    }

    /// What rivals learn from and choose on: the same labels as the encoder.
    /// - Throws: ``TrainingError/noQueries(list:reason:)`` without development queries.
    public func rivalData(metric: Metric = .nDCG(cutoff: 10)) throws -> RivalData {
        try RivalData(index: data.index, metric: metric)
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
        let row = Dictionary(queries.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
        let judged = collection.queries(judgedIn: qrels).map(\.id)
        let rows = judged.map { id in
            guard let row = row[id] else { preconditionFailure("query \(id) was not asked") }
            return row
        }
        return Run(
            try system.rankings(queries: rows, count: ArtefactEvaluation.depth), queryIds: judged,
            documentIds: collection.documentIds)
    }
}

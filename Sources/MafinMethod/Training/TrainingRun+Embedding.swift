import MafinNumerics

extension TrainingRun {
    /// Queries as the query encoder emits them, without dropout: `(queries, dimension)`.
    func embedQueries(_ queries: [Int]) throws -> Matrix {
        let texts = DistinctRows(queries, identities: index.queryIdentities)
        let known = state.step == 0 ? try trainer.untrainedQueries?(texts.rows) : nil
        let embeddings =
            try known
            ?? embedInPieces(
                trainer.data.queries.selecting(rows: texts.rows), with: trainer.queryEncoder,
                tokensPerPass: options.tokensPerPass, isCancelled: isCancelled)
        return texts.hasRepeats ? embeddings.selecting(rows: texts.position) : embeddings
    }

    /// All documents as the document side emits them, without dropout: `(documents, dimension)`.
    func embedDocuments() throws -> Matrix {
        try trainer.embedDocuments(isCancelled: isCancelled, onEvent)
    }
}

extension Trainer {
    /// All documents as the document side emits them with the weights of the moment, without dropout: `(documents, dimension)`, each distinct
    /// text encoded once. In a mode that does not train documents and has no document encoder this is not the bank once training has begun.
    /// - Throws: `CancellationError`, and what the encoder throws.
    public func embedDocuments(
        isCancelled: () -> Bool = { false }, _ onEvent: (TrainingEvent) -> Void = { _ in }
    ) throws -> Matrix {
        let texts = DistinctRows(Array(0..<data.documents.count), identities: data.index.documentIdentities)
        let embeddings = try embedInPieces(
            texts.hasRepeats ? data.documents.selecting(rows: texts.rows) : data.documents,
            with: documentEncoder ?? queryEncoder, tokensPerPass: options.tokensPerPass, isCancelled: isCancelled
        ) { onEvent(.encodingDocuments(done: $0, total: $1)) }
        return texts.hasRepeats ? embeddings.selecting(rows: texts.position) : embeddings
    }
}

/// Embeddings of all rows, some at a time, so that a long encoding can be watched and cancelled.
/// - Parameter progress: tokens done, tokens in all.
/// - Throws: `CancellationError`, and what the encoder throws.
func embedInPieces<Encoder: TrainableEncoder>(
    _ inputs: Encoder.Inputs, with encoder: Encoder, tokensPerPass: Int, isCancelled: () -> Bool,
    progress: (Int, Int) -> Void = { _, _ in }
) throws -> Matrix {
    let total = (0..<inputs.count).reduce(0) { $0 + inputs.length(of: $1) }
    var done = 0
    var values: [Float] = []
    values.reserveCapacity(inputs.count * encoder.dimension)
    for range in rangesOfBoundedLength(inputs, tokens: tokensPerPass) {
        if isCancelled() { throw CancellationError() }
        values += try encoder.embed(inputs.selecting(rows: Array(range))).values
        for row in range { done += inputs.length(of: row) }
        progress(done, total)
    }
    return Matrix(rows: inputs.count, columns: encoder.dimension, values: values)
}

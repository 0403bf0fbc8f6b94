import MafinNumerics

/// Computes one step: encodes the texts of the step, scores the block, and propagates the gradient of the loss back to
/// the encoders' weights.
struct StepEngine<Encoder: TrainableEncoder> {
    let queryEncoder: Encoder
    /// `nil`: the query encoder encodes documents too, in the same pass.
    let documentEncoder: Encoder?
    let data: TrainingData<Encoder.Inputs>
    /// The frozen scores of the training queries, for the columns of ``fixed`` if there are fixed columns, otherwise for
    /// all documents.
    let scores: FrozenScores
    let loss: any Loss
    var distillation: Distillation?
    /// The columns of steps whose candidates are ``CandidateSet/fixed``.
    var fixed: FixedColumns?
    /// Whether the rows of encoded documents are written into the bank.
    var keepsBank = true

    /// Candidates that are the same in every step and whose vectors never change. They are gathered once.
    struct FixedColumns {
        /// The documents that training queries judge, one for each distinct text.
        let texts: DistinctRows
        /// The bank's rows of these texts.
        let rows: LocalRows

        init(_ index: TrainingIndex, bank: DocumentBank) {
            texts = DistinctRows(index.judgedDocuments, identities: index.documentIdentities)
            rows = bank.rows.selecting(rows: texts.rows)
        }
    }

    /// The results of a step, apart from the gradients, which are in the encoders.
    struct Outcome {
        var loss: Float
        var tokens: Int
        /// ∂L/∂a and ∂L/∂b of the unit form's scale; 0 where not wanted.
        var blackBoxScale: Double
        var localScale: Double
    }

    /// - Parameters:
    ///   - head: the present scale and form.
    ///   - bank: the local rows of all documents. The rows of the step's own documents are replaced by new ones.
    ///   - seed: the seed of the dropout masks; `nil`: no dropout.
    ///   - gradientFactor: factor by which the gradient of the loss is multiplied: 1 / number of accumulated batches.
    ///   - wantsScale: whether the scale's gradient is needed.
    ///   - endsUpdate: whether an update of the encoders follows.
    func run(
        _ step: TrainingStep, head: ScoreHead, bank: inout DocumentBank, seed: UInt64?, gradientFactor: Float,
        wantsScale: Bool, endsUpdate: Bool = false
    ) throws -> Outcome {
        let texts = DistinctRows(step.queries, identities: data.index.queryIdentities)
        let encodings = try encode(
            queries: texts.rows, documents: step.encoded, seed: seed,
            backward: { endsUpdate ? try $0.backwardBeforeUpdate($1, gradient: $2) : try $0.backward($1, gradient: $2) }
        )
        let (queryRows, queryNorms) = head.form.prepareKeeping(encodings.queries)
        let (documentRows, documentNorms) = head.form.prepareKeeping(encodings.documents)
        let rows = texts.hasRepeats ? queryRows.selecting(rows: texts.position) : queryRows

        let columns: LocalRows
        var documents: [Int]?
        switch step.candidates {
        case .corpus:
            bank.replace(step.freshColumns, with: documentRows)
            columns = bank.rows
        case .documents(let candidates):
            documents = candidates
            if keepsBank {
                let replaced = step.freshColumns.map { (column: candidates[$0.column], position: $0.position) }
                bank.replace(spread(replaced), with: documentRows)
            }
            columns = candidates.count == step.encoded.count ? documentRows : bank.rows.selecting(rows: candidates)
        case .fixed:
            guard let fixed else { preconditionFailure("a step against fixed columns, and there are none") }
            columns = fixed.rows
        }
        let blackBox = head.blackBoxFactor == 0 ? nil : scores.block(queries: step.queries, columns: documents)

        let pass = head.forward(queries: rows, documents: columns, blackBox: blackBox)
        let labels = step.labels(of: pass.logits, mixedScorePerLogit: head.mixedScorePerLogit)
        var value = loss.evaluate(logits: pass.logits, labels: labels)
        var outcome = Outcome(loss: value.value, tokens: encodings.tokens, blackBoxScale: 0, localScale: 0)
        guard value.value.isFinite else { return outcome }
        if gradientFactor != 1 { value.gradient.scale(by: gradientFactor) }
        let gradients = head.backward(
            gradient: value.gradient, pass: pass, queries: rows, documents: columns,
            freshColumns: step.freshColumns.map(\.column))
        if wantsScale {
            outcome.localScale = value.gradientOfWeight(on: pass.local)
            outcome.blackBoxScale = pass.blackBox.map { value.gradientOfWeight(on: $0) } ?? 0
        }

        let (queryGradient, queryWeightGradient) = gathered(
            gradients.queries, gradients.queryWeights, at: texts.position, count: texts.rows.count)
        let (documentGradient, documentWeightGradient) = gathered(
            gradients.documents, gradients.documentWeights, at: step.freshColumns.map(\.position),
            count: step.encoded.count)
        var embeddingGradient = head.form.backward(
            gradient: queryGradient, weightGradient: queryWeightGradient, embeddings: encodings.queries,
            prepared: queryRows, norms: queryNorms)
        if let distillation {
            outcome.loss += distillation.add(
                to: &embeddingGradient, queries: texts.rows, embeddings: encodings.queries, factor: gradientFactor)
        }
        try encodings.backward(
            embeddingGradient,
            head.form.backward(
                gradient: documentGradient, weightGradient: documentWeightGradient, embeddings: encodings.documents,
                prepared: documentRows, norms: documentNorms))
        return outcome
    }

    /// Adds the other documents with the same texts, even if they are no columns of the step, because documents of
    /// equal text have equal rows in the bank.
    private func spread(_ fresh: [(column: Int, position: Int)]) -> [(column: Int, position: Int)] {
        let index = data.index
        guard !index.repeatedDocuments.isEmpty else { return fresh }
        return fresh.flatMap { document, position in
            (index.repeatedDocuments[index.documentIdentities[document]] ?? [document]).map { ($0, position) }
        }
    }

    /// Sums the rows that belong to the same text.
    private func gathered(
        _ gradient: Matrix, _ weights: [Float], at positions: [Int], count: Int
    ) -> (Matrix, [Float]) {
        if positions.count == count, positions.enumerated().allSatisfy({ $0 == $1 }) { return (gradient, weights) }
        var sums = Matrix(rows: count, columns: gradient.columns)
        var weightSums = [Float](repeating: 0, count: count)
        for (row, position) in positions.enumerated() {
            for column in 0..<gradient.columns { sums[position, column] += gradient[row, column] }
            weightSums[position] += weights[row]
        }
        return (sums, weightSums)
    }

    /// The embeddings of a step's distinct texts, and their backward pass.
    private struct Encodings {
        var queries: Matrix
        var documents: Matrix
        var tokens: Int
        /// Adds to the encoders' gradients, given ∂L/∂queries and ∂L/∂documents.
        var backward: (Matrix, Matrix) throws -> Void
    }

    private func encode(
        queries: [Int], documents: [Int], seed: UInt64?,
        backward: @escaping (Encoder, Encoder.Pass, Matrix) throws -> Void
    ) throws -> Encodings {
        let tokens = data.index.tokens(queries: queries, documents: documents)
        let (queryInputs, encoder) = (data.queries.selecting(rows: queries), queryEncoder)
        if documents.isEmpty {
            let pass = try encoder.forward(queryInputs, dropoutSeed: seed)
            return Encodings(
                queries: encoder.embeddings(of: pass), documents: Matrix(rows: 0, columns: encoder.dimension),
                tokens: tokens
            ) { queryGradient, _ in try backward(encoder, pass, queryGradient) }
        }
        let documentInputs = data.documents.selecting(rows: documents)
        if let documentEncoder {
            let queryPass = try encoder.forward(queryInputs, dropoutSeed: seed)
            let documentPass = try documentEncoder.forward(
                documentInputs, dropoutSeed: seed.map { RandomGenerator.mix(~$0) })
            return Encodings(
                queries: encoder.embeddings(of: queryPass), documents: documentEncoder.embeddings(of: documentPass),
                tokens: tokens
            ) { queryGradient, documentGradient in
                try backward(encoder, queryPass, queryGradient)
                try backward(documentEncoder, documentPass, documentGradient)
            }
        }
        let pass = try encoder.forward(.concatenating([queryInputs, documentInputs]), dropoutSeed: seed)
        let embeddings = encoder.embeddings(of: pass)
        return Encodings(
            queries: embeddings.selecting(rows: 0..<queries.count),
            documents: embeddings.selecting(rows: queries.count..<embeddings.rows), tokens: tokens
        ) { queryGradient, documentGradient in
            try backward(
                encoder, pass,
                Matrix(
                    rows: queryGradient.rows + documentGradient.rows, columns: queryGradient.columns,
                    values: queryGradient.values + documentGradient.values))
        }
    }
}

import MafinNumerics

/// Computes one step: encodes what is fresh, scores the block, and carries the loss's gradient back to the weights.
struct StepEngine<Encoder: TrainableEncoder> {
    let queryEncoder: Encoder
    /// `nil`: documents are encoded by the query encoder, in the same pass.
    let documentEncoder: Encoder?
    let data: TrainingData<Encoder.Inputs>
    let scores: ScoreSource
    let loss: any Loss
    let tokensPerPass: Int

    /// What a step brought, besides gradients in the encoders.
    struct Outcome {
        var loss: Float
        var tokens: Int
        /// ∂L/∂a and ∂L/∂b of the unit form's scale; 0 where not wanted.
        var blackBoxScale: Double
        var localScale: Double
    }

    /// - Parameters:
    ///   - head: scale and form of the moment.
    ///   - bank: the local half of all documents; rows of the step's own documents are replaced by fresh ones.
    ///   - seed: of the dropout masks; `nil`: no dropout.
    ///   - gradientFactor: the loss's gradient is multiplied by it (1 / number of batches that are accumulated).
    ///   - wantsScale: whether the scale's gradient is needed.
    func run(
        _ step: TrainingStep, head: ScoreHead, bank: inout DocumentBank, seed: UInt64?, gradientFactor: Float,
        wantsScale: Bool
    ) throws -> Outcome {
        let texts = DistinctRows(step.queries, identities: data.index.queryIdentities)
        let encodings = try encode(queries: texts.rows, documents: step.encoded, seed: seed)
        let (queryRows, queryNorms) = head.form.prepareKeeping(encodings.queries)
        let (documentRows, documentNorms) = head.form.prepareKeeping(encodings.documents)
        let rows = texts.hasRepeats ? queryRows.selecting(rows: texts.position) : queryRows

        let columns: LocalRows
        var blackBox: Matrix?
        switch step.candidates {
        case .corpus:
            bank.replace(step.freshColumns, with: documentRows)
            columns = bank.rows
            if head.blackBoxFactor != 0 { blackBox = scores.block(queries: step.queries) }
        case .documents(let documents):
            let replaced = step.freshColumns.map { (column: documents[$0.column], position: $0.position) }
            bank.replace(spread(replaced), with: documentRows)
            columns =
                documents.count == step.encoded.count ? documentRows : bank.rows.selecting(rows: documents)
            if head.blackBoxFactor != 0 { blackBox = scores.block(queries: step.queries, columns: documents) }
        }

        let pass = head.forward(queries: rows, documents: columns, blackBox: blackBox)
        var value = loss.evaluate(logits: pass.logits, labels: step.labels)
        var outcome = Outcome(loss: value.value, tokens: encodings.tokens, blackBoxScale: 0, localScale: 0)
        guard value.value.isFinite else { return outcome }
        if gradientFactor != 1 {
            value.gradient.values.withUnsafeMutableBufferPointer { values in
                for index in values.indices { values[index] *= gradientFactor }
            }
        }
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
        try encodings.backward(
            head.form.backward(
                gradient: queryGradient, weightGradient: queryWeightGradient, embeddings: encodings.queries,
                prepared: queryRows, norms: queryNorms),
            head.form.backward(
                gradient: documentGradient, weightGradient: documentWeightGradient, embeddings: encodings.documents,
                prepared: documentRows, norms: documentNorms))
        return outcome
    }

    /// Every document of a fresh text, also those that are no column of the step: the bank holds one vector a text.
    private func spread(_ fresh: [(column: Int, position: Int)]) -> [(column: Int, position: Int)] {
        let index = data.index
        guard !index.repeatedDocuments.isEmpty else { return fresh }
        return fresh.flatMap { document, position in
            (index.repeatedDocuments[index.documentIdentities[document]] ?? [document]).map { ($0, position) }
        }
    }

    /// Sums the rows that belong to one text.
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

    /// The embeddings of a step's distinct texts, and the way back.
    private struct Encodings {
        var queries: Matrix
        var documents: Matrix
        var tokens: Int
        /// Carries ∂L/∂queries and ∂L/∂documents back.
        var backward: (Matrix, Matrix) throws -> Void
    }

    private func encode(queries: [Int], documents: [Int], seed: UInt64?) throws -> Encodings {
        let index = data.index
        var tokens = 0
        for query in queries { tokens += index.queryLengths[query] }
        for document in documents { tokens += index.documentLengths[document] }
        let queryInputs = data.queries.selecting(rows: queries)
        guard !documents.isEmpty else {
            let encoding = try GradientEncoding(
                encoder: queryEncoder, inputs: queryInputs, seed: seed, tokensPerPass: tokensPerPass)
            return Encodings(
                queries: encoding.embeddings, documents: Matrix(rows: 0, columns: queryEncoder.dimension),
                tokens: tokens
            ) { queryGradient, _ in try encoding.backward(gradient: queryGradient) }
        }
        let documentInputs = data.documents.selecting(rows: documents)
        if let documentEncoder {
            let queryEncoding = try GradientEncoding(
                encoder: queryEncoder, inputs: queryInputs, seed: seed, tokensPerPass: tokensPerPass)
            let documentEncoding = try GradientEncoding(
                encoder: documentEncoder, inputs: documentInputs, seed: seed.map { RandomGenerator.mix(~$0) },
                tokensPerPass: tokensPerPass)
            return Encodings(
                queries: queryEncoding.embeddings, documents: documentEncoding.embeddings, tokens: tokens
            ) { queryGradient, documentGradient in
                try queryEncoding.backward(gradient: queryGradient)
                try documentEncoding.backward(gradient: documentGradient)
            }
        }
        let encoding = try GradientEncoding(
            encoder: queryEncoder, inputs: .concatenating([queryInputs, documentInputs]), seed: seed,
            tokensPerPass: tokensPerPass)
        let cut = queries.count
        return Encodings(
            queries: encoding.embeddings.selecting(rows: 0..<cut),
            documents: encoding.embeddings.selecting(rows: cut..<encoding.embeddings.rows), tokens: tokens
        ) { queryGradient, documentGradient in
            try encoding.backward(
                gradient: Matrix(
                    rows: queryGradient.rows + documentGradient.rows, columns: queryGradient.columns,
                    values: queryGradient.values + documentGradient.values))
        }
    }
}

import MafinNumerics

extension Calibration {
    /// Fits the weights of black-box and local scores to the labels of all `queries`, over full lists of documents.
    ///
    /// Scores that do not fit the budget are computed block by block, again in each pass of the fit; a start near the optimum saves passes.
    /// - Parameters:
    ///   - queries: queries with labels.
    ///   - local: unit rows of the local encoder, one a query.
    ///   - documents: unit rows of the local encoder, all documents.
    ///   - scores: the black box's scores; `nil`: the temperature of the local scores alone is fitted.
    ///   - byteBudget: bytes of both score matrices that are held at a time.
    ///   - start: where to begin, such as the last fit.
    /// - Throws: ``CalibrationError`` where the labels say nothing about the weights.
    package static func fit(
        queries: [Int], local: Matrix, documents: Matrix, scores: BlackBoxScores?, index: TrainingIndex,
        byteBudget: Int,
        startingAt start: MixtureWeights? = nil
    ) throws -> Calibration {
        func block(_ rows: Range<Int>) -> (blackBox: Matrix, local: Matrix) {
            (
                scores?.block(queries: Array(queries[rows])) ?? Matrix(rows: rows.count, columns: documents.rows),
                Matrix.multiply(local.selecting(rows: rows), transposed: documents)
            )
        }
        let rowsPerBlock = max(1, byteBudget / (2 * MemoryLayout<Float>.stride * max(1, documents.rows)))
        let blocks: ScoreBlocks
        if queries.count <= rowsPerBlock {
            let whole = block(0..<queries.count)
            blocks = ScoreBlocks(blackBox: whole.blackBox, local: whole.local)
        } else {
            blocks = ScoreBlocks(rows: queries.count, rowsPerBlock: rowsPerBlock, scores: block)
        }
        return try fit(
            blocks, labels: StepPlan(queries: queries).againstCorpus(index).labels, startingAt: start)
    }
}

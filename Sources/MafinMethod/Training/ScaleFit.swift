import MafinNumerics

/// The scale of both halves from queries' full lists, within a budget of memory; see ``Calibration``.
package enum ScaleFit {
    /// Queries that are fitted even where their scores do not fit the budget: they are then multiplied anew in each pass.
    static let minimumQueries = 64

    /// - Parameters:
    ///   - queries: queries with labels; as many of the first ones as fit the budget are used.
    ///   - local: unit rows of the local half, one a query.
    ///   - documents: unit rows of the local half of all documents.
    ///   - scores: the black box's; `nil`: the local half alone, only its temperature is fitted.
    ///   - byteBudget: for the two score matrices.
    /// - Throws: ``CalibrationError`` where the labels say nothing about the scale.
    package static func fit(
        queries: [Int], local: Matrix, documents: Matrix, scores: ScoreSource?, index: TrainingIndex, byteBudget: Int,
        startingAt start: MixtureWeights? = nil
    ) throws -> Calibration {
        let fitting = byteBudget / (2 * MemoryLayout<Float>.stride * max(1, documents.rows))
        let used = Array(queries.prefix(max(fitting, minimumQueries)))
        func block(_ rows: Range<Int>) -> (blackBox: Matrix, local: Matrix) {
            let local = Matrix.multiply(local.selecting(rows: rows), transposed: documents)
            return (
                scores?.block(queries: Array(used[rows])) ?? Matrix(rows: rows.count, columns: documents.rows), local
            )
        }
        let blocks: ScoreBlocks
        if used.count <= fitting {
            let whole = block(0..<used.count)
            blocks = ScoreBlocks(blackBox: whole.blackBox, local: whole.local)
        } else {
            blocks = ScoreBlocks(rows: used.count, rowsPerBlock: max(1, fitting), scores: block)
        }
        return try Calibration.fit(
            blocks, labels: StepPlan(queries: used).againstCorpus(index).labels, startingAt: start)
    }
}

import MafinNumerics

extension VectorIndex {
    /// The `count` best of some rows for one query: best first, equal scores by index, ascending. Scores are those of
    /// ``search(queries:count:check:)``, bit for bit.
    /// - Parameters:
    ///   - query: one row.
    ///   - rows: ascending, none twice.
    ///   - sums: numbers that are added to the scores, one for each row of the index; empty: none.
    /// - Complexity: O(rows.count × columns).
    /// - Throws: ``RetrievalError/invalidElement(source:row:column:expected:found:)`` for a query with an infinite element or NaN.
    package func search(
        query: Matrix, among rows: [Int], adding sums: [Float] = [], count: Int
    ) throws -> [ScoredIndex] {
        precondition(
            query.rows == 1 && query.columns == columns, "a query of \(query.columns) columns, rows of \(columns)")
        precondition(sums.isEmpty || sums.count == self.count, "\(sums.count) sums of \(self.count) rows")
        precondition(
            rows.allSatisfy { (0..<self.count).contains($0) } && zip(rows, rows.dropFirst()).allSatisfy { $0 < $1 },
            "rows outside of the index, or not ascending")
        if let fault = query.values.firstIndex(where: { !$0.isFinite }) {
            throw RetrievalError.invalidElement(
                source: "the queries", row: 0, column: fault, expected: "a finite number",
                found: "\(query.values[fault])")
        }
        var selector = TopKSelector(count: min(count, rows.count))
        withScorer(query, rows: 0..<1) { scorer in
            for row in rows {
                let score = scorer.score(row: row, query: 0)
                selector.offer(sums.isEmpty ? score : score + sums[row], at: row)
            }
        }
        return selector.take()
    }
}

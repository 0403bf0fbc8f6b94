import MafinNumerics

/// Making the rows of a half unit length, each by its own norm (never by that of the batch).
public enum UnitRows {
    /// Lengths this close to 1 are left as they are: it is the rounding error of a vector that was normalised in single
    /// precision. So the vectors of an API that answers with unit length stay bit for bit what it answered, and with them its
    /// ranking, ties included; and making rows unit twice is making them unit once.
    public static let tolerance: Float = 1e-6

    /// The rows of `matrix`, each divided by its own Euclidean norm.
    ///
    /// - Parameters:
    ///   - source: named in errors.
    ///   - ids: one a row, named in errors; may be empty.
    /// - Throws: ``CombinationError`` for the first row that is all zeros or not finite.
    /// - Complexity: O(rows · columns).
    public static func make(_ matrix: Matrix, source: VectorSource, ids: [String] = []) throws -> Matrix {
        precondition(ids.isEmpty || ids.count == matrix.rows, "\(ids.count) identifiers for \(matrix.rows) rows")
        var result = matrix
        let columns = matrix.columns
        var bad: Int?
        result.values.withUnsafeMutableBufferPointer { values in
            for row in 0..<matrix.rows {
                let range = row * columns..<(row + 1) * columns
                var sum: Double = 0
                for index in range { sum += Double(values[index]) * Double(values[index]) }
                guard sum > 0, sum.isFinite else {
                    bad = row
                    return
                }
                let norm = sum.squareRoot()
                guard abs(norm - 1) > Double(tolerance) else { continue }
                // Divided in double precision: the length is then 1 to rounding, also for the shortest vectors.
                for index in range { values[index] = Float(Double(values[index]) / norm) }
            }
        }
        if let row = bad {
            let id = ids.isEmpty ? nil : ids[row]
            if let column = matrix.row(row).firstIndex(where: { !$0.isFinite }) {
                throw CombinationError.notFinite(source: source, row: row, column: column - row * columns, id: id)
            }
            throw CombinationError.zeroVector(source: source, row: row, id: id)
        }
        return result
    }
}

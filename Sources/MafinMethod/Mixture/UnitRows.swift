import MafinNumerics

/// Scales vectors to unit length and checks them. Every vector passes through here when it enters the program.
public enum UnitRows {
    /// The rows of `matrix`, each divided by its own length; see `Matrix.normalize`.
    ///
    /// Rows that already have unit length stay the same bit for bit, so a second call changes nothing.
    /// - Parameters:
    ///   - source: named in errors.
    ///   - ids: one per row, for error messages; may be empty.
    /// - Throws: ``CombinationError`` for the first row that is all zeros or not finite, and for a wrong number of ids.
    /// - Complexity: O(rows · columns).
    public static func make(_ matrix: Matrix, source: SourceName, ids: [String] = []) throws -> Matrix {
        guard ids.isEmpty || ids.count == matrix.rows else {
            throw CombinationError.identifierCount(rows: matrix.rows, ids: ids.count)
        }
        var result = matrix
        let columns = matrix.columns
        let bad = result.values.withUnsafeMutableBufferPointer { values in
            (0..<matrix.rows).first { row in
                let length = Matrix.normalize(
                    UnsafeMutableBufferPointer(rebasing: values[row * columns..<(row + 1) * columns]))
                return !(length > 0 && length.isFinite)
            }
        }
        guard let bad else { return result }
        try requireFinite(matrix.row(bad), row: bad, source: source, ids: ids)
        throw CombinationError.zeroVector(source: source, row: bad, id: ids.isEmpty ? nil : ids[bad])
    }

    /// Checks rows whose lengths stay as they are, and may be 0.
    /// - Throws: ``CombinationError`` for the first value that is not finite.
    static func requireFinite(_ matrix: Matrix, source: SourceName, ids: [String]) throws {
        for row in 0..<matrix.rows { try requireFinite(matrix.row(row), row: row, source: source, ids: ids) }
    }

    private static func requireFinite(_ values: ArraySlice<Float>, row: Int, source: SourceName, ids: [String]) throws {
        guard let column = values.firstIndex(where: { !$0.isFinite }) else { return }
        throw CombinationError.notFinite(
            source: source, row: row, column: column - values.startIndex, id: ids.isEmpty ? nil : ids[row])
    }
}

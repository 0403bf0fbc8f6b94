import MafinBlackBox
import MafinNumerics
import Synchronization

/// Collects the rows of one call into a matrix. Batches arrive one after the other; the lock only satisfies the compiler.
final class RowCollector: Sendable {
    private struct State {
        var columns: Int?
        var values: [Float] = []
    }

    private let count: Int
    private let state = Mutex(State())

    init(count: Int) { self.count = count }

    /// Adds rows at their indices. All must have the same length.
    func fill(_ rows: AnsweredRows) {
        state.withLock { state in
            let columns = state.columns ?? rows.vectors.columns
            precondition(rows.vectors.columns == columns, "rows of other than \(columns) columns")
            if state.columns == nil {
                state.columns = columns
                state.values = [Float](repeating: 0, count: count * columns)
            }
            for (row, index) in rows.indices.enumerated() {
                state.values.replaceSubrange(index * columns..<(index + 1) * columns, with: rows.vectors.row(row))
            }
        }
    }

    /// All rows; `(0, 0)` if there are none.
    var matrix: Matrix {
        state.withLock { Matrix(rows: count, columns: $0.columns ?? 0, values: $0.values) }
    }
}

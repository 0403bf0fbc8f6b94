import MafinBlackBox
import MafinNumerics
import Synchronization

/// Collects the rows of one call in their places. Batches arrive one after the other; the lock only satisfies the compiler.
final class RowCollector: Sendable {
    private struct State {
        var columns: Int?
        var values: [Float] = []
    }

    private let count: Int
    private let state = Mutex(State())

    init(count: Int) { self.count = count }

    /// Numbers in a vector, once one is there.
    var columns: Int? { state.withLock { $0.columns } }

    func fill(_ rows: AnsweredRows) {
        for (row, index) in rows.indices.enumerated() { fill(index, with: rows.vectors.row(row)) }
    }

    /// Puts one row in its place; all rows must have one length.
    func fill(_ index: Int, with vector: some Collection<Float>) {
        state.withLock { state in
            let columns = state.columns ?? vector.count
            precondition(vector.count == columns, "a row of \(vector.count) in a matrix of \(columns) columns")
            if state.columns == nil {
                state.columns = columns
                state.values = [Float](repeating: 0, count: count * columns)
            }
            state.values.replaceSubrange(index * columns..<(index + 1) * columns, with: vector)
        }
    }

    /// All rows; `(0, 0)` where none was asked.
    var matrix: Matrix {
        state.withLock { Matrix(rows: count, columns: $0.columns ?? 0, values: $0.values) }
    }
}

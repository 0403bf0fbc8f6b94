import MafinNumerics

extension StandInHeads {
    /// The head of an affine map of unit vectors: its matrix, and its offset as the last row.
    static func head(_ map: VectorMap) -> Matrix {
        var head = Matrix(rows: map.inputDimension + 1, columns: map.outputDimension)
        for column in 0..<map.outputDimension {
            for row in 0..<map.inputDimension { head[row, column] = map.matrix[column, row] }
            head[map.inputDimension, column] = map.offset[column]
        }
        return head
    }

    /// The head that gives the encoder's own unit vector, `(columns + 1, columns)`.
    static func identity(_ columns: Int) -> Matrix {
        var head = Matrix(rows: columns + 1, columns: columns)
        for index in 0..<columns { head[index, index] = 1 }
        return head
    }

    /// A head whose outputs lie `gain` times as far from their mean over some inputs as those of `head`.
    /// - Parameter inputs: unit vectors of queries, `(n, columns)`, n ≥ 1.
    static func amplified(_ head: Matrix, by gain: Float, over inputs: Matrix) -> Matrix {
        guard gain != 1, inputs.rows > 0 else { return head }
        let columns = head.rows - 1
        var center = [Float](repeating: 0, count: columns)
        for row in 0..<inputs.rows {
            for (column, value) in inputs.row(row).enumerated() { center[column] += value / Float(inputs.rows) }
        }
        var result = head
        for output in 0..<head.columns {
            let mean = (0..<columns).reduce(head[columns, output]) { $0 + center[$1] * head[$1, output] }
            for input in 0..<columns { result[input, output] = gain * head[input, output] }
            result[columns, output] = gain * head[columns, output] + (1 - gain) * mean
        }
        return result
    }
}

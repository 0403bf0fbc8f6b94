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
}

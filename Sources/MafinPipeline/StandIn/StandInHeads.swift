import MafinMethod
import MafinNumerics

/// The linear maps of a ``StandIn``: from its encoder's unit vector u into the space of a source's document vectors,
/// `z = unit(W [u ; 1])`.
public struct StandInHeads: Sendable, Equatable {
    /// Into the black box's space, `(columns of u + 1, black-box dimension)`. The last row is a constant.
    public var blackBox: Matrix
    /// Into the space of the local encoder's document vectors, `(columns of u + 1, local dimension)`; `nil` if no source is a
    /// local encoder.
    public var local: Matrix?

    /// Heads.
    /// - Precondition: both read the same number of columns, at least 1.
    public init(blackBox: Matrix, local: Matrix? = nil) {
        precondition(
            blackBox.rows > 1 && (local.map { $0.rows == blackBox.rows } ?? true), "heads of different encoders")
        (self.blackBox, self.local) = (blackBox, local)
    }

    /// Columns of the encoder's vectors.
    public var inputs: Int { blackBox.rows - 1 }

    /// The rows in each space, of unit length.
    /// - Parameter embeddings: the encoder's vectors of any length, `(rows, inputs)`.
    /// - Throws: `CombinationError` for a vector that is all zeros or not finite.
    public func callAsFunction(_ embeddings: Matrix, ids: [String] = []) throws -> (blackBox: Matrix, local: Matrix?) {
        let unit = Self.withConstant(try UnitRows.make(embeddings, source: .standIn, ids: ids))
        func mapped(_ head: Matrix) throws -> Matrix {
            try UnitRows.make(Matrix.multiply(unit, head), source: .standIn, ids: ids)
        }
        return (try mapped(blackBox), try local.map(mapped))
    }

    /// Vectors of both spaces side by side, each part multiplied by its weight.
    static func joined(_ blackBox: Matrix, _ local: Matrix?, weights: (blackBox: Float, local: Float)) -> Matrix {
        var result = Matrix(rows: blackBox.rows, columns: blackBox.columns + (local?.columns ?? 0))
        result.forEachRow(grain: 64) { row, target in
            for (column, value) in blackBox.row(row).enumerated() { target[column] = weights.blackBox * value }
            for (column, value) in (local?.row(row) ?? []).enumerated() {
                target[blackBox.columns + column] = weights.local * value
            }
        }
        return result
    }

    /// Rows with a 1 behind them.
    static func withConstant(_ rows: Matrix) -> Matrix {
        var result = Matrix(rows: rows.rows, columns: rows.columns + 1)
        result.forEachRow(grain: 64) { row, target in
            for (column, value) in rows.row(row).enumerated() { target[column] = value }
            target[rows.columns] = 1
        }
        return result
    }
}

// MARK: Training

extension StandInHeads {
    /// All numbers, the black box's head first.
    var parameters: [Float] {
        get { blackBox.values + (local?.values ?? []) }
        set {
            precondition(
                newValue.count == blackBox.values.count + (local?.values.count ?? 0), "parameters of other heads")
            blackBox.values = Array(newValue.prefix(blackBox.values.count))
            local?.values = Array(newValue.dropFirst(blackBox.values.count))
        }
    }

    /// Unit rows, and the lengths before.
    typealias Rows = (unit: Matrix, norms: [Float])

    /// The values of a forward pass that the backward pass reads.
    struct Pass {
        /// u, and its lengths.
        var input: Rows
        /// [u ; 1].
        var extended: Matrix
        var blackBox: Rows
        var local: Rows?
    }

    /// ``callAsFunction(_:ids:)`` without checks.
    func forward(_ embeddings: Matrix) -> Pass {
        let input = embeddings.normalizedRows()
        let extended = Self.withConstant(input.matrix)
        func mapped(_ head: Matrix) -> Rows {
            let (unit, norms) = Matrix.multiply(extended, head).normalizedRows()
            return (unit, norms)
        }
        return Pass(
            input: (input.matrix, input.norms), extended: extended, blackBox: mapped(blackBox), local: local.map(mapped)
        )
    }

    /// Adds the gradient of ``parameters`` to `total`.
    /// - Parameters:
    ///   - blackBoxGradient, localGradient: with respect to the unit rows in each space.
    /// - Returns: the gradient with respect to the encoder's vectors, `(rows, inputs)`.
    func backward(
        blackBox blackBoxGradient: Matrix, local localGradient: Matrix?, pass: Pass, into total: inout [Float]
    ) -> Matrix {
        var below = Matrix(rows: pass.extended.rows, columns: inputs)
        var offset = 0
        func add(_ gradient: Matrix, _ head: Matrix, _ rows: Rows) {
            let inner = Matrix.normalizedRowsBackward(gradient: gradient, unit: rows.unit, norms: rows.norms)
            let own = Matrix.multiply(transposed: pass.extended, inner)
            for index in own.values.indices { total[offset + index] += own.values[index] }
            offset += own.values.count
            let through = Matrix.multiply(inner, transposed: head)
            for row in 0..<below.rows {
                for column in 0..<inputs { below[row, column] += through[row, column] }
            }
        }
        add(blackBoxGradient, blackBox, pass.blackBox)
        if let local, let localGradient, let rows = pass.local { add(localGradient, local, rows) }
        return Matrix.normalizedRowsBackward(gradient: below, unit: pass.input.unit, norms: pass.input.norms)
    }
}

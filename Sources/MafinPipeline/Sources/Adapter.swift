import MafinNumerics

/// A small map of the black box's vectors: `x' = u / ‖u‖` with `u = x + r · f(x)`. The correction f is learned from
/// labels, and r is its strength.
///
/// Before training f is 0 everywhere, so the adapter is the identity.
public struct Adapter: Sendable, Equatable {
    /// The form of f.
    public enum Shape: Sendable, Hashable {
        /// `f(x) = W x`, W starting at 0 (LlamaIndex's linear adapter; the matrix of OpenAI's cookbook "Customizing embeddings").
        case linear
        /// `f(x) = W₂ relu(W₁ x)`, W₂ starting at 0 (LlamaIndex's two-layer adapter with its residual connection).
        case twoLayer(hidden: Int)
    }

    /// The form of f.
    public let shape: Shape
    /// Dimension of the vectors.
    public let dimension: Int
    /// The strength r.
    public var strength: Float = 1
    /// `linear`: W, `(dimension, dimension)`. `twoLayer`: W₁, `(hidden, dimension)`, then W₂, `(dimension, hidden)`. Row-major.
    package var weights: [Float]

    /// An adapter that changes nothing yet.
    /// - Parameter seed: seed of the first layer of a two-layer adapter.
    public init(shape: Shape, dimension: Int, seed: UInt64) {
        self.shape = shape
        self.dimension = dimension
        switch shape {
        case .linear: weights = [Float](repeating: 0, count: dimension * dimension)
        case .twoLayer(let hidden):
            precondition(hidden >= 1, "\(hidden) hidden units")
            var generator = RandomGenerator(seed: seed)
            // He initialisation: relu halves the variance.
            let spread = (2 / Float(dimension)).squareRoot()
            weights = (0..<hidden * dimension).map { _ in spread * generator.normal() }
            weights += [Float](repeating: 0, count: dimension * hidden)
        }
    }

    /// Number of weights.
    public var parameterCount: Int { weights.count }

    /// Applies the adapter. The result has unit rows, `(vectors.rows, dimension)`.
    /// - Parameter vectors: one row per text, with ``dimension`` columns.
    public func callAsFunction(_ vectors: Matrix) -> Matrix { forward(vectors).unit }

    /// The values of a forward pass that ``backward(gradient:pass:)`` needs.
    package struct Pass {
        package var input: Matrix
        /// The hidden layer after its relu; empty for a linear map.
        package var hidden: Matrix
        package var unit: Matrix
        package var norms: [Float]
    }

    package func forward(_ input: Matrix) -> Pass {
        precondition(input.columns == dimension, "\(input.columns) columns for an adapter of \(dimension)")
        var hidden = Matrix(rows: 0, columns: 0)
        var sum: Matrix
        switch shape {
        case .linear: sum = Matrix.multiply(input, transposed: layer(0))
        case .twoLayer:
            hidden = Matrix.multiply(input, transposed: layer(0))
            for index in hidden.values.indices where hidden.values[index] < 0 { hidden.values[index] = 0 }
            sum = Matrix.multiply(hidden, transposed: layer(1))
        }
        let strength = strength
        sum.values.withUnsafeMutableBufferPointer { sum in
            input.values.withUnsafeBufferPointer { input in
                for index in sum.indices { sum[index] = input[index] + strength * sum[index] }
            }
        }
        let (unit, norms) = sum.normalizedRows()
        return Pass(input: input, hidden: hidden, unit: unit, norms: norms)
    }

    /// Adds the gradient of the weights to `total`.
    ///
    /// - Parameter gradient: the gradient of the loss with respect to the unit rows.
    package func backward(gradient: Matrix, pass: Pass, into total: inout [Float]) {
        var inner = Matrix.normalizedRowsBackward(gradient: gradient, unit: pass.unit, norms: pass.norms)
        inner.scale(by: strength)
        switch shape {
        case .linear:
            Self.add(Matrix.multiply(transposed: inner, pass.input), to: &total, at: 0)
        case .twoLayer(let hidden):
            Self.add(Matrix.multiply(transposed: inner, pass.hidden), to: &total, at: hidden * dimension)
            var below = Matrix.multiply(inner, layer(1))
            for index in below.values.indices where pass.hidden.values[index] <= 0 { below.values[index] = 0 }
            Self.add(Matrix.multiply(transposed: below, pass.input), to: &total, at: 0)
        }
    }

    /// A layer's matrix, `(out, in)`.
    private func layer(_ number: Int) -> Matrix {
        switch shape {
        case .linear: Matrix(rows: dimension, columns: dimension, values: weights)
        case .twoLayer(let hidden):
            number == 0
                ? Matrix(rows: hidden, columns: dimension, values: Array(weights[..<(hidden * dimension)]))
                : Matrix(rows: dimension, columns: hidden, values: Array(weights[(hidden * dimension)...]))
        }
    }

    private static func add(_ part: Matrix, to total: inout [Float], at offset: Int) {
        total.withUnsafeMutableBufferPointer { total in
            part.values.withUnsafeBufferPointer { part in
                for index in part.indices { total[offset + index] += part[index] }
            }
        }
    }
}

import MafinNumerics

extension LossValue {
    /// `∂L/∂(log τ) = −Σ (∂L/∂z) z`, for logits `z = s / τ`: the gradient of a learned temperature.
    ///
    /// - Parameter logits: the logits that were evaluated.
    /// - Complexity: O(rows · columns), double precision.
    public func gradientOfLogTemperature(logits: Matrix) -> Double {
        -innerProduct(with: logits)
    }

    /// `∂L/∂w = Σ (∂L/∂z) s` of the weight w with which scores `s` enter the logits: of `a` with the black box's scores, of
    /// `b` with the local ones, where `z = a s_bb + b s_θ`.
    ///
    /// With `λ = sigmoid(α)` and τ instead, by the chain rule: `∂L/∂α = λ (1 − λ) (∂L/∂b − ∂L/∂a) / τ`.
    /// - Parameter scores: `(rows, columns)`, as the logits.
    /// - Complexity: O(rows · columns), double precision.
    public func gradientOfWeight(on scores: Matrix) -> Double {
        innerProduct(with: scores)
    }

    private func innerProduct(with other: Matrix) -> Double {
        precondition(
            other.rows == gradient.rows && other.columns == gradient.columns,
            "\(other.rows) × \(other.columns) values for a gradient of \(gradient.rows) × \(gradient.columns)")
        var sum: Double = 0
        gradient.values.withUnsafeBufferPointer { gradient in
            other.values.withUnsafeBufferPointer { other in
                for index in gradient.indices { sum += Double(gradient[index]) * Double(other[index]) }
            }
        }
        return sum
    }
}

import MafinNumerics

/// Mixing the halves' scores, where the vectors themselves are not needed.
public enum MixedScores {
    /// `(1−λ) · blackBox + λ · local`, element by element.
    ///
    /// λ = 0 returns the black box's scores bit for bit and λ = 1 the local ones, whatever the other matrix holds.
    /// - Parameters:
    ///   - blackBox: `(queries, documents)`.
    ///   - local: of the same shape.
    ///   - lambda: in 0…1.
    /// - Complexity: O(queries · documents), on all threads.
    public static func mix(blackBox: Matrix, local: Matrix, lambda: Float) -> Matrix {
        precondition((0...1).contains(lambda), "λ = \(lambda) is not in 0…1")
        precondition(
            blackBox.rows == local.rows && blackBox.columns == local.columns,
            "\(blackBox.rows) × \(blackBox.columns) scores of the black box, \(local.rows) × \(local.columns) local ones"
        )
        if lambda == 0 { return blackBox }
        if lambda == 1 { return local }
        let columns = local.columns
        let values = [Float](unsafeUninitializedCapacity: local.values.count) { buffer, initialized in
            initialized = local.values.count
            guard let target = buffer.baseAddress else { return }
            blackBox.values.withUnsafeBufferPointer { blackBox in
                local.values.withUnsafeBufferPointer { local in
                    guard let blackBox = blackBox.baseAddress, let local = local.baseAddress else { return }
                    let pointers = UnsafeTransfer((blackBox: blackBox, local: local, target: target))
                    parallelRanges(self.rows(of: columns, count: initialized)) { range in
                        let (blackBox, local, target) = pointers.value
                        let offset = range.lowerBound * columns
                        mixRow(
                            blackBox: blackBox + offset, local: local + offset, lambda: lambda, into: target + offset,
                            count: range.count * columns)
                    }
                }
            }
        }
        return Matrix(rows: local.rows, columns: columns, values: values)
    }

    private static func rows(of columns: Int, count: Int) -> Int { columns > 0 ? count / columns : 0 }

    /// One row of ``mix(blackBox:local:lambda:)``, the same numbers.
    static func mixRow(
        blackBox: UnsafePointer<Float>, local: UnsafePointer<Float>, lambda: Float,
        into target: UnsafeMutablePointer<Float>, count: Int
    ) {
        if lambda == 0 {
            target.update(from: blackBox, count: count)
        } else if lambda == 1 {
            target.update(from: local, count: count)
        } else {
            let rest = 1 - lambda
            for index in 0..<count { target[index] = rest * blackBox[index] + lambda * local[index] }
        }
    }
}

import CMafinKernels

extension Matrix {
    /// a · bᵀ, the matrix of inner products of the rows of `a` and the rows of `b`: `(a.rows, b.rows)`.
    ///
    /// Both have the same number of columns. Runs on all threads; O(a.rows × b.rows × columns).
    public static func multiply(_ a: Matrix, transposed b: Matrix) -> Matrix {
        precondition(a.columns == b.columns, "\(a.columns) columns against \(b.columns)")
        var product = Matrix(rows: a.rows, columns: b.rows)
        guard a.rows > 0, b.rows > 0, a.columns > 0 else { return product }
        a.values.withUnsafeBufferPointer { left in
            b.values.withUnsafeBufferPointer { right in
                product.values.withUnsafeMutableBufferPointer { result in
                    multiply(
                        left, rows: a.rows, right, transposed: true, into: result, columns: b.rows, depth: a.columns)
                }
            }
        }
        return product
    }

    /// a · b, `(a.rows, b.columns)`; `a.columns == b.rows`. Runs on all threads; O(a.rows × b.columns × a.columns).
    public static func multiply(_ a: Matrix, _ b: Matrix) -> Matrix {
        precondition(a.columns == b.rows, "\(a.columns) columns against \(b.rows) rows")
        var product = Matrix(rows: a.rows, columns: b.columns)
        guard a.rows > 0, b.columns > 0, a.columns > 0 else { return product }
        a.values.withUnsafeBufferPointer { left in
            b.values.withUnsafeBufferPointer { right in
                product.values.withUnsafeMutableBufferPointer { result in
                    multiply(
                        left, rows: a.rows, right, transposed: false, into: result, columns: b.columns,
                        depth: a.columns)
                }
            }
        }
        return product
    }

    /// aᵀ · b, `(a.columns, b.columns)`; `a.rows == b.rows`. Runs on all threads; O(a.columns × b.columns × a.rows).
    public static func multiply(transposed a: Matrix, _ b: Matrix) -> Matrix {
        precondition(a.rows == b.rows, "\(a.rows) rows against \(b.rows)")
        var product = Matrix(rows: a.columns, columns: b.columns)
        guard a.columns > 0, b.columns > 0, a.rows > 0 else { return product }
        let (rows, columns, depth) = (a.columns, b.columns, a.rows)
        a.values.withUnsafeBufferPointer { left in
            b.values.withUnsafeBufferPointer { right in
                product.values.withUnsafeMutableBufferPointer { result in
                    guard let a = left.baseAddress, let b = right.baseAddress, let c = result.baseAddress else {
                        return
                    }
                    let pointers = UnsafeTransfer((a: a, b: b, c: c))
                    parallelRanges(rows, grain: 64) { range in
                        let (a, b, c) = pointers.value
                        mafin_sgemm(
                            true, false, range.count, columns, depth, 1, a + range.lowerBound, rows, b, columns, 0,
                            c + range.lowerBound * columns, columns)
                    }
                }
            }
        }
        return product
    }

    /// The product over row-major buffers, cut along the longer side of the result.
    private static func multiply(
        _ left: UnsafeBufferPointer<Float>, rows: Int, _ right: UnsafeBufferPointer<Float>, transposed: Bool,
        into result: UnsafeMutableBufferPointer<Float>, columns: Int, depth: Int
    ) {
        guard let a = left.baseAddress, let b = right.baseAddress, let c = result.baseAddress else { return }
        let pointers = UnsafeTransfer((a: a, b: b, c: c))
        let strideB = transposed ? depth : columns
        if columns >= rows {
            parallelRanges(columns, grain: 64) { range in
                let (a, b, c) = pointers.value
                let offset = range.lowerBound * (transposed ? depth : 1)
                mafin_sgemm(
                    false, transposed, rows, range.count, depth, 1, a, depth, b + offset, strideB, 0,
                    c + range.lowerBound, columns)
            }
        } else {
            parallelRanges(rows, grain: 64) { range in
                let (a, b, c) = pointers.value
                mafin_sgemm(
                    false, transposed, range.count, columns, depth, 1, a + range.lowerBound * depth, depth, b, strideB,
                    0,
                    c + range.lowerBound * columns, columns)
            }
        }
    }
}

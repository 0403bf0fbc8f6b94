import CMafinKernels

extension Matrix {
    /// a · bᵀ, the matrix of inner products of the rows of `a` and the rows of `b`: `(a.rows, b.rows)`.
    ///
    /// Both have the same number of columns. Runs on all threads; O(a.rows × b.rows × columns).
    public static func multiply(_ a: Matrix, transposed b: Matrix) -> Matrix {
        precondition(a.columns == b.columns, "\(a.columns) columns against \(b.columns)")
        return product(a, b, rows: a.rows, columns: b.rows, depth: a.columns, transposed: (false, true))
    }

    /// The same numbers but for rounding, where each depends only on its two rows, however many there are. Nothing of `b` is
    /// copied, so for a few rows of `a` it is faster.
    /// - Precondition: all elements are finite.
    package static func innerProducts(_ a: Matrix, _ b: Matrix) -> Matrix {
        precondition(a.columns == b.columns, "\(a.columns) columns against \(b.columns)")
        var products = Matrix(rows: a.rows, columns: b.rows)
        guard a.rows > 0, b.rows > 0, a.columns > 0 else { return products }
        let (columns, most) = (a.columns, 128)
        for first in stride(from: 0, to: a.rows, by: most) {
            let count = min(most, a.rows - first)
            withUnsafeTemporaryAllocation(
                byteCount: mafin_prepared_size(count, columns) * MemoryLayout<Float>.stride, alignment: 64
            ) { memory in
                a.values.withUnsafeBufferPointer { left in
                    b.values.withUnsafeBufferPointer { right in
                        products.values.withUnsafeMutableBufferPointer { result in
                            guard let prepared = memory.bindMemory(to: Float.self).baseAddress,
                                let a = left.baseAddress, let b = right.baseAddress, let c = result.baseAddress
                            else { return }
                            mafin_prepare_queries(count, columns, a + first * columns, columns, prepared)
                            let (stride, pointers) = (right.count / columns, UnsafeTransfer((prepared, b, c)))
                            // A block of rows stays in the cache for all queries.
                            parallelRanges(stride, grain: 96) { range in
                                let (prepared, b, c) = pointers.value
                                for start in Swift.stride(from: range.lowerBound, to: range.upperBound, by: 96) {
                                    mafin_inner_products(
                                        min(96, range.upperBound - start), columns, b + start * columns, MAFIN_FLOAT32,
                                        columns, count, prepared, c + first * stride + start, stride)
                                }
                            }
                        }
                    }
                }
            }
        }
        return products
    }

    /// a · b, `(a.rows, b.columns)`; `a.columns == b.rows`. Runs on all threads; O(a.rows × b.columns × a.columns).
    public static func multiply(_ a: Matrix, _ b: Matrix) -> Matrix {
        precondition(a.columns == b.rows, "\(a.columns) columns against \(b.rows) rows")
        return product(a, b, rows: a.rows, columns: b.columns, depth: a.columns, transposed: (false, false))
    }

    /// aᵀ · b, `(a.columns, b.columns)`; `a.rows == b.rows`. Runs on all threads; O(a.columns × b.columns × a.rows).
    public static func multiply(transposed a: Matrix, _ b: Matrix) -> Matrix {
        precondition(a.rows == b.rows, "\(a.rows) rows against \(b.rows)")
        return product(a, b, rows: a.columns, columns: b.columns, depth: a.rows, transposed: (true, false))
    }

    /// op(a) · op(b), `(rows, columns)`. The work is divided along the longer side, but never along the columns if `a`
    /// is transposed.
    private static func product(
        _ a: Matrix, _ b: Matrix, rows: Int, columns: Int, depth: Int, transposed: (a: Bool, b: Bool)
    ) -> Matrix {
        var product = Matrix(rows: rows, columns: columns)
        guard rows > 0, columns > 0, depth > 0 else { return product }
        let (strideA, strideB) = (transposed.a ? rows : depth, transposed.b ? depth : columns)
        a.values.withUnsafeBufferPointer { left in
            b.values.withUnsafeBufferPointer { right in
                product.values.withUnsafeMutableBufferPointer { result in
                    guard let a = left.baseAddress, let b = right.baseAddress, let c = result.baseAddress else {
                        return
                    }
                    let pointers = UnsafeTransfer((a: a, b: b, c: c))
                    if columns >= rows, !transposed.a {
                        parallelRanges(columns, grain: 64) { range in
                            let (a, b, c) = pointers.value
                            mafin_sgemm(
                                false, transposed.b, rows, range.count, depth, 1, a, strideA,
                                b + range.lowerBound * (transposed.b ? depth : 1), strideB, 0, c + range.lowerBound,
                                columns)
                        }
                    } else {
                        parallelRanges(rows, grain: 64) { range in
                            let (a, b, c) = pointers.value
                            mafin_sgemm(
                                transposed.a, transposed.b, range.count, columns, depth, 1,
                                a + range.lowerBound * (transposed.a ? 1 : depth), strideA, b, strideB, 0,
                                c + range.lowerBound * columns, columns)
                        }
                    }
                }
            }
        }
        return product
    }
}

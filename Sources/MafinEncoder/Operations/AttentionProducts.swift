import CMafinKernels

extension Attention {
    /// The products of one head, in single precision or in bfloat16.
    ///
    /// Right operands are packed once for all tiles of queries. In bfloat16 a left operand is converted for each product; softmax and all
    /// sums are in single precision.
    struct Products {
        let headSize: Int
        let inBFloat16: Bool

        /// Number of columns of a row of scores: that of a packed operand, so that products have no partial tiles.
        func columns(_ keys: Int) -> Int { inBFloat16 ? (keys + 15) / 16 * 16 : mafin_packed_columns(keys) }

        /// Packs xᵀ, `(headSize, rows)`, for products with rows as long as a head.
        func packTransposed(_ rows: Int, _ x: UnsafePointer<Float>, stride: Int, _ packed: FloatBuffer) {
            if inBFloat16 {
                mafin_bfloat16_pack(true, rows, headSize, x, stride, packed.bfloat16)
            } else {
                mafin_pack(true, rows, headSize, x, stride, packed.pointer)
            }
        }

        /// Packs x, `(rows, headSize)`, for products with rows of scores.
        func pack(_ rows: Int, _ x: UnsafePointer<Float>, stride: Int, _ packed: FloatBuffer) {
            if inBFloat16 {
                mafin_bfloat16_pack(false, headSize, rows, x, stride, packed.bfloat16)
            } else {
                mafin_pack(false, headSize, rows, x, stride, packed.pointer)
            }
        }

        /// scores = scale · x · B, `(rows, columns)`, with x `(rows, headSize)` and B of ``packTransposed(_:_:stride:_:)``.
        func scores(
            _ rows: Int, _ columns: Int, _ scale: Float, _ x: UnsafePointer<Float>, stride: Int, _ packed: FloatBuffer,
            _ scores: UnsafeMutablePointer<Float>, _ workspace: Workspace
        ) {
            guard inBFloat16 else {
                return mafin_sgemm_packed(
                    false, rows, columns, headSize, scale, x, stride, packed.pointer, 0, scores, columns)
            }
            let left = workspace.attentionRows.bfloat16
            mafin_bfloat16_rows(false, rows, headSize, scale, x, stride, left)
            var nothing = mafin_epilogue()
            mafin_bfloat16_multiply(rows, headSize, 0, columns, left, packed.bfloat16, &nothing, scores, columns)
        }

        /// sums = weights · B, `(rows, headSize)`, with weights `(rows, keys)` and B of ``pack(_:_:stride:_:)``.
        func sums(
            _ rows: Int, _ keys: Int, _ weights: UnsafePointer<Float>, stride: Int, _ packed: FloatBuffer,
            _ sums: UnsafeMutablePointer<Float>, stride sumStride: Int, _ workspace: Workspace
        ) {
            guard inBFloat16 else {
                return mafin_sgemm_packed(
                    false, rows, headSize, keys, 1, weights, stride, packed.pointer, 0, sums, sumStride)
            }
            let left = workspace.attentionRows.bfloat16
            mafin_bfloat16_rows(false, rows, keys, 1, weights, stride, left)
            var nothing = mafin_epilogue()
            mafin_bfloat16_multiply(rows, keys, 0, headSize, left, packed.bfloat16, &nothing, sums, sumStride)
        }

        /// sums = weightsᵀ · x, or added to them if `adding`, `(keys, headSize)`, with weights `(rows, keys)` and x `(rows, headSize)`: the
        /// gradient of keys or values.
        func transposedSums(
            _ keys: Int, _ rows: Int, _ weights: UnsafePointer<Float>, stride: Int, _ x: UnsafePointer<Float>,
            stride xStride: Int, adding: Bool, _ sums: UnsafeMutablePointer<Float>, _ workspace: Workspace
        ) {
            guard inBFloat16 else {
                return mafin_sgemm(
                    true, false, keys, headSize, rows, 1, weights, stride, x, xStride, adding ? 1 : 0, sums, headSize)
            }
            let left = workspace.attentionRows.bfloat16
            mafin_bfloat16_rows(true, keys, rows, 1, weights, stride, left)
            let right = workspace.packedRows.bfloat16
            mafin_bfloat16_pack(false, headSize, rows, x, xStride, right)
            var last = mafin_epilogue()
            if adding { (last.residual, last.residual_stride) = (UnsafePointer(sums), headSize) }
            mafin_bfloat16_multiply(keys, rows, 0, headSize, left, right, &last, sums, headSize)
        }
    }
}

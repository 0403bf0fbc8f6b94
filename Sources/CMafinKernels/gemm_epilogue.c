// What follows a product, in the same pass over memory: bias, GELU, residual.

#include "gemm_tiles.h"
#include "vector_math.h"

#pragma clang fp contract(fast)

// One row, after its scale.
INLINE void finish_row(ptrdiff_t columns, float *restrict x, const mafin_epilogue *epilogue, ptrdiff_t row,
                       ptrdiff_t column, float *restrict out) {
    if (epilogue->bias) {
        const float *const bias = epilogue->bias + column;
        for (ptrdiff_t j = 0; j < columns; j++) x[j] += bias[j];
    }
    if (epilogue->gelu)
        for (ptrdiff_t j = 0; j < columns; j++) x[j] = x[j] * normal_distribution(x[j]);
    if (epilogue->residual) {
        // It may be `out` itself.
        const float *const residual = epilogue->residual + row * epilogue->residual_stride + column;
        for (ptrdiff_t j = 0; j < columns; j++) x[j] += residual[j];
    }
    for (ptrdiff_t j = 0; j < columns; j++) out[j] = x[j];
}

KERNEL(void, finish_float, (ptrdiff_t rows, ptrdiff_t columns, const float *sums, ptrdiff_t sum_stride,
       const mafin_epilogue *epilogue, ptrdiff_t row, ptrdiff_t column, float *c, ptrdiff_t ldc),
       (rows, columns, sums, sum_stride, epilogue, row, column, c, ldc)) {
    float x[TILE_COLUMNS];
    for (ptrdiff_t i = 0; i < rows; i++) {
        for (ptrdiff_t j = 0; j < columns; j++) x[j] = sums[i * sum_stride + j];
        finish_row(columns, x, epilogue, row + i, column, c + i * ldc);
    }
}

KERNEL(void, finish_int8, (ptrdiff_t rows, ptrdiff_t columns, const int32_t *sums, ptrdiff_t sum_stride,
       const float *row_scales, const int32_t *row_zeros, const float *column_scales, const int32_t *column_sums,
       const mafin_epilogue *epilogue, ptrdiff_t row, ptrdiff_t column, float *c, ptrdiff_t ldc),
       (rows, columns, sums, sum_stride, row_scales, row_zeros, column_scales, column_sums, epilogue, row, column, c, ldc)) {
    float x[TILE_COLUMNS];
    for (ptrdiff_t i = 0; i < rows; i++) {
        const float scale = row_scales[i];
        const int32_t zero = row_zeros[i];
        for (ptrdiff_t j = 0; j < columns; j++)
            x[j] = (float)(sums[i * sum_stride + j] - zero * column_sums[j]) * (scale * column_scales[j]);
        finish_row(columns, x, epilogue, row + i, column, c + i * ldc);
    }
}

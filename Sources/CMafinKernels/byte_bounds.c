// Bounds of the scores of many rows for many queries, both in bytes, for the first pass of exact search. The products are
// those of gemm_int8.c, which the processor computes several times as fast as products of floats.
//
// Blocks of bounds are (rows, queries), because that is the order in which the tiles come.

#include <math.h>

#include "gemm_tiles.h"
#include "vector_math.h"

// The compiler may reorder sums, so that they run in vector registers. The bounds allow for it.
#pragma clang fp reassociate(on) contract(fast)

bool mafin_has_byte_products(void) {
    const int8_kernel *const use = mafin_int8_kernel();
#ifdef __x86_64__
    // AVX-512 without VNNI has no instruction for bytes, and its products of floats are as fast as AVX2's of bytes.
    if (use == &mafin_int8_avx2 && features() & HAS_AVX512) return false;
#endif
    return use->needs != 0;
}

void mafin_quantize_queries(ptrdiff_t queries, ptrdiff_t width, const float *from, ptrdiff_t stride, void *packed,
                            float *errors) {
    const ptrdiff_t depth = rounded_up(width, INT8_DEPTH);
    mafin_int8_pack(true, queries, width, from, stride, packed);
    const float *const scales = int8_scales(packed, queries, width);
    for (ptrdiff_t q = 0; q < queries; q++, from += stride) {
        const int8_t *const integers = (const int8_t *)packed + q / SLIVER * SLIVER * depth + q % SLIVER * 4;
        double squares = 0;
        for (ptrdiff_t p = 0; p < width; p++) {
            const double error = (double)from[p] - (double)scales[q] * integers[p / 4 * (4 * SLIVER) + p % 4];
            squares += error * error;
        }
        // The factor covers the rounding of this sum, of the conversion and of the product with a row's norm.
        errors[q] = (float)(sqrt(squares) * (1 + 1e-5));
    }
}

// The codes as the kernel reads them, `depth` apart, and the sum of their squares, which is below 2^31.
KERNEL(void, copy_codes, (ptrdiff_t rows, ptrdiff_t width, const int8_t *restrict codes, int zero_point,
       uint8_t *restrict copies, int32_t *restrict squares), (rows, width, codes, zero_point, copies, squares)) {
    const ptrdiff_t depth = rounded_up(width, INT8_DEPTH);
    for (ptrdiff_t r = 0; r < rows; r++, codes += width, copies += depth) {
        int32_t sum = 0;
        for (ptrdiff_t p = 0; p < width; p++) {
            copies[p] = (uint8_t)(codes[p] + zero_point);
            sum += (int16_t)codes[p] * (int16_t)codes[p];
        }
        // The queries' integers are 0 there.
        for (ptrdiff_t p = width; p < depth; p++) copies[p] = 0;
        squares[r] = sum;
    }
}

// For a row x = s · c + e and a query q = t · d + f: x · q = s t (c · d) + s c · f + e · q ≤ s t (c · d) + ‖s c‖ ‖f‖ + ‖e‖ ‖q‖.
// `lengths` are ‖s c‖. The integers' product is exact, and its three roundings as a float are fewer than those that a margin
// covers.
KERNEL(void, finish_bounds, (ptrdiff_t rows, ptrdiff_t columns, const int32_t *sums, int zero_point, const float *scales,
       const float *margins, const float *lengths, const float *query_scales, const int32_t *query_sums,
       const float *norms, const float *errors, bool add, float *bounds, ptrdiff_t stride),
       (rows, columns, sums, zero_point, scales, margins, lengths, query_scales, query_sums, norms, errors, add, bounds,
        stride)) {
    for (ptrdiff_t i = 0; i < rows; i++, sums += TILE_COLUMNS, bounds += stride) {
        const float scale = scales[i], margin = margins[i], length = lengths[i];
        for (ptrdiff_t j = 0; j < columns; j++) {
            const float product = query_scales[j] * (float)(sums[j] - zero_point * query_sums[j]);
            const float bound = scale * product + (errors[j] * length + norms[j] * margin);
            bounds[j] = add ? bounds[j] + bound : bound;
        }
    }
}

void mafin_byte_bounds(ptrdiff_t rows, ptrdiff_t width, const int8_t *codes, const float *scales, const float *margins,
                       ptrdiff_t queries, const void *packed, const float *norms, const float *errors, bool add,
                       float *bounds, ptrdiff_t stride) {
    const int8_kernel *const use = mafin_int8_kernel();
    const ptrdiff_t depth = rounded_up(width, INT8_DEPTH), tile_width = (ptrdiff_t)use->slivers * SLIVER;
    const ptrdiff_t padded = rounded_up(queries, SLIVER);
    const float *const query_scales = int8_scales(packed, queries, width);
    const int32_t *const query_sums = int8_sums(packed, queries, width);
    uint8_t *const copies = mafin_thread_memory((size_t)(rounded_up(smaller(rows, ROW_BLOCK), ROW_GRAIN) * depth));
    _Alignas(64) int32_t sums[TILE_ROWS * TILE_COLUMNS];
    int32_t squares[ROW_BLOCK];
    float lengths[ROW_BLOCK];
    if (use->begin) use->begin();
    for (ptrdiff_t block = 0; block < rows; block += ROW_BLOCK) {
        const ptrdiff_t height = smaller(ROW_BLOCK, rows - block);
        mafin_copy_codes(height, width, codes + block * width, use->zero_point, copies, squares);
        for (ptrdiff_t r = 0; r < height; r++) lengths[r] = scales[block + r] * sqrtf((float)squares[r]);
        for (ptrdiff_t j = 0; j < padded; j += tile_width) {
            const ptrdiff_t columns = smaller(tile_width, padded - j);
            const int8_t *const some = (const int8_t *)packed + j * depth;
            for (ptrdiff_t i = 0; i < height; i += use->rows) {
                const int count = (int)smaller(use->rows, height - i);
                use->tile(count, (int)(columns / SLIVER), depth, copies + i * depth, some, sums, TILE_COLUMNS);
                mafin_finish_bounds(count, columns, sums, use->zero_point, scales + block + i, margins + block + i,
                                    lengths + i, query_scales + j, query_sums + j, norms + j, errors + j, add,
                                    bounds + (block + i) * stride + j, stride);
            }
        }
    }
    if (use->end) use->end();
}

KERNEL(ptrdiff_t, bounds_above, (ptrdiff_t rows, ptrdiff_t queries, const float *bounds, ptrdiff_t stride,
       const float *thresholds, mafin_hit *hits), (rows, queries, bounds, stride, thresholds, hits)) {
    ptrdiff_t count = 0;
    for (ptrdiff_t r = 0; r < rows; r++, bounds += stride) {
        for (ptrdiff_t q = 0; q < queries; q += SLIVER) {
            int32_t any = 0;
            for (ptrdiff_t j = q; j < q + SLIVER; j++) any |= !(bounds[j] <= thresholds[j]);
            if (!any) continue;
            for (ptrdiff_t j = q; j < smaller(q + SLIVER, queries); j++)
                if (!(bounds[j] <= thresholds[j])) hits[count++] = (mafin_hit){(uint32_t)j, (uint32_t)r};
        }
    }
    return count;
}

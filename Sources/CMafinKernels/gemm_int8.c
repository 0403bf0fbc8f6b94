// Matrix products of bytes on one thread, with exact sums. See gemm_tiles.h for the scheme.

#include <string.h>

#include "gemm_tiles.h"
#include "vector_math.h"

// With fused operations, which only some instruction sets have, a number near the middle of two integers would become
// either.
#pragma clang fp contract(off)

// The largest integer of a weight, which has a sign, and of an activation, which has none.
#define WEIGHT_LIMIT 64.0f
#define ROW_LIMIT 255.0f

// 1.5 · 2^23: adding it rounds to an integer, to nearest, whose two's complement is in the lowest bits.
#define ROUNDING 12582912.0f

// A scale for numbers below this would be 0 or its inverse infinite.
#define SMALLEST 1e-30f

// MARK: The portable kernel

KERNEL(void, portable_int8, (int rows, int slivers, ptrdiff_t depth, const uint8_t *a, const int8_t *b, int32_t *sums,
       ptrdiff_t stride), (rows, slivers, depth, a, b, sums, stride)) {
    (void)slivers;
    for (int i = 0; i < rows; i++) {
        int32_t sum[SLIVER] = {0};
        const uint8_t *const left = a + i * depth;
        for (ptrdiff_t p = 0; p < depth; p += 4)
            for (int j = 0; j < SLIVER; j++)
                for (int q = 0; q < 4; q++) sum[j] += (int32_t)left[p + q] * b[(p / 4 * SLIVER + j) * 4 + q];
        for (int j = 0; j < SLIVER; j++) sums[i * stride + j] = sum[j];
    }
}

static const int8_kernel portable = {"portable", 0, 4, 1, 128, mafin_portable_int8, 0, 0};

// MARK: The choice of a kernel

// The fastest first.
static const int8_kernel *const kernels[] = {
#ifdef __x86_64__
    &mafin_int8_amx, &mafin_int8_avx512_vnni, &mafin_int8_avx_vnni, &mafin_int8_avx2,
#elif defined(__aarch64__)
    &mafin_int8_neon,
#endif
    &portable,
};
enum { KERNELS = sizeof kernels / sizeof *kernels };

// Whether a kernel's tiles of every height equal the portable ones, the extremes of both operands included.
static bool is_right(const int8_kernel *kernel) {
    enum { DEPTH = 3 * INT8_DEPTH };
    _Alignas(64) uint8_t a[TILE_ROWS * DEPTH], flipped[TILE_ROWS * DEPTH];
    _Alignas(64) int8_t b[2 * SLIVER * DEPTH];
    _Alignas(64) int32_t found[TILE_ROWS * TILE_COLUMNS], expected[TILE_COLUMNS];
    for (int i = 0; i < TILE_ROWS * DEPTH; i++) {
        // The first row holds the largest bytes.
        a[i] = i < DEPTH ? 255 : (uint8_t)(1 + i * 37 % 255);
        flipped[i] = (uint8_t)(a[i] - 128 + kernel->zero_point);
    }
    // So do the first and the second column of each sliver, of either sign.
    for (int i = 0; i < 2 * SLIVER * DEPTH; i++) {
        const int column = i / 4 % SLIVER;
        b[i] = column == 0 ? 64 : column == 1 ? -64 : (int8_t)(i * 53 % 129 - 64);
    }
    bool right = true;
    if (kernel->begin) kernel->begin();
    for (int rows = 1; rows <= kernel->rows; rows++) {
        for (int slivers = 1; slivers <= kernel->slivers; slivers++) {
            kernel->tile(rows, slivers, DEPTH, flipped, b, found, TILE_COLUMNS);
            if (mafin_kernels_are_broken()) found[0] += 1;
            for (int i = 0; i < rows; i++) {
                for (int sliver = 0; sliver < slivers; sliver++) {
                    const int8_t *const some = b + sliver * SLIVER * DEPTH;
                    mafin_portable_int8(1, 1, DEPTH, a + i * DEPTH, some, expected, TILE_COLUMNS);
                    for (int j = 0; j < SLIVER; j++) {
                        int32_t column_sum = 0;
                        for (int p = 0; p < DEPTH; p++) column_sum += some[(p / 4 * SLIVER + j) * 4 + p % 4];
                        const int32_t sum = found[i * TILE_COLUMNS + sliver * SLIVER + j];
                        right &= sum - kernel->zero_point * column_sum == expected[j] - 128 * column_sum;
                    }
                }
            }
        }
    }
    if (kernel->end) kernel->end();
    return right;
}

const int8_kernel *mafin_int8_kernel(void) {
    // By the instruction sets' extensions; threads that choose at the same time choose the same kernel.
    static const int8_kernel *_Atomic chosen[HAS_NEON_BF16 * 2];
    const unsigned has = features();
    const bool is_test = mafin_kernels_are_broken();
    const int8_kernel *kernel = is_test ? NULL : chosen[has];
    for (int k = 0; !kernel; k++) {
        if (kernels[k]->needs & ~has) continue;
        if (k == KERNELS - 1 || is_right(kernels[k]))
            kernel = kernels[k];
        else
            mafin_warn_of_kernel("bytes", kernels[k]->name);
    }
    if (!is_test) chosen[has] = kernel;
    return kernel;
}

const char *mafin_int8_kernel_name(void) { return mafin_int8_kernel()->name; }

// MARK: Packing

size_t mafin_int8_packed_size(ptrdiff_t n, ptrdiff_t k) {
    return (size_t)(int8_sliver_bytes(n, k) + rounded_up(n, SLIVER) * (ptrdiff_t)(sizeof(float) + sizeof(int32_t)));
}

INLINE int8_t byte_of(float scaled) { return (int8_t)(bits_of_float(scaled + ROUNDING) & 0xFF); }

KERNEL(void, int8_pack, (bool transpose_b, ptrdiff_t n, ptrdiff_t k, const float *b, ptrdiff_t ldb, void *packed),
       (transpose_b, n, k, b, ldb, packed)) {
    const ptrdiff_t depth = rounded_up(k, INT8_DEPTH), columns = rounded_up(n, SLIVER);
    float *const scales = (float *)((char *)packed + int8_sliver_bytes(n, k));
    int32_t *const sums = (int32_t *)(scales + columns);
    memset(packed, 0, mafin_int8_packed_size(n, k));
    const ptrdiff_t row_step = transpose_b ? 1 : ldb, column_step = transpose_b ? ldb : 1;
    for (ptrdiff_t j = 0; j < n; j++) {
        const float *const column = b + j * column_step;
        uint32_t largest_bits = 0;
        for (ptrdiff_t p = 0; p < k; p++) {
            const uint32_t size = bits_of_float(column[p * row_step]) & 0x7FFFFFFF;
            largest_bits = size > largest_bits ? size : largest_bits;
        }
        const float largest = float_of_bits(largest_bits);
        const float inverse = largest > SMALLEST ? WEIGHT_LIMIT / largest : 0;
        int8_t *const out = (int8_t *)packed + j / SLIVER * SLIVER * depth + j % SLIVER * 4;
        int32_t sum = 0;
        for (ptrdiff_t p = 0; p < k; p++) {
            const int8_t value = byte_of(column[p * row_step] * inverse);
            out[p / 4 * (4 * SLIVER) + p % 4] = value;
            sum += value;
        }
        scales[j] = largest > SMALLEST || largest != largest ? largest / WEIGHT_LIMIT : 0;
        sums[j] = sum;
    }
}

// MARK: Products

// The bits of a float as an integer that has the order of the floats, and back. (The compiler does not vectorise the least
// of floats, because of NaN.)
INLINE int32_t ordered(int32_t bits) { return bits ^ (bits >> 31 & 0x7FFFFFFF); }

// The rows as bytes, `depth` apart: x ≈ scale · (byte − zero), where 0 is exact. Few activations are below 0 after a GELU, so
// that a range that were the same in both directions would lose a bit. `zeros` are for what the kernel adds to a byte. A row
// with an element that is no number has the scale NaN.
KERNEL(void, quantize_rows, (ptrdiff_t m, ptrdiff_t k, const float *restrict x, ptrdiff_t ldx, int zero_point,
       uint8_t *restrict rows, float *restrict scales, int32_t *restrict zeros),
       (m, k, x, ldx, zero_point, rows, scales, zeros)) {
    const ptrdiff_t depth = rounded_up(k, INT8_DEPTH);
    for (ptrdiff_t i = 0; i < m; i++, x += ldx, rows += depth) {
        int32_t lowest_bits = 0, highest_bits = 0;
        for (ptrdiff_t p = 0; p < k; p++) {
            const int32_t value = ordered((int32_t)bits_of_float(x[p]));
            lowest_bits = value < lowest_bits ? value : lowest_bits;
            highest_bits = value > highest_bits ? value : highest_bits;
        }
        const float lowest = float_of_bits((uint32_t)ordered(lowest_bits)), highest = float_of_bits((uint32_t)highest_bits);
        const float range = highest - lowest;
        const bool is_finite = (bits_of_float(range) & 0x7FFFFFFF) < 0x7F800000;
        const float inverse = is_finite && range > SMALLEST ? ROW_LIMIT / range : 0;
        const uint32_t zero = 0u - bits_of_float(lowest * inverse + ROUNDING);
        for (ptrdiff_t p = 0; p < k; p++) {
            // Both ends may be rounded outwards, so that there would be one byte too many.
            const uint32_t byte = (bits_of_float(x[p] * inverse + ROUNDING) + zero) & 0x1FF;
            rows[p] = (uint8_t)((byte < 255 ? byte : 255) + (uint32_t)zero_point - 128);
        }
        for (ptrdiff_t p = k; p < depth; p++) rows[p] = 0;
        scales[i] = !is_finite ? float_of_bits(0x7FC00000) : range > SMALLEST ? range / ROW_LIMIT : 0;
        zeros[i] = (int32_t)(zero + bits_of_float(ROUNDING)) + zero_point - 128;
    }
}

void mafin_int8_linear(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, ptrdiff_t first, ptrdiff_t count, const float *x,
                       ptrdiff_t ldx, const void *packed, const mafin_epilogue *epilogue, float *c, ptrdiff_t ldc) {
    const int8_kernel *const use = mafin_int8_kernel();
    const ptrdiff_t depth = rounded_up(k, INT8_DEPTH), width = (ptrdiff_t)use->slivers * SLIVER;
    const int8_t *const slivers = packed;
    const float *const column_scales = int8_scales(packed, n, k) + first;
    const int32_t *const column_sums = int8_sums(packed, n, k) + first;
    uint8_t *const rows = mafin_thread_memory((size_t)(rounded_up(smaller(m, ROW_BLOCK), ROW_GRAIN) * depth));
    _Alignas(64) int32_t sums[TILE_ROWS * TILE_COLUMNS];
    float scales[ROW_BLOCK];
    int32_t zeros[ROW_BLOCK];
    if (use->begin) use->begin();
    for (ptrdiff_t block = 0; block < m; block += ROW_BLOCK) {
        const ptrdiff_t height = smaller(ROW_BLOCK, m - block);
        mafin_quantize_rows(height, k, x + block * ldx, ldx, use->zero_point, rows, scales, zeros);
        for (ptrdiff_t j = 0; j < count; j += width) {
            const ptrdiff_t columns = smaller(width, count - j);
            const int8_t *const b = slivers + (first + j) * depth;
            for (ptrdiff_t i = 0; i < height; i += use->rows) {
                const int some = (int)smaller(use->rows, height - i);
                use->tile(some, (int)((columns + SLIVER - 1) / SLIVER), depth, rows + i * depth, b, sums, TILE_COLUMNS);
                mafin_finish_int8(some, columns, sums, TILE_COLUMNS, scales + i, zeros + i, column_scales + j,
                                  column_sums + j, epilogue, block + i, j, c + (block + i) * ldc + j, ldc);
            }
        }
    }
    if (use->end) use->end();
}

// Matrix products in bfloat16 with sums in single precision, on one thread. See gemm_tiles.h for the scheme.

#include <string.h>

#include "gemm_tiles.h"
#include "vector_math.h"

// MARK: Conversion

// To nearest, ties to even. NaN stays NaN.
INLINE uint16_t bfloat16_of(float x) {
    const uint32_t bits = bits_of_float(x);
    const uint32_t rounded = bits + 0x7FFF + (bits >> 16 & 1);
    return (uint16_t)(((bits & 0x7FFFFFFF) > 0x7F800000 ? bits | 0x400000 : rounded) >> 16);
}

KERNEL(void, convert_bfloat16, (ptrdiff_t count, float scale, const float *restrict x, uint16_t *restrict out),
       (count, scale, x, out)) {
    for (ptrdiff_t i = 0; i < count; i++) out[i] = bfloat16_of(scale * x[i]);
}

KERNEL(void, from_bfloat16, (ptrdiff_t count, const uint16_t *restrict x, float *restrict out), (count, x, out)) {
    for (ptrdiff_t i = 0; i < count; i++) out[i] = float_of_bits((uint32_t)x[i] << 16);
}

void mafin_to_bfloat16(ptrdiff_t count, const float *x, uint16_t *out) { mafin_convert_bfloat16(count, 1, x, out); }

KERNEL(void, round_to_bfloat16, (ptrdiff_t count, float *x), (count, x)) {
    for (ptrdiff_t i = 0; i < count; i++) x[i] = float_of_bits((uint32_t)bfloat16_of(x[i]) << 16);
}

// MARK: The portable kernel

#pragma clang fp contract(fast)

typedef float eight_floats __attribute__((vector_size(32), aligned(4)));
typedef uint32_t eight_words __attribute__((vector_size(32), aligned(4)));

enum { PORTABLE_ROWS = 4 };

// Four rows by one sliver: enough sums to hide the latency of an addition. `rows` is a constant where it is inlined.
INLINE void portable_rows(const int rows, ptrdiff_t depth, const uint16_t *a, const uint16_t *b, float *sums,
                          ptrdiff_t stride) {
    eight_floats sum[PORTABLE_ROWS][2] = {{{0}}};
    for (ptrdiff_t p = 0; p < depth; p += 2, b += 2 * SLIVER) {
        const eight_words *const pairs = (const eight_words *)b;
        const eight_floats low[2] = {(eight_floats)(pairs[0] << 16), (eight_floats)(pairs[1] << 16)};
        const eight_floats high[2] = {(eight_floats)(pairs[0] & 0xFFFF0000), (eight_floats)(pairs[1] & 0xFFFF0000)};
#pragma clang loop unroll(full)
        for (int i = 0; i < rows; i++) {
            const float first = float_of_bits((uint32_t)a[i * depth + p] << 16);
            const float second = float_of_bits((uint32_t)a[i * depth + p + 1] << 16);
            for (int v = 0; v < 2; v++) sum[i][v] += first * low[v];
            for (int v = 0; v < 2; v++) sum[i][v] += second * high[v];
        }
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < 2; v++) *(eight_floats *)(sums + i * stride + 8 * v) = sum[i][v];
}

KERNEL(void, portable_bfloat16, (int rows, int slivers, ptrdiff_t depth, const uint16_t *a, const uint16_t *b, float *sums,
       ptrdiff_t stride), (rows, slivers, depth, a, b, sums, stride)) {
    (void)slivers;
    switch (rows) {
        case 1: return portable_rows(1, depth, a, b, sums, stride);
        case 2: return portable_rows(2, depth, a, b, sums, stride);
        case 3: return portable_rows(3, depth, a, b, sums, stride);
        default: return portable_rows(4, depth, a, b, sums, stride);
    }
}

static const bfloat16_kernel portable = {
    "portable", 0, PORTABLE_ROWS, 1, 1, mafin_portable_bfloat16, mafin_convert_bfloat16, 0, 0};

// MARK: The choice of a kernel

// The fastest first.
static const bfloat16_kernel *const kernels[] = {
#ifdef __x86_64__
    &mafin_bfloat16_amx,
    &mafin_bfloat16_avx512,
#elif defined(__aarch64__)
    &mafin_bfloat16_neon,
#endif
    &portable,
};
enum { KERNELS = sizeof kernels / sizeof *kernels };

// Whether a kernel's tiles of every height equal the portable ones but for rounding.
static bool is_right(const bfloat16_kernel *kernel) {
    enum { DEPTH = 3 * BFLOAT16_DEPTH };
    static const float unit = 1.0f / 256;
    _Alignas(64) uint16_t a[TILE_ROWS * DEPTH], b[2 * SLIVER * DEPTH];
    _Alignas(64) float found[TILE_ROWS * TILE_COLUMNS], expected[TILE_COLUMNS];
    // Any numbers of both signs that are not all of one size.
    for (int i = 0; i < TILE_ROWS * DEPTH; i++) a[i] = bfloat16_of((float)(i * 37 % 501 - 250) * unit);
    for (int i = 0; i < 2 * SLIVER * DEPTH; i++) b[i] = bfloat16_of((float)(i * 53 % 487 - 243) * unit);
    bool right = true;
    if (kernel->begin) kernel->begin();
    for (int rows = 1; rows <= kernel->rows; rows++) {
        for (int slivers = 1; slivers <= kernel->slivers; slivers++) {
            kernel->tile(rows, slivers, DEPTH, a, b, found, TILE_COLUMNS);
            if (mafin_kernels_are_broken()) found[0] += 1;
            for (int i = 0; i < rows; i++) {
                for (int sliver = 0; sliver < slivers; sliver++) {
                    float *const some = expected + sliver * SLIVER;
                    mafin_portable_bfloat16(1, 1, DEPTH, a + i * DEPTH, b + sliver * SLIVER * DEPTH, some, TILE_COLUMNS);
                    for (int j = 0; j < SLIVER; j++) {
                        const float difference = found[i * TILE_COLUMNS + sliver * SLIVER + j] - some[j];
                        right &= difference < 1e-3f && difference > -1e-3f;
                    }
                }
            }
        }
    }
    if (kernel->end) kernel->end();
    return right;
}

const bfloat16_kernel *mafin_bfloat16_kernel(void) {
    // By the instruction sets' extensions; threads that choose at the same time choose the same kernel.
    static const bfloat16_kernel *_Atomic chosen[HAS_NEON_BF16 * 2];
    const unsigned has = features();
    const bool is_test = mafin_kernels_are_broken();
    const bfloat16_kernel *kernel = is_test ? NULL : chosen[has];
    for (int k = 0; !kernel; k++) {
        if (kernels[k]->needs & ~has) continue;
        if (k == KERNELS - 1 || is_right(kernels[k]))
            kernel = kernels[k];
        else
            mafin_warn_of_kernel("bfloat16", kernels[k]->name);
    }
    if (!is_test) chosen[has] = kernel;
    return kernel;
}

const char *mafin_bfloat16_kernel_name(void) { return mafin_bfloat16_kernel()->name; }

bool mafin_bfloat16_is_fast(void) { return mafin_bfloat16_kernel() != &portable; }

// MARK: Packing

ptrdiff_t mafin_bfloat16_depth(ptrdiff_t k) { return rounded_up(k, BFLOAT16_DEPTH); }

size_t mafin_bfloat16_packed_size(ptrdiff_t n, ptrdiff_t k) {
    return (size_t)(rounded_up(n, SLIVER) * mafin_bfloat16_depth(k));
}

// One sliver: pairs of rows, interleaved. `columns` may be fewer than 16.
INLINE void pack_sliver(bool transpose, ptrdiff_t columns, ptrdiff_t k, ptrdiff_t depth, const float *restrict b,
                        ptrdiff_t ldb, uint16_t *restrict out) {
    memset(out, 0, sizeof(uint16_t) * (size_t)(SLIVER * depth));
    if (transpose) {
        for (ptrdiff_t j = 0; j < columns; j++)
            for (ptrdiff_t p = 0; p < k; p++) out[(p / 2 * SLIVER + j) * 2 + p % 2] = bfloat16_of(b[j * ldb + p]);
        return;
    }
    for (ptrdiff_t p = 0; p < k; p++)
        for (ptrdiff_t j = 0; j < columns; j++) out[(p / 2 * SLIVER + j) * 2 + p % 2] = bfloat16_of(b[p * ldb + j]);
}

KERNEL(void, bfloat16_pack, (bool transpose_b, ptrdiff_t n, ptrdiff_t k, const float *b, ptrdiff_t ldb, uint16_t *packed),
       (transpose_b, n, k, b, ldb, packed)) {
    const ptrdiff_t depth = mafin_bfloat16_depth(k);
    for (ptrdiff_t j = 0; j < n; j += SLIVER, packed += SLIVER * depth) {
        const ptrdiff_t columns = n - j < SLIVER ? n - j : SLIVER;
        const float *const from = b + (transpose_b ? j * ldb : j);
        if (columns == SLIVER)
            pack_sliver(transpose_b, SLIVER, k, depth, from, ldb, packed);
        else
            pack_sliver(transpose_b, columns, k, depth, from, ldb, packed);
    }
}

// MARK: Products

size_t mafin_bfloat16_rows_size(ptrdiff_t m, ptrdiff_t k) {
    return (size_t)(rounded_up(m, ROW_GRAIN) * mafin_bfloat16_depth(k));
}

KERNEL(void, bfloat16_transposed, (ptrdiff_t m, ptrdiff_t k, float scale, const float *restrict a, ptrdiff_t lda,
       uint16_t *restrict rows), (m, k, scale, a, lda, rows)) {
    const ptrdiff_t depth = mafin_bfloat16_depth(k);
    // Squares of 16 by 16, so that every cache line is read and written once.
    for (ptrdiff_t i = 0; i < m; i += 16) {
        const ptrdiff_t height = m - i < 16 ? m - i : 16;
        for (ptrdiff_t p = 0; p < k; p += 16) {
            const ptrdiff_t width = k - p < 16 ? k - p : 16;
            uint16_t square[16][16];
            for (ptrdiff_t s = 0; s < width; s++)
                for (ptrdiff_t r = 0; r < height; r++) square[s][r] = bfloat16_of(scale * a[(p + s) * lda + i + r]);
            for (ptrdiff_t r = 0; r < height; r++)
                for (ptrdiff_t s = 0; s < width; s++) rows[(i + r) * depth + p + s] = square[s][r];
        }
        for (ptrdiff_t r = 0; r < height; r++)
            memset(rows + (i + r) * depth + k, 0, sizeof(uint16_t) * (size_t)(depth - k));
    }
}

// The rows beyond the last up to ROW_GRAIN keep whatever they hold: they reach only sums that nobody reads.
void mafin_bfloat16_rows(bool transpose_a, ptrdiff_t m, ptrdiff_t k, float scale, const float *a, ptrdiff_t lda,
                         uint16_t *rows) {
    const ptrdiff_t depth = mafin_bfloat16_depth(k);
    if (!transpose_a) {
        bfloat16_convert *const convert = mafin_bfloat16_kernel()->convert;
        for (ptrdiff_t i = 0; i < m; i++, rows += depth) {
            convert(k, scale, a + i * lda, rows);
            memset(rows + k, 0, sizeof(uint16_t) * (size_t)(depth - k));
        }
        return;
    }
    mafin_bfloat16_transposed(m, k, scale, a, lda, rows);
}

static void multiply(const bfloat16_kernel *use, ptrdiff_t first_row, ptrdiff_t m, ptrdiff_t depth, ptrdiff_t first,
                     ptrdiff_t count, const uint16_t *rows, const uint16_t *packed, const mafin_epilogue *epilogue,
                     float *c, ptrdiff_t ldc) {
    const bool is_plain = !epilogue->bias && !epilogue->gelu && !epilogue->residual;
    const ptrdiff_t width = (ptrdiff_t)use->slivers * SLIVER;
    _Alignas(64) float sums[TILE_ROWS * TILE_COLUMNS];
    for (ptrdiff_t j = 0; j < count; j += width) {
        const ptrdiff_t columns = smaller(width, count - j);
        const int slivers = (int)((columns + SLIVER - 1) / SLIVER);
        const uint16_t *const b = packed + (first + j) * depth;
        for (ptrdiff_t i = 0; i < m; i += use->rows) {
            const int height = (int)smaller(use->rows, m - i);
            float *const out = c + i * ldc + j;
            if (is_plain && columns == (ptrdiff_t)slivers * SLIVER && height % use->row_grain == 0) {
                use->tile(height, slivers, depth, rows + i * depth, b, out, ldc);
            } else {
                use->tile(height, slivers, depth, rows + i * depth, b, sums, TILE_COLUMNS);
                mafin_finish_float(height, columns, sums, TILE_COLUMNS, epilogue, first_row + i, j, out, ldc);
            }
        }
    }
}

void mafin_bfloat16_multiply(ptrdiff_t m, ptrdiff_t k, ptrdiff_t first, ptrdiff_t count, const uint16_t *rows,
                             const uint16_t *packed, const mafin_epilogue *epilogue, float *c, ptrdiff_t ldc) {
    const bfloat16_kernel *const use = mafin_bfloat16_kernel();
    const ptrdiff_t depth = mafin_bfloat16_depth(k);
    if (use->begin) use->begin();
    for (ptrdiff_t i = 0; i < m; i += ROW_BLOCK)
        multiply(use, i, smaller(ROW_BLOCK, m - i), depth, first, count, rows + i * depth, packed, epilogue, c + i * ldc,
                 ldc);
    if (use->end) use->end();
}

void mafin_bfloat16_linear(ptrdiff_t m, ptrdiff_t k, ptrdiff_t first, ptrdiff_t count, const float *x, ptrdiff_t ldx,
                           const uint16_t *packed, const mafin_epilogue *epilogue, float *c, ptrdiff_t ldc) {
    const bfloat16_kernel *const use = mafin_bfloat16_kernel();
    const ptrdiff_t depth = mafin_bfloat16_depth(k);
    uint16_t *const rows = mafin_thread_memory(sizeof(uint16_t) * mafin_bfloat16_rows_size(smaller(ROW_BLOCK, m), k));
    if (use->begin) use->begin();
    for (ptrdiff_t i = 0; i < m; i += ROW_BLOCK) {
        const ptrdiff_t height = smaller(ROW_BLOCK, m - i);
        mafin_bfloat16_rows(false, height, k, 1, x + i * ldx, ldx, rows);
        multiply(use, i, height, depth, first, count, rows, packed, epilogue, c + i * ldc, ldc);
    }
    if (use->end) use->end();
}

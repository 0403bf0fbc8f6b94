// The tables of kernels for products in bfloat16 and in bytes. Internal to this module.
//
// Both have the same scheme. B is packed into slivers of 16 columns whatever the instruction set, so that a packed operand
// fits every kernel: groups of consecutive elements along k (2 bfloat16, 4 bytes) of 16 columns fill the 64 bytes that one
// AVX-512 register or one row of an AMX tile holds. The rows of A are converted block by block. A kernel computes one tile
// of sums; what follows (scale, bias, GELU, residual) is the same code for all kernels.

#ifndef MAFIN_GEMM_TILES_H
#define MAFIN_GEMM_TILES_H

#include "cpu.h"

// Columns of a sliver; rows of a tile that a kernel may read beyond the last row of A, rounded up; rows of A that are
// converted together; rows and columns of the largest tile.
enum { SLIVER = 16, ROW_GRAIN = 16, ROW_BLOCK = 96, TILE_ROWS = 32, TILE_COLUMNS = 32 };

// The depth k is padded with zeros to a multiple of these: 64 bytes of a row.
enum { BFLOAT16_DEPTH = 32, INT8_DEPTH = 64 };

// sums[i, j] = Σ_p a[i, p] · b[p, j] for `rows` rows and `slivers` slivers. Rows of A are `depth` elements long, so are
// the columns of B; `depth` is padded.
typedef void bfloat16_tile(int rows, int slivers, ptrdiff_t depth, const uint16_t *a, const uint16_t *b, float *sums,
                           ptrdiff_t stride);
typedef void int8_tile(int rows, int slivers, ptrdiff_t depth, const uint8_t *a, const int8_t *b, int32_t *sums,
                       ptrdiff_t stride);

// out = bfloat16(scale · x), `count` elements.
typedef void bfloat16_convert(ptrdiff_t count, float scale, const float *x, uint16_t *out);

typedef struct {
    const char *name;
    unsigned needs;     // extensions
    int rows, slivers;  // of the full tile
    int row_grain;      // it writes whole multiples of this many rows
    bfloat16_tile *tile;
    bfloat16_convert *convert;
    void (*begin)(void), (*end)(void);  // before and after the tiles of a call; null: nothing
} bfloat16_kernel;

typedef struct {
    const char *name;
    unsigned needs;
    int rows, slivers;
    // 128 if its bytes of A are from 0 to 255, for instructions that multiply unsigned by signed bytes; 0 if they are from
    // −128 to 127.
    int zero_point;
    int8_tile *tile;
    void (*begin)(void), (*end)(void);
} int8_kernel;

// Each is in a file of its own.
#ifdef __x86_64__
extern const bfloat16_kernel mafin_bfloat16_avx512, mafin_bfloat16_amx;
extern const int8_kernel mafin_int8_avx2, mafin_int8_avx_vnni, mafin_int8_avx512_vnni, mafin_int8_amx;
void mafin_begin_tiles(void), mafin_end_tiles(void);
#elif defined(__aarch64__)
extern const bfloat16_kernel mafin_bfloat16_neon;
extern const int8_kernel mafin_int8_neon;
#endif

// An operand that mafin_int8_pack wrote: n columns' slivers, then the columns' scales, then the sums of the columns' integers.
INLINE ptrdiff_t int8_sliver_bytes(ptrdiff_t n, ptrdiff_t k) { return rounded_up(n, SLIVER) * rounded_up(k, INT8_DEPTH); }
INLINE const float *int8_scales(const void *packed, ptrdiff_t n, ptrdiff_t k) {
    return (const float *)((const char *)packed + int8_sliver_bytes(n, k));
}
INLINE const int32_t *int8_sums(const void *packed, ptrdiff_t n, ptrdiff_t k) {
    return (const int32_t *)(int8_scales(packed, n, k) + rounded_up(n, SLIVER));
}

// The kernels of the calling thread's instruction set.
const bfloat16_kernel *mafin_bfloat16_kernel(void);
const int8_kernel *mafin_int8_kernel(void);

// `size` bytes of the calling thread, aligned to a cache line, until it calls this again.
void *mafin_thread_memory(size_t size);

// Whether the first-use check of the calling thread shall find every kernel but the portable ones wrong, for tests.
bool mafin_kernels_are_broken(void);

// Keeps a warning that a kernel was wrong.
void mafin_warn_of_kernel(const char *element, const char *name);

// What is done with a tile's sums. Functions of gemm_epilogue.c.
void mafin_finish_float(ptrdiff_t rows, ptrdiff_t columns, const float *sums, ptrdiff_t sum_stride,
                        const mafin_epilogue *epilogue, ptrdiff_t row, ptrdiff_t column, float *c, ptrdiff_t ldc);
// c = sums, less the rows' zeros times the columns' sums, times both scales, and so on.
void mafin_finish_int8(ptrdiff_t rows, ptrdiff_t columns, const int32_t *sums, ptrdiff_t sum_stride,
                       const float *row_scales, const int32_t *row_zeros, const float *column_scales,
                       const int32_t *column_sums,
                       const mafin_epilogue *epilogue, ptrdiff_t row, ptrdiff_t column, float *c, ptrdiff_t ldc);

#endif

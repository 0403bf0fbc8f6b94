// Products of bfloat16 by AMX: one instruction multiplies a tile of 16 rows by a tile of 16 columns, 32 elements deep.

#ifdef __x86_64__

#include <immintrin.h>

#include "gemm_tiles.h"

#define TARGET TARGET_WITH("amx-tile,amx-bf16,amx-int8")

// Palette 1: eight tiles of 16 rows of 64 bytes.
static const struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes_per_row[16];
    uint8_t rows[16];
} configuration = {
    .palette = 1,
    .bytes_per_row = {64, 64, 64, 64, 64, 64, 64, 64},
    .rows = {16, 16, 16, 16, 16, 16, 16, 16},
};

TARGET void mafin_begin_tiles(void) { _tile_loadconfig(&configuration); }

// Threads that use no tiles need not have them saved.
TARGET void mafin_end_tiles(void) { _tile_release(); }

// Tiles 0 to 3 are sums, 4 and 5 rows of A, 6 and 7 slivers of B. With two of either, four products share four loads. Sixteen
// rows are computed however many there are.
TARGET static void tile(int rows, int slivers, ptrdiff_t depth, const uint16_t *a, const uint16_t *b, float *sums,
                        ptrdiff_t stride) {
    const ptrdiff_t bytes = 2 * depth;
    const uint16_t *const lower = a + 16 * depth, *const next = b + SLIVER * depth;
    float *const right = sums + SLIVER, *const below = sums + 16 * stride;
    if (rows > 16 && slivers == 2) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        for (ptrdiff_t p = 0; p < depth; p += BFLOAT16_DEPTH) {
            _tile_loadd(4, a + p, bytes);
            _tile_loadd(6, b + p * SLIVER, 64);
            _tile_loadd(7, next + p * SLIVER, 64);
            _tile_loadd(5, lower + p, bytes);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
        _tile_stored(0, sums, 4 * stride);
        _tile_stored(1, right, 4 * stride);
        _tile_stored(2, below, 4 * stride);
        _tile_stored(3, below + SLIVER, 4 * stride);
    } else if (rows > 16) {
        _tile_zero(0);
        _tile_zero(2);
        for (ptrdiff_t p = 0; p < depth; p += BFLOAT16_DEPTH) {
            _tile_loadd(4, a + p, bytes);
            _tile_loadd(6, b + p * SLIVER, 64);
            _tile_loadd(5, lower + p, bytes);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(2, 5, 6);
        }
        _tile_stored(0, sums, 4 * stride);
        _tile_stored(2, below, 4 * stride);
    } else if (slivers == 2) {
        _tile_zero(0);
        _tile_zero(1);
        for (ptrdiff_t p = 0; p < depth; p += BFLOAT16_DEPTH) {
            _tile_loadd(4, a + p, bytes);
            _tile_loadd(6, b + p * SLIVER, 64);
            _tile_loadd(7, next + p * SLIVER, 64);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
        }
        _tile_stored(0, sums, 4 * stride);
        _tile_stored(1, right, 4 * stride);
    } else {
        _tile_zero(0);
        for (ptrdiff_t p = 0; p < depth; p += BFLOAT16_DEPTH) {
            _tile_loadd(4, a + p, bytes);
            _tile_loadd(6, b + p * SLIVER, 64);
            _tile_dpbf16ps(0, 4, 6);
        }
        _tile_stored(0, sums, 4 * stride);
    }
}

void mafin_convert_bfloat16_avx512(ptrdiff_t count, float scale, const float *x, uint16_t *out);

const bfloat16_kernel mafin_bfloat16_amx = {
    "AMX", HAS_AMX | HAS_AVX512_BF16, 32, 2, 16, tile, mafin_convert_bfloat16_avx512, mafin_begin_tiles, mafin_end_tiles};

#endif

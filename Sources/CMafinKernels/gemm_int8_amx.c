// Products of bytes by AMX: one instruction multiplies a tile of 16 rows by a tile of 16 columns, 64 elements deep.

#ifdef __x86_64__

#include <immintrin.h>

#include "gemm_tiles.h"

#define TARGET TARGET_WITH("amx-tile,amx-bf16,amx-int8")

// The tiles and their use are those of gemm_bfloat16_amx.c.
TARGET static void tile(int rows, int slivers, ptrdiff_t depth, const uint8_t *a, const int8_t *b, int32_t *sums,
                        ptrdiff_t stride) {
    const uint8_t *const lower = a + 16 * depth;
    const int8_t *const next = b + SLIVER * depth;
    int32_t *const right = sums + SLIVER, *const below = sums + 16 * stride;
    if (rows > 16 && slivers == 2) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        for (ptrdiff_t p = 0; p < depth; p += INT8_DEPTH) {
            _tile_loadd(4, a + p, depth);
            _tile_loadd(6, b + p * SLIVER, 64);
            _tile_loadd(7, next + p * SLIVER, 64);
            _tile_loadd(5, lower + p, depth);
            _tile_dpbusd(0, 4, 6);
            _tile_dpbusd(1, 4, 7);
            _tile_dpbusd(2, 5, 6);
            _tile_dpbusd(3, 5, 7);
        }
        _tile_stored(0, sums, 4 * stride);
        _tile_stored(1, right, 4 * stride);
        _tile_stored(2, below, 4 * stride);
        _tile_stored(3, below + SLIVER, 4 * stride);
    } else if (rows > 16) {
        _tile_zero(0);
        _tile_zero(2);
        for (ptrdiff_t p = 0; p < depth; p += INT8_DEPTH) {
            _tile_loadd(4, a + p, depth);
            _tile_loadd(6, b + p * SLIVER, 64);
            _tile_loadd(5, lower + p, depth);
            _tile_dpbusd(0, 4, 6);
            _tile_dpbusd(2, 5, 6);
        }
        _tile_stored(0, sums, 4 * stride);
        _tile_stored(2, below, 4 * stride);
    } else if (slivers == 2) {
        _tile_zero(0);
        _tile_zero(1);
        for (ptrdiff_t p = 0; p < depth; p += INT8_DEPTH) {
            _tile_loadd(4, a + p, depth);
            _tile_loadd(6, b + p * SLIVER, 64);
            _tile_loadd(7, next + p * SLIVER, 64);
            _tile_dpbusd(0, 4, 6);
            _tile_dpbusd(1, 4, 7);
        }
        _tile_stored(0, sums, 4 * stride);
        _tile_stored(1, right, 4 * stride);
    } else {
        _tile_zero(0);
        for (ptrdiff_t p = 0; p < depth; p += INT8_DEPTH) {
            _tile_loadd(4, a + p, depth);
            _tile_loadd(6, b + p * SLIVER, 64);
            _tile_dpbusd(0, 4, 6);
        }
        _tile_stored(0, sums, 4 * stride);
    }
}

const int8_kernel mafin_int8_amx = {"AMX", HAS_AMX, 32, 2, 128, tile, mafin_begin_tiles, mafin_end_tiles};

#endif

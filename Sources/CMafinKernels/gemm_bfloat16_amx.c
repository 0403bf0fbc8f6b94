// Products of bfloat16 by AMX: one instruction multiplies a tile of 16 rows by a tile of 16 columns, 32 elements deep.

#ifdef __x86_64__

#include <immintrin.h>

#include "gemm_tiles.h"

#define LEFT uint16_t
#define RIGHT uint16_t
#define SUM float
#define DEPTH BFLOAT16_DEPTH
#define MULTIPLY _tile_dpbf16ps
#include "gemm_tile_amx.inc"

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

void mafin_convert_bfloat16_avx512(ptrdiff_t count, float scale, const float *x, uint16_t *out);

const bfloat16_kernel mafin_bfloat16_amx = {
    "AMX", HAS_AMX | HAS_AVX512_BF16, 32, 2, 16, tile, mafin_convert_bfloat16_avx512, mafin_begin_tiles, mafin_end_tiles};

#endif

// Products of bytes by AMX: one instruction multiplies a tile of 16 rows by a tile of 16 columns, 64 elements deep.

#ifdef __x86_64__

#include <immintrin.h>

#include "gemm_tiles.h"

#define LEFT uint8_t
#define RIGHT int8_t
#define SUM int32_t
#define DEPTH INT8_DEPTH
#define MULTIPLY _tile_dpbusd
#include "gemm_tile_amx.inc"

const int8_kernel mafin_int8_amx = {"AMX", HAS_AMX, 32, 2, 128, tile, mafin_begin_tiles, mafin_end_tiles};

#endif

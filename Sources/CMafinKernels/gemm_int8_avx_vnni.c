// Products of bytes by AVX-VNNI: one instruction adds groups of four products to 8 sums.

#ifdef __x86_64__

#include <immintrin.h>
#include <string.h>

#include "gemm_tiles.h"

#define TARGET TARGET_WITH("avx2,avxvnni")
#define MULTIPLY _mm256_dpbusd_avx_epi32
#include "gemm_int8_tile_avx2.inc"

const int8_kernel mafin_int8_avx_vnni = {"AVX-VNNI", HAS_AVX2 | HAS_AVX_VNNI, ROWS, 1, 128, tile, 0, 0};

#endif

// Products of bytes by AVX512-VNNI: one instruction adds groups of four products to 16 sums.

#ifdef __x86_64__

#include <immintrin.h>
#include <string.h>

#include "gemm_tiles.h"

#define TARGET TARGET_WITH("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")
#define LEFT uint8_t
#define RIGHT int8_t
#define SUM int32_t
#define SUMS __m512i
#define ZERO _mm512_setzero_si512
#define STORE _mm512_storeu_si512
#define MULTIPLY _mm512_dpbusd_epi32
#include "gemm_tile_avx512.inc"

const int8_kernel mafin_int8_avx512_vnni = {"AVX512-VNNI", HAS_AVX512 | HAS_AVX512_VNNI, ROWS, SLIVERS, 128, tile, 0, 0};

#endif

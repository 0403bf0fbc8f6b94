// Products of bytes by AVX512-VNNI: one instruction adds groups of four products to 16 sums.

#ifdef __x86_64__

#include <immintrin.h>
#include <string.h>

#include "gemm_tiles.h"

#define TARGET TARGET_WITH("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")
#define UNROLLED _Pragma("clang loop unroll(full)")

enum { ROWS = 12, SLIVERS = 2 };

// 24 sums, two registers of B and one of A. `rows` and `slivers` are constants where this is inlined.
TARGET INLINE void tile_of(const int rows, const int slivers, ptrdiff_t depth, const uint8_t *a, const int8_t *b,
                           int32_t *sums, ptrdiff_t stride) {
    __m512i sum[ROWS][SLIVERS];
    UNROLLED for (int i = 0; i < rows; i++)
        UNROLLED for (int s = 0; s < slivers; s++) sum[i][s] = _mm512_setzero_si512();
    for (ptrdiff_t p = 0; p < depth; p += 4, b += 4 * SLIVER) {
        __m512i right[SLIVERS];
        UNROLLED for (int s = 0; s < slivers; s++) right[s] = _mm512_loadu_si512(b + s * SLIVER * depth);
        UNROLLED for (int i = 0; i < rows; i++) {
            int32_t four;
            memcpy(&four, a + i * depth + p, sizeof four);
            const __m512i left = _mm512_set1_epi32(four);
            UNROLLED for (int s = 0; s < slivers; s++) sum[i][s] = _mm512_dpbusd_epi32(sum[i][s], left, right[s]);
        }
    }
    UNROLLED for (int i = 0; i < rows; i++)
        UNROLLED for (int s = 0; s < slivers; s++) _mm512_storeu_si512(sums + i * stride + s * SLIVER, sum[i][s]);
}

#define CASE(n)                                                               \
    case n:                                                                   \
        if (slivers == 2) return tile_of(n, 2, depth, a, b, sums, stride);    \
        return tile_of(n, 1, depth, a, b, sums, stride);

TARGET static void tile(int rows, int slivers, ptrdiff_t depth, const uint8_t *a, const int8_t *b, int32_t *sums,
                        ptrdiff_t stride) {
    switch (rows) {
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
    }
}

const int8_kernel mafin_int8_avx512_vnni = {"AVX512-VNNI", HAS_AVX512 | HAS_AVX512_VNNI, ROWS, SLIVERS, 128, tile, 0, 0};

#endif

// Products of bytes by AVX-VNNI: one instruction adds groups of four products to 8 sums.

#ifdef __x86_64__

#include <immintrin.h>
#include <string.h>

#include "gemm_tiles.h"

#define TARGET TARGET_WITH("avx2,avxvnni")
#define UNROLLED _Pragma("clang loop unroll(full)")

enum { ROWS = 6 };

// Twelve sums. `rows` is a constant where this is inlined.
TARGET INLINE void tile_of(const int rows, ptrdiff_t depth, const uint8_t *a, const int8_t *b, int32_t *sums,
                                ptrdiff_t stride) {
    __m256i sum[ROWS][2];
    UNROLLED for (int i = 0; i < rows; i++) sum[i][0] = sum[i][1] = _mm256_setzero_si256();
    for (ptrdiff_t p = 0; p < depth; p += 4, b += 64) {
        const __m256i left = _mm256_load_si256((const __m256i *)b), right = _mm256_load_si256((const __m256i *)(b + 32));
        UNROLLED for (int i = 0; i < rows; i++) {
            int32_t four;
            memcpy(&four, a + i * depth + p, sizeof four);
            const __m256i row = _mm256_set1_epi32(four);
            sum[i][0] = _mm256_dpbusd_avx_epi32(sum[i][0], row, left);
            sum[i][1] = _mm256_dpbusd_avx_epi32(sum[i][1], row, right);
        }
    }
    UNROLLED for (int i = 0; i < rows; i++) {
        _mm256_storeu_si256((__m256i *)(sums + i * stride), sum[i][0]);
        _mm256_storeu_si256((__m256i *)(sums + i * stride + 8), sum[i][1]);
    }
}

TARGET static void tile(int rows, int slivers, ptrdiff_t depth, const uint8_t *a, const int8_t *b, int32_t *sums,
                             ptrdiff_t stride) {
    (void)slivers;
    switch (rows) {
        case 1: return tile_of(1, depth, a, b, sums, stride);
        case 2: return tile_of(2, depth, a, b, sums, stride);
        case 3: return tile_of(3, depth, a, b, sums, stride);
        case 4: return tile_of(4, depth, a, b, sums, stride);
        case 5: return tile_of(5, depth, a, b, sums, stride);
        case 6: return tile_of(6, depth, a, b, sums, stride);
    }
}

const int8_kernel mafin_int8_avx_vnni = {"AVX-VNNI", HAS_AVX2 | HAS_AVX_VNNI, ROWS, 1, 128, tile, 0, 0};

#endif

// Products of bfloat16 by AVX512-BF16: one instruction multiplies 16 pairs and adds them to 16 sums.

#ifdef __x86_64__

#include <immintrin.h>
#include <string.h>

#include "gemm_tiles.h"

#define TARGET TARGET_WITH("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")
#define UNROLLED _Pragma("clang loop unroll(full)")

enum { ROWS = 12, SLIVERS = 2 };

// 24 sums, two registers of B and one of A. `rows` and `slivers` are constants where this is inlined.
TARGET INLINE void tile_of(const int rows, const int slivers, ptrdiff_t depth, const uint16_t *a, const uint16_t *b,
                           float *sums, ptrdiff_t stride) {
    __m512 sum[ROWS][SLIVERS];
    UNROLLED for (int i = 0; i < rows; i++)
        UNROLLED for (int s = 0; s < slivers; s++) sum[i][s] = _mm512_setzero_ps();
    for (ptrdiff_t p = 0; p < depth; p += 2, b += 2 * SLIVER) {
        __m512bh right[SLIVERS];
        UNROLLED for (int s = 0; s < slivers; s++) right[s] = (__m512bh)_mm512_loadu_si512(b + s * SLIVER * depth);
        UNROLLED for (int i = 0; i < rows; i++) {
            int32_t pair;
            memcpy(&pair, a + i * depth + p, sizeof pair);
            const __m512bh left = (__m512bh)_mm512_set1_epi32(pair);
            UNROLLED for (int s = 0; s < slivers; s++) sum[i][s] = _mm512_dpbf16_ps(sum[i][s], left, right[s]);
        }
    }
    UNROLLED for (int i = 0; i < rows; i++)
        UNROLLED for (int s = 0; s < slivers; s++) _mm512_storeu_ps(sums + i * stride + s * SLIVER, sum[i][s]);
}

#define CASE(n)                                                               \
    case n:                                                                   \
        if (slivers == 2) return tile_of(n, 2, depth, a, b, sums, stride);    \
        return tile_of(n, 1, depth, a, b, sums, stride);

TARGET static void tile(int rows, int slivers, ptrdiff_t depth, const uint16_t *a, const uint16_t *b, float *sums,
                        ptrdiff_t stride) {
    switch (rows) {
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
    }
}

TARGET static void convert(ptrdiff_t count, float scale, const float *x, uint16_t *out) {
    const __m512 factor = _mm512_set1_ps(scale);
    for (ptrdiff_t i = 0; i < count; i += 16) {
        const __mmask16 mask = count - i < 16 ? (__mmask16)((1u << (count - i)) - 1) : (__mmask16)0xFFFF;
        const __m512 values = _mm512_mul_ps(factor, _mm512_maskz_loadu_ps(mask, x + i));
        _mm256_mask_storeu_epi16(out + i, mask, (__m256i)_mm512_cvtneps_pbh(values));
    }
}

const bfloat16_kernel mafin_bfloat16_avx512 = {"AVX512-BF16", HAS_AVX512 | HAS_AVX512_BF16, ROWS, SLIVERS, 1, tile, convert,
                                               0, 0};

// AMX's rows are converted by the same instruction.
void mafin_convert_bfloat16_avx512(ptrdiff_t count, float scale, const float *x, uint16_t *out) {
    convert(count, scale, x, out);
}

#endif

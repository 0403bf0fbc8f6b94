// Products of bfloat16 by AVX512-BF16: one instruction multiplies 16 pairs and adds them to 16 sums.

#ifdef __x86_64__

#include <immintrin.h>
#include <string.h>

#include "gemm_tiles.h"

#define TARGET TARGET_WITH("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")
#define LEFT uint16_t
#define RIGHT uint16_t
#define SUM float
#define SUMS __m512
#define ZERO _mm512_setzero_ps
#define STORE _mm512_storeu_ps
#define MULTIPLY(sums, a, b) _mm512_dpbf16_ps(sums, (__m512bh)(a), (__m512bh)(b))
#include "gemm_tile_avx512.inc"

// AMX's rows are converted by the same instruction.
TARGET void mafin_convert_bfloat16_avx512(ptrdiff_t count, float scale, const float *x, uint16_t *out) {
    const __m512 factor = _mm512_set1_ps(scale);
    for (ptrdiff_t i = 0; i < count; i += 16) {
        const __mmask16 mask = count - i < 16 ? (__mmask16)((1u << (count - i)) - 1) : (__mmask16)0xFFFF;
        const __m512 values = _mm512_mul_ps(factor, _mm512_maskz_loadu_ps(mask, x + i));
        _mm256_mask_storeu_epi16(out + i, mask, (__m256i)_mm512_cvtneps_pbh(values));
    }
}

const bfloat16_kernel mafin_bfloat16_avx512 = {
    "AVX512-BF16", HAS_AVX512 | HAS_AVX512_BF16, ROWS, SLIVERS, 1, tile, mafin_convert_bfloat16_avx512, 0, 0};

#endif

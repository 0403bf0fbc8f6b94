// Products of bytes by AVX2: pairs of products are added into 16 bits, pairs of those into 32.

#ifdef __x86_64__

#include <immintrin.h>
#include <string.h>

#include "gemm_tiles.h"

// The weights' seven bits keep vpmaddubsw from saturating.
TARGET_AVX2 INLINE __m256i add_products(__m256i sums, __m256i a, __m256i b) {
    return _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1)));
}

#define TARGET TARGET_AVX2
#define MULTIPLY add_products
#include "gemm_int8_tile_avx2.inc"

const int8_kernel mafin_int8_avx2 = {"AVX2", HAS_AVX2, ROWS, 1, 128, tile, 0, 0};

#endif

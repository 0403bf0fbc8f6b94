// Products of bfloat16 and of bytes by NEON's bfdot and sdot. They were compiled for arm64, but never run: no machine with
// them was at hand.

#ifdef __aarch64__

#include <arm_neon.h>
#include <string.h>

#include "gemm_tiles.h"

#define UNROLLED _Pragma("clang loop unroll(full)")

enum { ROWS = 6, QUARTERS = 4 };

// MARK: bfloat16

#define TARGET __attribute__((target("bf16")))

// 24 sums, four registers of B and one of A. `rows` is a constant where this is inlined.
TARGET INLINE void bfloat16_tile_of(const int rows, ptrdiff_t depth, const uint16_t *a, const uint16_t *b, float *sums,
                                    ptrdiff_t stride) {
    float32x4_t sum[ROWS][QUARTERS];
    UNROLLED for (int i = 0; i < rows; i++)
        UNROLLED for (int q = 0; q < QUARTERS; q++) sum[i][q] = vdupq_n_f32(0);
    for (ptrdiff_t p = 0; p < depth; p += 2, b += 2 * SLIVER) {
        bfloat16x8_t right[QUARTERS];
        UNROLLED for (int q = 0; q < QUARTERS; q++) right[q] = vreinterpretq_bf16_u16(vld1q_u16(b + 8 * q));
        UNROLLED for (int i = 0; i < rows; i++) {
            uint32_t pair;
            memcpy(&pair, a + i * depth + p, sizeof pair);
            const bfloat16x8_t left = vreinterpretq_bf16_u32(vdupq_n_u32(pair));
            UNROLLED for (int q = 0; q < QUARTERS; q++) sum[i][q] = vbfdotq_f32(sum[i][q], right[q], left);
        }
    }
    UNROLLED for (int i = 0; i < rows; i++)
        UNROLLED for (int q = 0; q < QUARTERS; q++) vst1q_f32(sums + i * stride + 4 * q, sum[i][q]);
}

#define CASE(n) case n: return CASE_OF(n, depth, a, b, sums, stride);

#define CASE_OF bfloat16_tile_of
TARGET static void bfloat16_tile_any(int rows, int slivers, ptrdiff_t depth, const uint16_t *a, const uint16_t *b,
                                     float *sums, ptrdiff_t stride) {
    (void)slivers;
    switch (rows) { CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) }
}
#undef CASE_OF
#undef TARGET

void mafin_convert_bfloat16(ptrdiff_t count, float scale, const float *x, uint16_t *out);

const bfloat16_kernel mafin_bfloat16_neon = {"NEON bfdot", HAS_NEON_BF16, ROWS, 1, 1, bfloat16_tile_any, mafin_convert_bfloat16,
                                             0, 0};

// MARK: Bytes

#define TARGET __attribute__((target("dotprod")))

// sdot multiplies signed bytes, so the bytes of A have no zero point.
TARGET INLINE void int8_tile_of(const int rows, ptrdiff_t depth, const uint8_t *a, const int8_t *b, int32_t *sums,
                                ptrdiff_t stride) {
    int32x4_t sum[ROWS][QUARTERS];
    UNROLLED for (int i = 0; i < rows; i++)
        UNROLLED for (int q = 0; q < QUARTERS; q++) sum[i][q] = vdupq_n_s32(0);
    for (ptrdiff_t p = 0; p < depth; p += 4, b += 4 * SLIVER) {
        int8x16_t right[QUARTERS];
        UNROLLED for (int q = 0; q < QUARTERS; q++) right[q] = vld1q_s8(b + 16 * q);
        UNROLLED for (int i = 0; i < rows; i++) {
            uint32_t four;
            memcpy(&four, a + i * depth + p, sizeof four);
            const int8x16_t left = vreinterpretq_s8_u32(vdupq_n_u32(four));
            UNROLLED for (int q = 0; q < QUARTERS; q++) sum[i][q] = vdotq_s32(sum[i][q], right[q], left);
        }
    }
    UNROLLED for (int i = 0; i < rows; i++)
        UNROLLED for (int q = 0; q < QUARTERS; q++) vst1q_s32(sums + i * stride + 4 * q, sum[i][q]);
}

#define CASE_OF int8_tile_of
TARGET static void int8_tile_any(int rows, int slivers, ptrdiff_t depth, const uint8_t *a, const int8_t *b, int32_t *sums,
                                 ptrdiff_t stride) {
    (void)slivers;
    switch (rows) { CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) }
}

const int8_kernel mafin_int8_neon = {"NEON sdot", HAS_DOT_PRODUCT, ROWS, 1, 0, int8_tile_any, 0, 0};

#endif

// Instructions that a machine with AVX2 lacks, in plain C after Intel's description of them, so that the kernels that use
// them run there: in the place of the compiler's header, which it includes.

#ifndef EMULATED_IMMINTRIN_H
#define EMULATED_IMMINTRIN_H

#include_next <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EMULATED static inline __attribute__((always_inline, target("avx2,fma")))

typedef union {
    __m512i vector;
    float f[16];
    int32_t s32[16];
    uint8_t u8[64];
    int8_t s8[64];
    uint16_t u16[32];
} emulated512;

typedef union {
    __m256i vector;
    int32_t s32[8];
    uint8_t u8[32];
    int8_t s8[32];
    uint16_t u16[16];
} emulated256;

EMULATED float emulated_float(uint16_t bfloat16) {
    const uint32_t bits = (uint32_t)bfloat16 << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

EMULATED __m512i emulated_load(const void *from) {
    emulated512 r;
    memcpy(&r, from, sizeof r);
    return r.vector;
}

EMULATED void emulated_store(void *to, __m512i x) { memcpy(to, &x, sizeof x); }

EMULATED __m512i emulated_zero(void) {
    emulated512 r;
    memset(&r, 0, sizeof r);
    return r.vector;
}

EMULATED __m512i emulated_set(int32_t x) {
    emulated512 r;
    for (int i = 0; i < 16; i++) r.s32[i] = x;
    return r.vector;
}

EMULATED __m512 emulated_set_float(float x) {
    emulated512 r;
    for (int i = 0; i < 16; i++) r.f[i] = x;
    return (__m512)r.vector;
}

EMULATED __m512 emulated_multiply(__m512 a, __m512 b) {
    emulated512 x = {(__m512i)a}, y = {(__m512i)b};
    for (int i = 0; i < 16; i++) x.f[i] *= y.f[i];
    return (__m512)x.vector;
}

EMULATED __m512 emulated_load_masked(__mmask16 mask, const float *from) {
    emulated512 r;
    for (int i = 0; i < 16; i++) r.f[i] = mask >> i & 1 ? from[i] : 0;
    return (__m512)r.vector;
}

// VDPBF16PS
EMULATED __m512 emulated_dpbf16(__m512 sum, __m512bh a, __m512bh b) {
    emulated512 r = {(__m512i)sum}, x = {(__m512i)a}, y = {(__m512i)b};
    for (int i = 0; i < 16; i++) {
        r.f[i] += emulated_float(x.u16[2 * i + 1]) * emulated_float(y.u16[2 * i + 1]);
        r.f[i] += emulated_float(x.u16[2 * i]) * emulated_float(y.u16[2 * i]);
    }
    return (__m512)r.vector;
}

// VPDPBUSD
EMULATED __m512i emulated_dpbusd512(__m512i sum, __m512i a, __m512i b) {
    emulated512 r = {sum}, x = {a}, y = {b};
    for (int i = 0; i < 64; i++) r.s32[i / 4] += (int32_t)x.u8[i] * y.s8[i];
    return r.vector;
}

EMULATED __m256i emulated_dpbusd256(__m256i sum, __m256i a, __m256i b) {
    emulated256 r = {sum}, x = {a}, y = {b};
    for (int i = 0; i < 32; i++) r.s32[i / 4] += (int32_t)x.u8[i] * y.s8[i];
    return r.vector;
}

// VCVTNEPS2BF16
EMULATED __m256i emulated_convert(__m512 a) {
    emulated512 x = {(__m512i)a};
    emulated256 r;
    for (int i = 0; i < 16; i++) {
        const uint32_t bits = (uint32_t)x.s32[i];
        const int is_nan = (bits & 0x7FFFFFFF) > 0x7F800000;
        r.u16[i] = (uint16_t)((is_nan ? bits | 0x400000 : bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
    }
    return r.vector;
}

EMULATED void emulated_store_masked(void *to, __mmask16 mask, __m256i a) {
    const emulated256 x = {a};
    for (int i = 0; i < 16; i++)
        if (mask >> i & 1) memcpy((uint16_t *)to + i, &x.u16[i], sizeof(uint16_t));
}

#define _mm512_setzero_ps() ((__m512)emulated_zero())
#define _mm512_setzero_si512 emulated_zero
#define _mm512_loadu_si512 emulated_load
#define _mm512_storeu_si512 emulated_store
#define _mm512_storeu_ps(to, x) emulated_store(to, (__m512i)(x))
#define _mm512_set1_epi32 emulated_set
#define _mm512_set1_ps emulated_set_float
#define _mm512_mul_ps emulated_multiply
#define _mm512_maskz_loadu_ps emulated_load_masked
#define _mm512_dpbf16_ps emulated_dpbf16
#define _mm512_dpbusd_epi32 emulated_dpbusd512
#define _mm256_dpbusd_avx_epi32 emulated_dpbusd256
#define _mm512_cvtneps_pbh emulated_convert
#define _mm256_mask_storeu_epi16 emulated_store_masked

// AMX: eight tiles of 16 rows of 64 bytes. A use without a configuration, or another configuration, is a trap.

typedef struct {
    uint8_t bytes[8][16][64];
    int is_configured;
} emulated_tiles;

extern _Thread_local emulated_tiles tiles;

EMULATED void emulated_check_tiles(void) {
    if (!tiles.is_configured) __builtin_trap();
}

EMULATED void emulated_configure(const void *from) {
    uint8_t configuration[64];
    memcpy(configuration, from, sizeof configuration);
    if (configuration[0] != 1) __builtin_trap();
    for (int tile = 0; tile < 8; tile++) {
        if (configuration[16 + 2 * tile] != 64 || configuration[17 + 2 * tile] || configuration[48 + tile] != 16)
            __builtin_trap();
    }
    memset(tiles.bytes, 0xCD, sizeof tiles.bytes);
    tiles.is_configured = 1;
}

EMULATED void emulated_release(void) {
    emulated_check_tiles();
    tiles.is_configured = 0;
}

EMULATED void emulated_zero_tile(int tile) {
    emulated_check_tiles();
    memset(tiles.bytes[tile], 0, sizeof tiles.bytes[tile]);
}

EMULATED void emulated_load_tile(int tile, const void *from, ptrdiff_t stride) {
    emulated_check_tiles();
    for (int row = 0; row < 16; row++) memcpy(tiles.bytes[tile][row], (const char *)from + row * stride, 64);
}

EMULATED void emulated_store_tile(int tile, void *to, ptrdiff_t stride) {
    emulated_check_tiles();
    for (int row = 0; row < 16; row++) memcpy((char *)to + row * stride, tiles.bytes[tile][row], 64);
}

// TDPBF16PS
EMULATED void emulated_tdpbf16(int c, int a, int b) {
    emulated_check_tiles();
    for (int m = 0; m < 16; m++) {
        float sums[16];
        memcpy(sums, tiles.bytes[c][m], sizeof sums);
        for (int k = 0; k < 16; k++) {
            uint16_t left[2], right[32];
            memcpy(left, tiles.bytes[a][m] + 4 * k, sizeof left);
            memcpy(right, tiles.bytes[b][k], sizeof right);
            for (int n = 0; n < 16; n++) {
                sums[n] += emulated_float(left[0]) * emulated_float(right[2 * n]);
                sums[n] += emulated_float(left[1]) * emulated_float(right[2 * n + 1]);
            }
        }
        memcpy(tiles.bytes[c][m], sums, sizeof sums);
    }
}

// TDPBUSD
EMULATED void emulated_tdpbusd(int c, int a, int b) {
    emulated_check_tiles();
    for (int m = 0; m < 16; m++) {
        int32_t sums[16];
        memcpy(sums, tiles.bytes[c][m], sizeof sums);
        for (int k = 0; k < 64; k++)
            for (int n = 0; n < 16; n++)
                sums[n] += (int32_t)tiles.bytes[a][m][k] * (int8_t)tiles.bytes[b][k / 4][4 * n + k % 4];
        memcpy(tiles.bytes[c][m], sums, sizeof sums);
    }
}

#undef _tile_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbf16ps
#undef _tile_dpbusd
#define _tile_loadconfig emulated_configure
#define _tile_release emulated_release
#define _tile_zero emulated_zero_tile
#define _tile_loadd emulated_load_tile
#define _tile_stored emulated_store_tile
#define _tile_dpbf16ps emulated_tdpbf16
#define _tile_dpbusd emulated_tdpbusd

#endif

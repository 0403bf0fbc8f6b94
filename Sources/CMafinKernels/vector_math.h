// exp and erf as branch-free arithmetic that the compiler turns into vector code.
// Included by files whose functions are compiled once per instruction set.

#ifndef MAFIN_VECTOR_MATH_H
#define MAFIN_VECTOR_MATH_H

#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

// One copy of a function per instruction set, chosen when the program is loaded.
#if defined(__x86_64__) && defined(__linux__)
#define PER_CPU __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define PER_CPU
#endif

INLINE float float_of_bits(uint32_t bits) {
    union { uint32_t bits; float value; } u = {bits};
    return u.value;
}

INLINE uint32_t bits_of_float(float x) {
    union { float value; uint32_t bits; } u = {x};
    return u.bits;
}

// Relative error below 2e-7 in [-87, 88]; clamped outside (so exp(-infinity) is 1e-38, not 0).
INLINE float vector_exp(float x) {
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    // 1.5 · 2^23: adding it rounds to an integer n, which then stands in the lowest bits.
    union { float value; uint32_t bits; } t = {x * 1.44269504f + 12582912.0f};
    const float n = t.value - 12582912.0f;
    // ln 2 in two parts, the first exact in few bits, so that n · ln 2 is subtracted without rounding.
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    // The minimax polynomial of exp on ±½ ln 2.
    float p = 1.3836786e-3f;
    p = p * r + 8.3748633e-3f;
    p = p * r + 4.1668229e-2f;
    p = p * r + 1.6666420e-1f;
    p = p * r + 4.9999991e-1f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    // Times 2^n: n is added to the exponent.
    union { float value; uint32_t bits; } u = {p};
    return float_of_bits(u.bits + (t.bits << 23));
}

// Relative error below 2e-7, or absolute below 1e-7 near 1, for finite x above 1e-37: the exponent's multiple of ln 2, and Cephes' polynomial
// in the rest, which is between √½ and √2.
INLINE float vector_log(float x) {
    union { float value; uint32_t bits; } u = {x};
    const int32_t exponent = (int32_t)(u.bits - 0x3F3504F3u) >> 23;
    const float t = float_of_bits(u.bits - ((uint32_t)exponent << 23)) - 1.0f;
    float p = 7.0376836292e-2f;
    p = p * t - 1.1514610310e-1f;
    p = p * t + 1.1676998740e-1f;
    p = p * t - 1.2420140846e-1f;
    p = p * t + 1.4249322787e-1f;
    p = p * t - 1.6668057665e-1f;
    p = p * t + 2.0000714765e-1f;
    p = p * t - 2.4999993993e-1f;
    p = p * t + 3.3333331174e-1f;
    const float n = (float)exponent;
    return n * 0.693359375f + (t + (t * t * (p * t - 0.5f) - n * 2.12194440e-4f));
}

// Absolute error below 4e-7: x · P(x²) / Q(x²), fitted to erf on [-3.92, 3.92]; beyond, erf is 1 to 3e-8.
INLINE float vector_erf(float x) {
    x = x < -3.92f ? -3.92f : x;
    x = x > 3.92f ? 3.92f : x;
    const float t = x * x;
    float p = 2.034739373e-6f;
    p = p * t + 2.874800118e-4f;
    p = p * t + 3.868334719e-3f;
    p = p * t + 5.306050151e-2f;
    p = p * t + 1.927641676e-1f;
    p = p * t + 1.128379022f;
    float q = 3.807072107e-5f;
    q = q * t + 1.188117857e-3f;
    q = q * t + 1.517230885e-2f;
    q = q * t + 1.150846702e-1f;
    q = q * t + 5.041644618e-1f;
    q = q * t + 1.0f;
    return x * p / q;
}

#endif

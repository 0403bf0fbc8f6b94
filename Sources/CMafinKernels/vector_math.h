// exp, log and erf without branches, so that the compiler can vectorise them. They are inlined into kernels.

#ifndef MAFIN_VECTOR_MATH_H
#define MAFIN_VECTOR_MATH_H

#include <stdint.h>

#include "cpu.h"

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
    // 1.5 · 2^23: adding it rounds to an integer n, which is then in the lowest bits.
    const float t = x * 1.44269504f + 12582912.0f, n = t - 12582912.0f;
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
    return float_of_bits(bits_of_float(p) + (bits_of_float(t) << 23));
}

// exp for x ≤ 0 in double precision, to a few units in the last place; 0 below -708.
// The Taylor polynomial of degree 13 on ±½ ln 2; its remainder is below 1e-17.
INLINE double vector_exp_double(double x) {
    const int underflows = x < -708;
    x = underflows ? -708 : x;
    // 1.5 · 2^52: adding it rounds to an integer n, which is then in the lowest bits.
    union { double value; uint64_t bits; } t = {x * 1.4426950408889634 + 6755399441055744.0};
    const double n = t.value - 6755399441055744.0;
    const double r = (x - n * 0.693145751953125) - n * 1.4286068203094173e-6;
    double p = 1 / 6227020800.0;
    p = p * r + 1 / 479001600.0;
    p = p * r + 1 / 39916800.0;
    p = p * r + 1 / 3628800.0;
    p = p * r + 1 / 362880.0;
    p = p * r + 1 / 40320.0;
    p = p * r + 1 / 5040.0;
    p = p * r + 1 / 720.0;
    p = p * r + 1 / 120.0;
    p = p * r + 1 / 24.0;
    p = p * r + 1 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1;
    p = p * r + 1;
    union { double value; uint64_t bits; } u = {p};
    u.bits += t.bits << 52;
    return underflows ? 0 : u.value;
}

// log for finite x above 1e-37. Relative error below 2e-7; near x = 1, absolute error below 1e-7. The exponent contributes a
// multiple of ln 2; the mantissa, between √½ and √2, goes through the polynomial of Cephes' logf.
INLINE float vector_log(float x) {
    const uint32_t bits = bits_of_float(x);
    const int32_t exponent = (int32_t)(bits - 0x3F3504F3u) >> 23;
    const float t = float_of_bits(bits - ((uint32_t)exponent << 23)) - 1.0f;
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

INLINE float normal_distribution(float x) { return 0.5f + 0.5f * vector_erf(x * 0.70710678f); }

#endif

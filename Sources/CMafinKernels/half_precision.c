// Conversions to and from float16 with integer arithmetic that the compiler can vectorise.

#include "vector_math.h"

// Number of elements that are converted between checks for elements out of range.
enum { STRETCH = 4096 };

// Values out of range become infinite. NaN stays NaN.
INLINE uint16_t half_of(float x) {
    const uint32_t bits = bits_of_float(x), magnitude = bits & 0x7FFFFFFF;
    // Adds half of the last kept bit, and one more to make an odd mantissa even. The exponent's bias becomes smaller by
    // 112.
    const uint32_t normal = (magnitude + 0xFFF + ((magnitude >> 13) & 1) - 0x38000000) >> 13;
    // Subnormal: adding ½ puts the wanted bits, correctly rounded, at the low end of the mantissa.
    const uint32_t subnormal = bits_of_float(float_of_bits(magnitude) + 0.5f) - 0x3F000000;
    const uint32_t half = magnitude < 0x38800000 ? subnormal : normal;
    const uint32_t special = magnitude > 0x7F800000 ? 0x7E00 : 0x7C00;
    return (uint16_t)((bits >> 16 & 0x8000) | (magnitude >= 0x477FF000 ? special : half));
}

KERNEL(ptrdiff_t, to_half, (ptrdiff_t count, const float *restrict x, uint16_t *restrict out), (count, x, out)) {
    ptrdiff_t first = count;
    for (ptrdiff_t start = 0; start < count; start += STRETCH) {
        const ptrdiff_t end = count - start < STRETCH ? count : start + STRETCH;
        uint32_t misfits = 0;
        for (ptrdiff_t i = start; i < end; i++) {
            const uint16_t half = half_of(x[i]);
            out[i] = half;
            misfits |= (half & 0x7C00) == 0x7C00;
        }
        for (ptrdiff_t i = start; misfits && first == count && i < end; i++)
            if ((out[i] & 0x7C00) == 0x7C00) first = i;
    }
    return first;
}

// Rows in files may begin at any byte.
typedef uint16_t unaligned_half __attribute__((aligned(1)));

KERNEL(void, from_half, (ptrdiff_t count, const void *restrict x, float *restrict out), (count, x, out)) {
    const unaligned_half *const from = x;
    for (ptrdiff_t i = 0; i < count; i++) {
        const uint32_t sign = (uint32_t)(from[i] & 0x8000) << 16, magnitude = (uint32_t)(from[i] & 0x7FFF) << 13;
        // The exponent's bias is 112 less in float16. Infinity and NaN have all exponent bits set in both formats.
        const uint32_t finite = bits_of_float(float_of_bits(magnitude) * 0x1p112f);
        out[i] = float_of_bits(sign | (magnitude >= 0x0F800000 ? magnitude | 0x7F800000 : finite));
    }
}

#define FINITE_PREFIX(name, type, exponent)                                                           \
    INLINE ptrdiff_t name(ptrdiff_t count, const type *x) {                                           \
        for (ptrdiff_t start = 0; start < count; start += STRETCH) {                                  \
            const ptrdiff_t end = count - start < STRETCH ? count : start + STRETCH;                  \
            type misfits = 0;                                                                         \
            for (ptrdiff_t i = start; i < end; i++) misfits |= (type)((x[i] & exponent) == exponent); \
            if (!misfits) continue;                                                                   \
            for (ptrdiff_t i = start; i < end; i++)                                                   \
                if ((x[i] & exponent) == exponent) return i;                                          \
        }                                                                                             \
        return count;                                                                                 \
    }

FINITE_PREFIX(finite_prefix_single, uint32_t, 0x7F800000)
FINITE_PREFIX(finite_prefix_half, uint16_t, 0x7C00)

KERNEL(ptrdiff_t, finite_prefix, (ptrdiff_t count, const void *x, bool half), (count, x, half)) {
    return half ? finite_prefix_half(count, x) : finite_prefix_single(count, x);
}

// Rows as bytes, with a bound of the error: the VA-file (Weber, Schek and Blott 1998) with one scale per row.

#include "mafin_kernels.h"

#include <math.h>

#include "vector_math.h"

// The compiler may reorder sums, so that they run in vector registers. The margins allow for it.
#pragma clang fp reassociate(on) contract(fast)

// If the largest element of a row is below this, the row gets no bound, because the bound does not cover underflow.
#define SMALLEST 1e-15f

// Number of elements that are converted together. As floats they fit into the first-level cache.
enum { SPAN = 1024 };

INLINE void floats_of(mafin_element element, const char *row, ptrdiff_t at, ptrdiff_t count, float *out) {
    if (element == MAFIN_FLOAT16) {
        mafin_from_half(count, (const uint16_t *)row + at, out);
    } else {
        const float *const from = (const float *)row + at;
        for (ptrdiff_t i = 0; i < count; i++) out[i] = from[i];
    }
}

// With x = s · c + e (s the scale, c the codes), q the query and u = 2^-24, in exact arithmetic x · q ≤ s (c · q) + ‖e‖ ‖q‖.
// Any sum of n products in float is off by at most n u ‖x‖ ‖q‖ (Higham 2002, 3.1), and s (c · q) by n u ‖s c‖ ‖q‖, where
// ‖s c‖ ≤ ‖x‖ + ‖e‖. A few more u cover the arithmetic of the bound and of ‖e‖ itself.
INLINE float margin_of(ptrdiff_t width, float norm, float error) {
    const float u = 0x1p-24f, n = (float)width;
    return (error + (2 * n + 32) * u * (norm + error)) * (1 + (2 * n + 32) * u);
}

KERNEL(void, approximate, (ptrdiff_t rows, ptrdiff_t width, const void *vectors, mafin_element element,
       ptrdiff_t row_stride, int8_t *codes, float *scales, float *margins),
       (rows, width, vectors, element, row_stride, codes, scales, margins)) {
    const char *row = vectors;
    float x[SPAN];
    for (ptrdiff_t r = 0; r < rows; r++, row += row_stride * (element == MAFIN_FLOAT16 ? 2 : 4), codes += width) {
        // The absolute values of floats have the order of their bits.
        uint32_t largest_bits = 0;
        float squares = 0;
        for (ptrdiff_t start = 0; start < width; start += SPAN) {
            const ptrdiff_t count = width - start < SPAN ? width - start : SPAN;
            floats_of(element, row, start, count, x);
            for (ptrdiff_t i = 0; i < count; i++) {
                const uint32_t size = bits_of_float(x[i]) & 0x7FFFFFFF;
                largest_bits = size > largest_bits ? size : largest_bits;
                squares += x[i] * x[i];
            }
        }
        const float largest = float_of_bits(largest_bits);
        const float scale = largest / 127, inverse = largest > SMALLEST ? 127 / largest : 0;
        float errors = 0;
        for (ptrdiff_t start = 0; start < width; start += SPAN) {
            const ptrdiff_t count = width - start < SPAN ? width - start : SPAN;
            if (width > SPAN) floats_of(element, row, start, count, x);
            for (ptrdiff_t i = 0; i < count; i++) {
                const float scaled = x[i] * inverse;
                // Rounds half away from zero. The largest value is 127 plus a rounding error.
                const int32_t code = (int32_t)(scaled + (scaled < 0 ? -0.5f : 0.5f));
                const float error = x[i] - scale * (float)code;
                codes[start + i] = (int8_t)code;
                errors += error * error;
            }
        }
        scales[r] = scale;
        // If squares or products leave the range of the bound, the margin is infinite, so that the row is always scored
        // exactly.
        const bool is_safe = largest == 0 || (largest > SMALLEST && squares < 1e30f);
        margins[r] = is_safe ? margin_of(width, sqrtf(squares), sqrtf(errors)) : INFINITY;
        if (!is_safe) scales[r] = 0;
    }
}

KERNEL(void, upper_bounds, (ptrdiff_t queries, ptrdiff_t rows, const float *products, ptrdiff_t stride,
       const float *norms, const float *scales, const float *margins, bool add, float *bounds),
       (queries, rows, products, stride, norms, scales, margins, add, bounds)) {
    for (ptrdiff_t q = 0; q < queries; q++, products += stride, bounds += stride) {
        const float norm = norms[q];
        if (add) {
            for (ptrdiff_t r = 0; r < rows; r++) bounds[r] += scales[r] * products[r] + norm * margins[r];
        } else {
            for (ptrdiff_t r = 0; r < rows; r++) bounds[r] = scales[r] * products[r] + norm * margins[r];
        }
    }
}

KERNEL(int32_t, dot_int8, (ptrdiff_t width, const int8_t *a, const int8_t *b), (width, a, b)) {
    int32_t sum = 0;
    for (ptrdiff_t i = 0; i < width; i++) sum += (int16_t)a[i] * (int16_t)b[i];
    return sum;
}

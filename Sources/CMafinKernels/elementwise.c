// The passes between the matrix products of an encoder layer. Each reads and writes memory as few times as possible.

#include "mafin_kernels.h"

#include <math.h>

#include "vector_math.h"

// The compiler may reorder sums, so that they run in vector registers.
#pragma clang fp reassociate(on) contract(fast)

INLINE float normal_density(float x) { return 0.39894228f * vector_exp(-0.5f * x * x); }

// MARK: Dropout

// One key per row, by the finaliser of SplitMix64.
INLINE uint32_t row_key(mafin_dropout dropout, ptrdiff_t row) {
    uint64_t z = dropout.seed + (dropout.first_row + (uint64_t)row + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (uint32_t)(z ^ (z >> 31));
}

// 32 random bits per element, from a 32-bit mixer, so that each vector lane computes one.
INLINE float kept(uint32_t key, uint32_t column, mafin_dropout dropout) {
    uint32_t x = key ^ (column * 0x9E3779B9u);
    x = (x ^ (x >> 16)) * 0x7FEB352Du;
    x = (x ^ (x >> 15)) * 0x846CA68Bu;
    x ^= x >> 16;
    return x < dropout.threshold ? 0.0f : dropout.scale;
}

// x *= the mask of row r.
INLINE void drop_row(mafin_dropout dropout, ptrdiff_t r, ptrdiff_t width, float *restrict x) {
    if (!dropout.threshold) return;
    const uint32_t key = row_key(dropout, r);
    for (ptrdiff_t i = 0; i < width; i++) x[i] *= kept(key, (uint32_t)i, dropout);
}

KERNEL(void, apply_dropout, (ptrdiff_t rows, ptrdiff_t width, const float *x, mafin_dropout dropout, float *out),
       (rows, width, x, dropout, out)) {
    for (ptrdiff_t r = 0; r < rows; r++, x += width, out += width) {
        const uint32_t key = row_key(dropout, r);
        for (ptrdiff_t i = 0; i < width; i++) out[i] = x[i] * kept(key, (uint32_t)i, dropout);
    }
}

// MARK: Bias and GELU

KERNEL(void, add_bias, (ptrdiff_t rows, ptrdiff_t width, float *restrict x, const float *restrict bias),
       (rows, width, x, bias)) {
    for (ptrdiff_t r = 0; r < rows; r++, x += width)
        for (ptrdiff_t i = 0; i < width; i++) x[i] += bias[i];
}

KERNEL(void, bias_gelu, (ptrdiff_t rows, ptrdiff_t width, float *restrict h, const float *restrict bias,
       float *restrict g), (rows, width, h, bias, g)) {
    for (ptrdiff_t r = 0; r < rows; r++, h += width, g += width) {
        for (ptrdiff_t i = 0; i < width; i++) {
            const float x = h[i] + bias[i];
            h[i] = x;
            g[i] = x * normal_distribution(x);
        }
    }
}

KERNEL(void, gelu, (ptrdiff_t count, const float *restrict h, float *restrict g), (count, h, g)) {
    for (ptrdiff_t i = 0; i < count; i++) g[i] = h[i] * normal_distribution(h[i]);
}

KERNEL(void, gelu_backward, (ptrdiff_t count, const float *restrict d, float *restrict h, float *restrict g),
       (count, d, h, g)) {
    for (ptrdiff_t i = 0; i < count; i++) {
        const float x = h[i];
        const float distribution = normal_distribution(x);
        h[i] = d[i] * (distribution + x * normal_density(x));
        g[i] = x * distribution;
    }
}

// MARK: Gated activations

INLINE float sigmoid(float x) { return 1 / (1 + vector_exp(-x)); }

KERNEL(void, gated, (bool silu, ptrdiff_t rows, ptrdiff_t width, const float *restrict h, const float *restrict factor,
       ptrdiff_t stride, float *restrict g, ptrdiff_t g_stride), (silu, rows, width, h, factor, stride, g, g_stride)) {
    for (ptrdiff_t r = 0; r < rows; r++, h += stride, factor += stride, g += g_stride) {
        if (silu) {
            for (ptrdiff_t i = 0; i < width; i++) g[i] = h[i] * sigmoid(h[i]) * factor[i];
        } else {
            for (ptrdiff_t i = 0; i < width; i++) g[i] = h[i] * normal_distribution(h[i]) * factor[i];
        }
    }
}

KERNEL(void, gated_backward, (bool silu, ptrdiff_t rows, ptrdiff_t width, const float *restrict d, float *restrict h,
       float *restrict factor, ptrdiff_t stride, float *restrict g), (silu, rows, width, d, h, factor, stride, g)) {
    for (ptrdiff_t r = 0; r < rows; r++, d += width, h += stride, factor += stride, g += width) {
        for (ptrdiff_t i = 0; i < width; i++) {
            const float x = h[i], f = factor[i];
            const float gate = silu ? sigmoid(x) : normal_distribution(x);
            const float slope = silu ? gate * (1 + x * (1 - gate)) : gate + x * normal_density(x);
            g[i] = x * gate * f;
            h[i] = d[i] * f * slope;
            factor[i] = d[i] * x * gate;
        }
    }
}

// MARK: Quick GELU

KERNEL(void, quick_gelu, (ptrdiff_t rows, ptrdiff_t width, float *restrict h, const float *restrict bias,
       float *restrict g), (rows, width, h, bias, g)) {
    for (ptrdiff_t r = 0; r < rows; r++, h += width, g += width) {
        for (ptrdiff_t i = 0; i < width; i++) {
            const float x = h[i] + bias[i];
            h[i] = x;
            g[i] = x * sigmoid(1.702f * x);
        }
    }
}

KERNEL(void, quick_gelu_backward, (ptrdiff_t count, const float *restrict d, float *restrict h, float *restrict g),
       (count, d, h, g)) {
    for (ptrdiff_t i = 0; i < count; i++) {
        const float x = h[i];
        const float gate = sigmoid(1.702f * x);
        h[i] = d[i] * gate * (1 + 1.702f * x * (1 - gate));
        g[i] = x * gate;
    }
}

// MARK: Layer scale

KERNEL(void, add_scaled, (ptrdiff_t rows, ptrdiff_t width, const float *restrict x, const float *restrict scale,
       float *restrict y), (rows, width, x, scale, y)) {
    for (ptrdiff_t r = 0; r < rows; r++, x += width, y += width)
        for (ptrdiff_t i = 0; i < width; i++) y[i] += scale[i] * x[i];
}

KERNEL(void, add_scaled_backward, (ptrdiff_t rows, ptrdiff_t width, const float *restrict d,
       const float *restrict scale, float *restrict x, float *restrict dscale), (rows, width, d, scale, x, dscale)) {
    for (ptrdiff_t r = 0; r < rows; r++, d += width, x += width) {
        for (ptrdiff_t i = 0; i < width; i++) {
            dscale[i] += d[i] * x[i];
            x[i] = d[i] * scale[i];
        }
    }
}

// MARK: Rotary positions

KERNEL(void, rotate_halves, (ptrdiff_t rows, ptrdiff_t half, float *restrict x, ptrdiff_t stride,
       const float *restrict cosines, const float *restrict sines, float direction),
       (rows, half, x, stride, cosines, sines, direction)) {
    for (ptrdiff_t r = 0; r < rows; r++, x += stride, cosines += half, sines += half) {
        for (ptrdiff_t i = 0; i < half; i++) {
            const float first = x[i], second = x[half + i], sine = direction * sines[i];
            x[i] = first * cosines[i] - second * sine;
            x[half + i] = second * cosines[i] + first * sine;
        }
    }
}

// MARK: Normalisation

KERNEL(void, residual_norm, (bool centered, ptrdiff_t rows, ptrdiff_t width, const float *x, const float *bias,
       const float *residual, mafin_dropout dropout, float epsilon, float *normalized, float *restrict rstd),
       (centered, rows, width, x, bias, residual, dropout, epsilon, normalized, rstd)) {
    for (ptrdiff_t r = 0; r < rows; r++) {
        const float *const in = x + r * width;
        float *const out = normalized + r * width;
        if (bias) {
            for (ptrdiff_t i = 0; i < width; i++) out[i] = in[i] + bias[i];
        } else {
            for (ptrdiff_t i = 0; i < width; i++) out[i] = in[i];
        }
        drop_row(dropout, r, width, out);
        if (residual) {
            const float *const add = residual + r * width;
            for (ptrdiff_t i = 0; i < width; i++) out[i] += add[i];
        }
        float sum = 0;
        if (centered)
            for (ptrdiff_t i = 0; i < width; i++) sum += out[i];
        const float mean = sum / (float)width;
        float squares = 0;
        for (ptrdiff_t i = 0; i < width; i++) squares += (out[i] - mean) * (out[i] - mean);
        const float scale = 1 / sqrtf(squares / (float)width + epsilon);
        for (ptrdiff_t i = 0; i < width; i++) out[i] = (out[i] - mean) * scale;
        rstd[r] = scale;
    }
}

KERNEL(void, affine, (ptrdiff_t rows, ptrdiff_t width, const float *restrict normalized, const float *restrict gain,
       const float *restrict bias, mafin_dropout dropout, float *restrict y),
       (rows, width, normalized, gain, bias, dropout, y)) {
    for (ptrdiff_t r = 0; r < rows; r++, normalized += width, y += width) {
        if (bias) {
            for (ptrdiff_t i = 0; i < width; i++) y[i] = normalized[i] * gain[i] + bias[i];
        } else {
            for (ptrdiff_t i = 0; i < width; i++) y[i] = normalized[i] * gain[i];
        }
        drop_row(dropout, r, width, y);
    }
}

KERNEL(void, norm_backward, (bool centered, ptrdiff_t rows, ptrdiff_t width, float *restrict d,
       const float *restrict normalized, const float *restrict rstd, const float *restrict gain,
       float *restrict dgain, float *restrict dbias),
       (centered, rows, width, d, normalized, rstd, gain, dgain, dbias)) {
    for (ptrdiff_t r = 0; r < rows; r++, d += width, normalized += width) {
        if (dbias)
            for (ptrdiff_t i = 0; i < width; i++) dbias[i] += d[i];
        float sum = 0, along = 0;
        for (ptrdiff_t i = 0; i < width; i++) {
            dgain[i] += d[i] * normalized[i];
            d[i] *= gain[i];
            sum += d[i];
            along += d[i] * normalized[i];
        }
        sum = centered ? sum / (float)width : 0;
        along /= (float)width;
        for (ptrdiff_t i = 0; i < width; i++) d[i] = (d[i] - sum - normalized[i] * along) * rstd[r];
    }
}

KERNEL(void, column_sum, (ptrdiff_t rows, ptrdiff_t width, const float *restrict x, float *restrict sum),
       (rows, width, x, sum)) {
    for (ptrdiff_t r = 0; r < rows; r++, x += width)
        for (ptrdiff_t i = 0; i < width; i++) sum[i] += x[i];
}

// MARK: Softmax

// 32 accumulators: the compiler may not reorder this maximum, which passes NaN over, by itself.
#define LARGEST(name, type)                                                                      \
    INLINE type name(ptrdiff_t count, const type *x) {                                           \
        enum { LANES = 32 };                                                                     \
        type best[LANES];                                                                        \
        for (int l = 0; l < LANES; l++) best[l] = -INFINITY;                                     \
        ptrdiff_t i = 0;                                                                         \
        for (; i + LANES <= count; i += LANES)                                                   \
            for (int l = 0; l < LANES; l++) best[l] = x[i + l] > best[l] ? x[i + l] : best[l];   \
        for (int l = 0; i + l < count; l++) best[l] = x[i + l] > best[l] ? x[i + l] : best[l];   \
        for (int half = LANES / 2; half > 0; half /= 2)                                          \
            for (int l = 0; l < half; l++) best[l] = best[l + half] > best[l] ? best[l + half] : best[l]; \
        return best[0];                                                                          \
    }

LARGEST(largest, float)
LARGEST(largest_double, double)

// Rows are processed in whole vectors, padding included. Padding is −∞, so that exp gives next to nothing there.
INLINE void fill_padding(ptrdiff_t columns, ptrdiff_t stride, float *x) {
    for (ptrdiff_t i = columns; i < stride; i++) x[i] = -INFINITY;
}

KERNEL(void, softmax, (ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, float *restrict x, float *restrict scales,
       float *restrict lse), (rows, columns, stride, x, scales, lse)) {
    for (ptrdiff_t r = 0; r < rows; r++) {
        float *const row = x + r * stride;
        fill_padding(columns, stride, row);
        const float top = largest(stride, row);
        float sum = 0;
        for (ptrdiff_t i = 0; i < stride; i++) {
            row[i] = vector_exp(row[i] - top);
            sum += row[i];
        }
        scales[r] = sum;
        lse[r] = top;
    }
    for (ptrdiff_t r = 0; r < rows; r++) {
        lse[r] += vector_log(scales[r]);
        scales[r] = 1 / scales[r];
    }
}

KERNEL(void, softmax_again, (ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, float *restrict x,
       const float *restrict lse), (rows, columns, stride, x, lse)) {
    for (ptrdiff_t r = 0; r < rows; r++, x += stride) {
        fill_padding(columns, stride, x);
        for (ptrdiff_t i = 0; i < stride; i++) x[i] = vector_exp(x[i] - lse[r]);
    }
}

KERNEL(void, softmax_backward, (ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride,
       const float *restrict probabilities, float *restrict d, mafin_dropout dropout, float scale),
       (rows, columns, stride, probabilities, d, dropout, scale)) {
    for (ptrdiff_t r = 0; r < rows; r++, d += stride, probabilities += stride) {
        for (ptrdiff_t i = columns; i < stride; i++) d[i] = 0;
        drop_row(dropout, r, stride, d);
        float along = 0;
        for (ptrdiff_t i = 0; i < stride; i++) along += d[i] * probabilities[i];
        for (ptrdiff_t i = 0; i < stride; i++) d[i] = probabilities[i] * (d[i] - along) * scale;
    }
}

KERNEL(void, scale_rows, (ptrdiff_t rows, ptrdiff_t width, ptrdiff_t stride, const float *restrict scales,
       float *restrict x), (rows, width, stride, scales, x)) {
    for (ptrdiff_t r = 0; r < rows; r++, x += stride)
        for (ptrdiff_t i = 0; i < width; i++) x[i] *= scales[r];
}

KERNEL(float, maximum, (ptrdiff_t count, const float *x), (count, x)) { return largest(count, x); }

KERNEL(double, exponentials, (ptrdiff_t count, float *restrict x, float shift), (count, x, shift)) {
    double total = 0;
    for (ptrdiff_t start = 0; start < count; start += 512) {
        const ptrdiff_t end = start + 512 < count ? start + 512 : count;
        float sum = 0;
        for (ptrdiff_t i = start; i < end; i++) {
            const float z = x[i] - shift;
            x[i] = z < -87.0f ? 0.0f : vector_exp(z);
            sum += x[i];
        }
        total += sum;
    }
    return total;
}

KERNEL(double, sum, (ptrdiff_t count, const float *restrict x), (count, x)) {
    double total = 0;
    for (ptrdiff_t i = 0; i < count; i++) total += x[i];
    return total;
}

KERNEL(double, softmax_moments,
       (ptrdiff_t count, ptrdiff_t sources, const float *const *x, const double *origins, const double *weights,
        ptrdiff_t masked_count, const ptrdiff_t *masked, double *restrict mean, double *restrict covariance),
       (count, sources, x, origins, weights, masked_count, masked, mean, covariance)) {
    enum { CHUNK = 256 };
    double w[CHUNK], along[CHUNK];
    double top = -INFINITY, total = 0;
    const ptrdiff_t *const masked_end = masked + masked_count;
    for (ptrdiff_t k = 0; k < sources; k++) mean[k] = 0;
    for (ptrdiff_t k = 0; k < sources * sources; k++) covariance[k] = 0;
    // The scores are read once, a chunk at a time: the largest logit is that of the chunks so far.
    for (ptrdiff_t start = 0; start < count; start += CHUNK) {
        const ptrdiff_t length = count - start < CHUNK ? count - start : CHUNK;
        for (ptrdiff_t i = 0; i < length; i++) w[i] = 0;
        for (ptrdiff_t k = 0; k < sources; k++) {
            const float *const from = x[k] + start;
            const double origin = origins[k], weight = weights[k];
            for (ptrdiff_t i = 0; i < length; i++) w[i] += weight * (from[i] - origin);
        }
        for (; masked < masked_end && *masked < start + length; masked++) w[*masked - start] = -INFINITY;
        const double largest = largest_double(length, w);
        if (largest == -INFINITY) continue;
        if (largest > top) {
            const double rescale = exp(top - largest);
            total *= rescale;
            for (ptrdiff_t k = 0; k < sources; k++) mean[k] *= rescale;
            for (ptrdiff_t k = 0; k < sources * sources; k++) covariance[k] *= rescale;
            top = largest;
        }
        double sum = 0;
        for (ptrdiff_t i = 0; i < length; i++) {
            w[i] = vector_exp_double(w[i] - top);
            sum += w[i];
        }
        total += sum;
        for (ptrdiff_t j = 0; j < sources; j++) {
            const float *const from = x[j] + start;
            const double origin = origins[j];
            double first = 0, second = 0;
            for (ptrdiff_t i = 0; i < length; i++) {
                const double d = from[i] - origin;
                along[i] = w[i] * d;
                first += along[i];
                second += along[i] * d;
            }
            mean[j] += first;
            covariance[j * sources + j] += second;
            for (ptrdiff_t k = 0; k < j; k++) {
                const float *const other = x[k] + start;
                const double other_origin = origins[k];
                double product = 0;
                for (ptrdiff_t i = 0; i < length; i++) product += along[i] * (other[i] - other_origin);
                covariance[j * sources + k] += product;
            }
        }
    }
    for (ptrdiff_t j = 0; j < sources; j++) {
        mean[j] /= total;
        for (ptrdiff_t k = 0; k <= j; k++) {
            const double value = covariance[j * sources + k] / total - mean[j] * mean[k];
            covariance[j * sources + k] = covariance[k * sources + j] = j == k ? fmax(0, value) : value;
        }
    }
    return top + log(total);
}

// MARK: Vectors and the optimiser

KERNEL(void, axpy, (ptrdiff_t count, float a, const float *restrict x, float *restrict y), (count, a, x, y)) {
    for (ptrdiff_t i = 0; i < count; i++) y[i] += a * x[i];
}

KERNEL(void, scale_in_steps, (ptrdiff_t count, float *restrict x, ptrdiff_t steps, const float *restrict factors),
       (count, x, steps, factors)) {
    for (ptrdiff_t s = 0; s < steps; s++)
        for (ptrdiff_t i = 0; i < count; i++) x[i] *= factors[s];
}

KERNEL(double, sum_of_squares, (ptrdiff_t count, const float *restrict x), (count, x)) {
    double total = 0;
    for (ptrdiff_t start = 0; start < count; start += 1024) {
        const ptrdiff_t end = start + 1024 < count ? start + 1024 : count;
        float sum = 0;
        for (ptrdiff_t i = start; i < end; i++) sum += x[i] * x[i];
        total += sum;
    }
    return total;
}

INLINE void adamw(ptrdiff_t count, mafin_adamw o, const float *restrict gradient, float *restrict weights,
                  float *restrict first, float *restrict second) {
    const float step = o.learning_rate / o.correction1;
    const float root = 1 / __builtin_elementwise_sqrt(o.correction2);
    for (ptrdiff_t i = 0; i < count; i++) {
        const float g = gradient ? gradient[i] * o.gradient_scale : 0;
        const float m = o.beta1 * first[i] + (1 - o.beta1) * g;
        const float v = o.beta2 * second[i] + (1 - o.beta2) * g * g;
        first[i] = m;
        second[i] = v;
        // Not sqrtf: it sets errno, which prevents vectorising. The rounding is the same.
        weights[i] = weights[i] * o.decay - step * m / (__builtin_elementwise_sqrt(v) * root + o.epsilon);
    }
}

KERNEL(void, adamw_update, (ptrdiff_t count, mafin_adamw options, const float *gradient, float *weights, float *first,
       float *second), (count, options, gradient, weights, first, second)) {
    if (gradient)
        adamw(count, options, gradient, weights, first, second);
    else
        adamw(count, options, NULL, weights, first, second);
}

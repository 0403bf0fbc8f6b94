// Resampling of 8-bit images by separable filters, with the results of Pillow's `resize`.
//
// A filter f of support S is stretched by the reduction r = max(1, from / to). The output at place i has its centre at (i + ½) · from / to in
// the input, and is the average of the inputs within S · r of it, weighted by f(distance / r). Weights sum to 1; they are held as integers
// with 22 fractional bits, so that a sum of 8-bit inputs fits into 32 bits.
#include "CMafinImages.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// The loops over pixels are compiled twice on Linux: for every x86-64 processor, and for those with AVX2, which multiply 32-bit integers in one
// instruction. All arithmetic is on integers, so that both give the same bytes.
#if defined(__linux__) && defined(__x86_64__) && defined(__GLIBC__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("default", "arch=x86-64-v3")))
#else
#define FOR_EACH_PROCESSOR
#endif

enum { fraction = 22 };

static double triangle(double x) {
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

// Keys, "Cubic convolution interpolation for digital image processing", 1981, with a = −½.
static double cubic(double x) {
    const double a = -0.5;
    x = fabs(x);
    if (x < 1) { return ((a + 2) * x - (a + 3)) * x * x + 1; }
    if (x < 2) { return (((x - 5) * x + 8) * x - 4) * a; }
    return 0;
}

static double sinc(double x) {
    if (x == 0) { return 1; }
    x *= M_PI;
    return sin(x) / x;
}

static double lanczos(double x) { return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0; }

// For each output of one axis the first input, the number of inputs, and their weights.
typedef struct {
    size_t most;  // the most inputs of an output
    uint32_t *first, *count;
    int32_t *weight;  // `most` an output
} axis;

static void release(axis *axis) {
    free(axis->first);
    free(axis->count);
    free(axis->weight);
}

// The outputs `start ..< start + count` of an axis that goes from `from` to `to` places. Returns 0 if there is no memory.
static int make_axis(axis *result, int32_t filter, size_t from, size_t to, size_t start, size_t count) {
    double (*f)(double) = filter == MAFIN_FILTER_LANCZOS ? lanczos : filter == MAFIN_FILTER_BICUBIC ? cubic : triangle;
    double support = filter == MAFIN_FILTER_LANCZOS ? 3 : filter == MAFIN_FILTER_BICUBIC ? 2 : 1;
    double scale = (double)from / (double)to;
    double stretch = scale < 1 ? 1 : scale;
    support *= stretch;
    size_t most = filter == MAFIN_FILTER_NEAREST ? 1 : (size_t)ceil(support) * 2 + 1;
    result->most = most;
    result->first = malloc(count * sizeof *result->first);
    result->count = malloc(count * sizeof *result->count);
    result->weight = calloc(count * most, sizeof *result->weight);
    double *exact = malloc(most * sizeof *exact);
    if (result->first == NULL || result->count == NULL || result->weight == NULL || exact == NULL) {
        free(exact);
        release(result);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        double centre = ((double)(start + i) + 0.5) * scale;
        int32_t *weight = result->weight + i * most;
        if (filter == MAFIN_FILTER_NEAREST) {
            size_t nearest = (size_t)centre;
            result->first[i] = (uint32_t)(nearest < from ? nearest : from - 1);
            result->count[i] = 1;
            weight[0] = 1 << fraction;
            continue;
        }
        double low = centre - support + 0.5, high = centre + support + 0.5;
        size_t first = low < 0 ? 0 : (size_t)low;
        size_t last = high > (double)from ? from : (size_t)high;
        size_t taps = last - first;
        double sum = 0;
        for (size_t k = 0; k < taps; k++) {
            exact[k] = f(((double)(first + k) - centre + 0.5) * (1 / stretch));
            sum += exact[k];
        }
        for (size_t k = 0; k < taps; k++) {
            double scaled = (sum != 0 ? exact[k] / sum : exact[k]) * (1 << fraction);
            weight[k] = (int32_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
        }
        result->first[i] = (uint32_t)first;
        result->count[i] = (uint32_t)taps;
    }
    free(exact);
    return 1;
}

static inline uint8_t rounded(int32_t sum) {
    sum >>= fraction;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

static const int32_t half = 1 << (fraction - 1);

typedef uint8_t bytes4 __attribute__((vector_size(4)));
typedef int32_t lanes4 __attribute__((vector_size(16)));

// One row of RGB. `input` has one readable byte after its last pixel, because a pixel is read as four bytes.
FOR_EACH_PROCESSOR static void columns_rgb(const uint8_t *input, const axis *axis, size_t count, uint8_t *output) {
    for (size_t i = 0; i < count; i++) {
        const uint8_t *from = input + 3 * (size_t)axis->first[i];
        const int32_t *weight = axis->weight + i * axis->most;
        size_t taps = axis->count[i];
        lanes4 sum = {half, half, half, half}, other = {0, 0, 0, 0};
        size_t k = 0;
        for (; k + 2 <= taps; k += 2) {
            bytes4 a, b;
            memcpy(&a, from + 3 * k, sizeof a);
            memcpy(&b, from + 3 * k + 3, sizeof b);
            sum += __builtin_convertvector(a, lanes4) * weight[k];
            other += __builtin_convertvector(b, lanes4) * weight[k + 1];
        }
        if (k < taps) {
            bytes4 a;
            memcpy(&a, from + 3 * k, sizeof a);
            sum += __builtin_convertvector(a, lanes4) * weight[k];
        }
        sum += other;
        for (size_t c = 0; c < 3; c++) { output[3 * i + c] = rounded(sum[c]); }
    }
}

FOR_EACH_PROCESSOR static void columns_grey(const uint8_t *input, const axis *axis, size_t count, uint8_t *output) {
    for (size_t i = 0; i < count; i++) {
        const uint8_t *from = input + axis->first[i];
        const int32_t *weight = axis->weight + i * axis->most;
        int32_t sum = half;
        for (size_t k = 0; k < axis->count[i]; k++) { sum += from[k] * weight[k]; }
        output[i] = rounded(sum);
    }
}

// The weighted sum of whole rows, in pieces that stay in the registers and the nearest cache.
FOR_EACH_PROCESSOR static void rows(const uint8_t *input, size_t stride, const int32_t *weight, size_t taps, uint8_t *output) {
    enum { piece = 64 };
    size_t x = 0;
    for (; x + piece <= stride; x += piece) {
        int32_t sum[piece];
        for (size_t i = 0; i < piece; i++) { sum[i] = half; }
        for (size_t k = 0; k < taps; k++) {
            const uint8_t *from = input + k * stride + x;
            int32_t factor = weight[k];
            for (size_t i = 0; i < piece; i++) { sum[i] += from[i] * factor; }
        }
        for (size_t i = 0; i < piece; i++) { output[x + i] = rounded(sum[i]); }
    }
    for (; x < stride; x++) {
        int32_t sum = half;
        for (size_t k = 0; k < taps; k++) { sum += input[k * stride + x] * weight[k]; }
        output[x] = rounded(sum);
    }
}

int32_t mafin_image_resample(
    const uint8_t *pixels, size_t width, size_t height, size_t channels, int32_t filter, size_t to_width,
    size_t to_height, const mafin_image_window *window, uint8_t *output) {
    axis across, down;
    if (!make_axis(&across, filter, width, to_width, window->left, window->width)) { return 0; }
    if (!make_axis(&down, filter, height, to_height, window->top, window->height)) {
        release(&across);
        return 0;
    }
    // Only the rows that the second pass reads are made by the first.
    size_t first = down.first[0], last = first;
    for (size_t i = 0; i < window->height; i++) {
        size_t end = (size_t)down.first[i] + down.count[i];
        if (down.first[i] < first) { first = down.first[i]; }
        if (end > last) { last = end; }
    }
    size_t stride = window->width * channels, line = width * channels;
    // An axis that keeps its size is not filtered.
    int keeps_columns = width == to_width, keeps_rows = height == to_height;
    uint8_t *between = malloc((last - first) * stride), *padded = malloc(line + 1);
    if (between != NULL && padded != NULL) {
        padded[line] = 0;
        for (size_t y = first; y < last; y++) {
            uint8_t *target = between + (y - first) * stride;
            const uint8_t *source = pixels + y * line;
            if (keeps_columns) {
                memcpy(target, source + window->left * channels, stride);
            } else if (channels == 3) {
                memcpy(padded, source, line);
                columns_rgb(padded, &across, window->width, target);
            } else {
                columns_grey(source, &across, window->width, target);
            }
        }
        for (size_t i = 0; i < window->height; i++) {
            uint8_t *target = output + i * stride;
            if (keeps_rows) {
                memcpy(target, between + (window->top + i - first) * stride, stride);
            } else {
                rows(between + (down.first[i] - first) * stride, stride, down.weight + i * down.most, down.count[i], target);
            }
        }
    }
    int32_t done = between != NULL && padded != NULL;
    free(between);
    free(padded);
    release(&across);
    release(&down);
    return done;
}

void mafin_image_planes(const uint8_t *pixels, size_t count, const float *table, float *planes) {
    for (size_t c = 0; c < 3; c++) {
        const float *values = table + 256 * c;
        float *plane = planes + count * c;
        for (size_t i = 0; i < count; i++) { plane[i] = values[pixels[3 * i + c]]; }
    }
}

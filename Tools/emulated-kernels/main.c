// Compares the kernels of every instruction set with sums in double precision or in integers, around the edges of tiles.
// Built for this machine, for another one under an emulator, or with emulated instructions (run.sh).

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mafin_kernels.h"

#ifdef MAFIN_EMULATED
#include <immintrin.h>
_Thread_local emulated_tiles tiles;
#endif

static int failures;

static void expect(bool holds, const char *what, int m, int n, int k) {
    if (holds) return;
    failures++;
    printf("%s: %s is wrong for %d x %d x %d\n", mafin_instruction_set_name(mafin_instruction_set()), what, m, n, k);
}

static void *memory(size_t bytes) {
    void *block;
    if (posix_memalign(&block, 64, bytes + 64) != 0) abort();
    memset(block, 0, bytes + 64);
    return block;
}

static uint64_t state = 1;

static float uniform(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(state >> 40) / (1 << 23) - 1);
}

static float *numbers(int count) {
    float *const values = memory(sizeof(float) * (size_t)count);
    for (int i = 0; i < count; i++) values[i] = uniform() * (float)(1 + i % 3);
    return values;
}

static double rounded(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static double largest(int count, const float *x) {
    double result = 0;
    for (int i = 0; i < count; i++) result = fmax(result, fabs((double)x[i]));
    return result;
}

// y = gelu(x · wᵀ + bias) + residual, or without what is not in `ending`.
static void products(int m, int n, int k, int ending) {
    float *const x = numbers(m * k), *const w = numbers(n * k), *const bias = numbers(n), *const residual = numbers(m * n);
    float *const y = memory(sizeof(float) * (size_t)(m * n));
    mafin_epilogue epilogue = {0};
    if (ending & 1) epilogue.bias = bias;
    epilogue.gelu = ending & 2;
    if (ending & 4) {
        epilogue.residual = residual;
        epilogue.residual_stride = n;
    }
    for (int bytes = 0; bytes < 2; bytes++) {
        if (bytes) {
            void *const packed = memory(mafin_int8_packed_size(n, k));
            mafin_int8_pack(true, n, k, w, k, packed);
            mafin_int8_linear(m, n, k, 0, n, x, k, packed, &epilogue, y, n);
            free(packed);
        } else {
            uint16_t *const packed = memory(sizeof(uint16_t) * mafin_bfloat16_packed_size(n, k));
            mafin_bfloat16_pack(true, n, k, w, k, packed);
            mafin_bfloat16_linear(m, k, 0, n, x, k, packed, &epilogue, y, n);
            free(packed);
        }
        bool right = true;
        for (int i = 0; i < m; i++) {
            float lowest = 0, highest = 0;
            for (int p = 0; p < k; p++) {
                lowest = fminf(lowest, x[i * k + p]);
                highest = fmaxf(highest, x[i * k + p]);
            }
            const float range = highest - lowest, row_factor = 255 / range;
            const long most = 255 + lrintf(lowest * row_factor);
            for (int j = 0; j < n; j++) {
                const float column_limit = (float)largest(k, w + j * k), column_factor = 64 / column_limit;
                double sum = 0;
                for (int p = 0; p < k; p++) {
                    const float left = x[i * k + p], right_factor = w[j * k + p];
                    const long step = lrintf(left * row_factor);
                    sum += bytes ? (double)((step < most ? step : most) * lrintf(right_factor * column_factor))
                                 : rounded(left) * rounded(right_factor);
                }
                if (bytes) sum *= (double)range / 255 * (double)column_limit / 64;
                if (ending & 1) sum += bias[j];
                if (ending & 2) sum *= 0.5 * erfc(-sum / sqrt(2));
                if (ending & 4) sum += residual[i * n + j];
                right &= fabs(sum - (double)y[i * n + j]) < 1e-5 * (1 + k);
            }
        }
        expect(right, bytes ? "a product of bytes" : "a product of bfloat16", m, n, k);
    }
    free(x);
    free(w);
    free(bias);
    free(residual);
    free(y);
}

// Bounds of rows in bytes for queries in bytes: at least the scores, and above them by twice what the queries' integers leave out.
static void bounds(int rows, int queries, int width) {
    const int stride = (queries + 15) / 16 * 16;
    int8_t *const codes = memory((size_t)(rows * width));
    float *const scales = numbers(rows), *const from = numbers(queries * width), *const found = memory(sizeof(float) * (size_t)(rows * stride));
    float *const zeros = memory(sizeof(float) * (size_t)(rows + stride)), *const errors = memory(sizeof(float) * (size_t)stride);
    void *const packed = memory(mafin_int8_packed_size(queries, width));
    for (int i = 0; i < rows * width; i++) codes[i] = (int8_t)lrintf(127 * uniform());
    for (int i = 0; i < rows; i++) scales[i] = fabsf(scales[i]);
    mafin_quantize_queries(queries, width, from, width, packed, errors);
    mafin_byte_bounds(rows, width, codes, scales, zeros, queries, packed, zeros, errors, false, found, stride);
    bool right = true;
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < queries; j++) {
            double sum = 0, squares = 0;
            for (int p = 0; p < width; p++) {
                sum += (double)codes[i * width + p] * (double)from[j * width + p];
                squares += (double)codes[i * width + p] * (double)codes[i * width + p];
            }
            const double gap = (double)found[i * stride + j] - (double)scales[i] * sum;
            const double room = 2.001 * (double)scales[i] * sqrt(squares) * (double)errors[j], rounding = 1e-5 * (double)scales[i] * sqrt(squares);
            right &= gap >= -rounding && gap <= room + rounding;
        }
    }
    expect(right, "a bound from bytes", rows, queries, width);
    free(codes);
    free(scales);
    free(from);
    free(found);
    free(zeros);
    free(errors);
    free(packed);
}

int main(void) {
    static const int heights[] = {1, 5, 6, 12, 13, 17, 31, 33, 97}, widths[] = {1, 15, 16, 17, 33, 64};
    static const int depths[] = {1, 2, 31, 32, 33, 64, 65, 130};
    for (int set = 0; set < mafin_instruction_sets(); set++) {
        mafin_use_instruction_set(set);
        printf("%s: %s, %s\n", mafin_instruction_set_name(set), mafin_bfloat16_kernel_name(), mafin_int8_kernel_name());
        for (int i = 0; i < 9; i++)
            for (int j = 0; j < 6; j++)
                for (int p = 0; p < 8; p++) {
                    products(heights[i], widths[j], depths[p], (i + j + p) % 8);
                    bounds(heights[i], widths[j], depths[p]);
                }
    }
    const char *const warning = mafin_next_kernel_warning();
    if (warning) printf("%s\n", warning);
    printf("%d failures\n", failures);
    return failures > 0 || warning;
}

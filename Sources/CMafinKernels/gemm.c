// Single-precision matrix products on one thread.
//
// Why not a BLAS: Debian's and Ubuntu's OpenBLAS choose their kernels from a list of known CPUs and run newer ones at
// half their speed (AVX2 kernels on AVX-512 machines); the encoder's shapes are few; and weights packed once a step are
// shared by every product that reads them, which the BLAS interface cannot say. On macOS, Accelerate (AMX) does the work.
//
// The scheme is that of BLIS (Van Zee and van de Geijn, 2015), less the packing of A: a block of B (KC × NC) is packed
// and stays in the second-level cache; strips of MR rows of A, read where they stand, stay in the first.

#include "mafin_kernels.h"

#ifdef __APPLE__

#include <Accelerate/Accelerate.h>

const char *mafin_instruction_set(void) { return "Accelerate"; }

void mafin_sgemm(bool transpose_a, bool transpose_b, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, float alpha, const float *a,
                 ptrdiff_t lda, const float *b, ptrdiff_t ldb, float beta, float *c, ptrdiff_t ldc) {
    if (m == 0 || n == 0) return;
    cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, (int)m,
                (int)n, (int)k, alpha, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
}

size_t mafin_packed_size(ptrdiff_t n, ptrdiff_t k) { return (size_t)(n * k); }

ptrdiff_t mafin_packed_columns(ptrdiff_t n) { return n; }

void mafin_pack(bool transpose_b, ptrdiff_t n, ptrdiff_t k, const float *b, ptrdiff_t ldb, float *packed) {
    for (ptrdiff_t p = 0; p < k; p++)
        for (ptrdiff_t j = 0; j < n; j++) packed[p * n + j] = transpose_b ? b[j * ldb + p] : b[p * ldb + j];
}

void mafin_sgemm_packed(bool transpose_a, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, float alpha, const float *a,
                        ptrdiff_t lda, const float *packed, float beta, float *c, ptrdiff_t ldc) {
    mafin_sgemm(transpose_a, false, m, n, k, alpha, a, lda, packed, n, beta, c, ldc);
}

void mafin_sgemm_packed_columns(bool transpose_a, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, ptrdiff_t first,
                                ptrdiff_t count, float alpha, const float *a, ptrdiff_t lda, const float *packed,
                                float beta, float *c, ptrdiff_t ldc) {
    mafin_sgemm(transpose_a, false, m, count, k, alpha, a, lda, packed + first, n, beta, c, ldc);
}

#else

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// A block of B: 384 × 128 floats are 192 KiB, which leave room for A and C in a common second-level cache; both are divisors
// of the encoders' widths.
enum { KC = 384, NC = 128 };

typedef void strip_function(int rows, ptrdiff_t k, float alpha, const float *a, ptrdiff_t row_stride,
                            ptrdiff_t column_stride, const float *b, ptrdiff_t b_stride, float beta, float *c,
                            ptrdiff_t ldc, ptrdiff_t n);
typedef void pack_function(bool transpose, ptrdiff_t n, ptrdiff_t k, const float *b, ptrdiff_t ldb, float *out);

typedef struct {
    const char *name;
    int rows, columns;  // of the full tile
    strip_function *strip;
    pack_function *pack;
} kernel;

#define SUFFIX portable
#define TARGET
#define LANES 4
#ifdef __aarch64__
#define VECTORS 2
#define MR 8
#else
#define VECTORS 2
#define MR 4
#endif
#include "gemm_micro.inc"

#ifdef __x86_64__
#define SUFFIX avx2
#define TARGET __attribute__((target("avx2,fma")))
#define LANES 8
#define VECTORS 2
#define MR 6
#include "gemm_micro.inc"

#define SUFFIX avx512
#define TARGET __attribute__((target("avx512f,avx512vl,avx512dq,fma")))
#define LANES 16
#define VECTORS 2
#define MR 12
#include "gemm_micro.inc"
#endif

static const kernel *kernel_in_use(void) {
#ifdef __x86_64__
    static const kernel wide = {"AVX-512", 12, 32, strip_avx512, pack_avx512};
    static const kernel narrow = {"AVX2", 6, 16, strip_avx2, pack_avx2};
    static const kernel portable = {"SSE2", 4, 8, strip_portable, pack_portable};
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        return &wide;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &narrow;
    return &portable;
#elif defined(__aarch64__)
    static const kernel portable = {"NEON", 8, 8, strip_portable, pack_portable};
    return &portable;
#else
    static const kernel portable = {"portable", 4, 8, strip_portable, pack_portable};
    return &portable;
#endif
}

const char *mafin_instruction_set(void) { return kernel_in_use()->name; }

static ptrdiff_t rounded_up(ptrdiff_t value, ptrdiff_t multiple) { return (value + multiple - 1) / multiple * multiple; }

static ptrdiff_t smaller(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

ptrdiff_t mafin_packed_columns(ptrdiff_t n) { return rounded_up(n, kernel_in_use()->columns); }

size_t mafin_packed_size(ptrdiff_t n, ptrdiff_t k) { return (size_t)(mafin_packed_columns(n) * k); }

// The layout: blocks of KC rows of op(B), one after the other; in each, slivers of `columns` columns.
void mafin_pack(bool transpose_b, ptrdiff_t n, ptrdiff_t k, const float *b, ptrdiff_t ldb, float *packed) {
    const kernel *const use = kernel_in_use();
    for (ptrdiff_t p = 0; p < k; p += KC) {
        const ptrdiff_t depth = smaller(KC, k - p);
        use->pack(transpose_b, n, depth, b + (transpose_b ? p : p * ldb), ldb, packed);
        packed += rounded_up(n, use->columns) * depth;
    }
}

// The product with one packed block of B, (depth, n), its slivers `stride` floats apart.
static void multiply_block(const kernel *use, bool transpose_a, ptrdiff_t m, ptrdiff_t n, ptrdiff_t depth, float alpha,
                           const float *a, ptrdiff_t lda, const float *packed, ptrdiff_t stride, float beta, float *c,
                           ptrdiff_t ldc) {
    for (ptrdiff_t i = 0; i < m; i += use->rows) {
        const int rows = (int)smaller(use->rows, m - i);
        if (transpose_a)
            use->strip(rows, depth, alpha, a + i, 1, lda, packed, stride, beta, c + i * ldc, ldc, n);
        else
            use->strip(rows, depth, alpha, a + i * lda, lda, 1, packed, stride, beta, c + i * ldc, ldc, n);
    }
}

// k = 0: nothing to add, only beta to apply.
static void scale(ptrdiff_t m, ptrdiff_t n, float beta, float *c, ptrdiff_t ldc) {
    for (ptrdiff_t i = 0; i < m; i++)
        for (ptrdiff_t j = 0; j < n; j++) c[i * ldc + j] = beta == 0 ? 0 : beta * c[i * ldc + j];
}

void mafin_sgemm_packed(bool transpose_a, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, float alpha, const float *a,
                        ptrdiff_t lda, const float *packed, float beta, float *c, ptrdiff_t ldc) {
    mafin_sgemm_packed_columns(transpose_a, m, n, k, 0, n, alpha, a, lda, packed, beta, c, ldc);
}

void mafin_sgemm_packed_columns(bool transpose_a, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, ptrdiff_t first,
                                ptrdiff_t count, float alpha, const float *a, ptrdiff_t lda, const float *packed,
                                float beta, float *c, ptrdiff_t ldc) {
    const kernel *const use = kernel_in_use();
    if (k == 0) scale(m, count, beta, c, ldc);
    for (ptrdiff_t p = 0; p < k; p += KC) {
        const ptrdiff_t depth = smaller(KC, k - p);
        const float *const from = a + (transpose_a ? p * lda : p);
        for (ptrdiff_t j = 0; j < count; j += NC) {
            multiply_block(use, transpose_a, m, smaller(NC, count - j), depth, alpha, from, lda,
                           packed + (first + j) * depth, use->columns * depth, p == 0 ? beta : 1, c + j, ldc);
        }
        packed += rounded_up(n, use->columns) * depth;
    }
}

static pthread_key_t block_key;

static void make_block_key(void) {
    if (pthread_key_create(&block_key, free) != 0) abort();
}

// Room for a packed block of B that every product of the thread uses; freed when the thread ends.
static float *thread_block(void) {
    static _Thread_local float *block;
    if (block) return block;
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_block_key);
    void *memory;
    if (posix_memalign(&memory, 64, KC * NC * sizeof(float)) != 0) abort();
    if (pthread_setspecific(block_key, memory) != 0) abort();
    return block = memory;
}

void mafin_sgemm(bool transpose_a, bool transpose_b, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, float alpha, const float *a,
                 ptrdiff_t lda, const float *b, ptrdiff_t ldb, float beta, float *c, ptrdiff_t ldc) {
    float *const block = thread_block();
    const kernel *const use = kernel_in_use();
    if (k == 0) scale(m, n, beta, c, ldc);
    for (ptrdiff_t p = 0; p < k; p += KC) {
        const ptrdiff_t depth = smaller(KC, k - p);
        for (ptrdiff_t j = 0; j < n; j += NC) {
            const ptrdiff_t width = smaller(NC, n - j);
            use->pack(transpose_b, width, depth, b + (transpose_b ? j * ldb + p : p * ldb + j), ldb, block);
            multiply_block(use, transpose_a, m, width, depth, alpha, a + (transpose_a ? p * lda : p), lda, block,
                           use->columns * depth, p == 0 ? beta : 1, c + j, ldc);
        }
    }
}

#endif

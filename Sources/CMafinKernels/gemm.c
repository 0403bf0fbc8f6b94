// Single-precision matrix products on one thread.
//
// Why no BLAS is used: OpenBLAS in Debian and Ubuntu chooses its kernels from a list of known CPUs, and runs newer CPUs
// at half their speed (AVX2 kernels on AVX-512 machines). The encoder has only few shapes. Weights are packed once per
// step for all products that read them, which the BLAS interface does not allow. On macOS, Accelerate (AMX) computes
// the products.
//
// The scheme is that of BLIS (Van Zee and van de Geijn, 2015). A packed sliver of B (KC × NR) stays in the first-level
// cache, while the strips of a packed block of A (MC × KC) stream from the second-level cache. If B has too few slivers
// to make the packing worthwhile, and always on AVX-512, A is read in place. A strip of MR rows of A then stays in the
// first-level cache, and the slivers stream.

#include "cpu.h"

#ifdef __APPLE__

#include <Accelerate/Accelerate.h>

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

void mafin_sgemm_packed_columns(bool transpose_a, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, ptrdiff_t first,
                                ptrdiff_t count, float alpha, const float *a, ptrdiff_t lda, const float *packed,
                                float beta, float *c, ptrdiff_t ldc) {
    mafin_sgemm(transpose_a, false, m, count, k, alpha, a, lda, packed + first, n, beta, c, ldc);
}

#else

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// A packed block of A, MC × KC, takes 144 KiB and fits into any second-level cache. So does the block of B, KC ×
// NC_IN_PLACE, that is used while A is read in place. MC is a multiple of every tile's rows. KC and NC_IN_PLACE divide
// the encoders' widths. NC is the number of columns of B that are packed at a time if the caller has not packed B.
enum { KC = 384, MC = 96, NC = 512, NC_IN_PLACE = 128 };

// Number of vectors in a row of a tile.
enum { VECTORS = 2 };

typedef void block_function(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, float alpha, const float *a, ptrdiff_t row_stride,
                            ptrdiff_t column_stride, ptrdiff_t strip_stride, const float *b, ptrdiff_t b_stride,
                            float beta, float *c, ptrdiff_t ldc);
typedef void pack_function(bool transpose, ptrdiff_t count, ptrdiff_t k, const float *from, ptrdiff_t stride, float *out);

typedef struct {
    int rows, columns;   // of the full tile
    ptrdiff_t in_place;  // columns of B up to which A is not packed
    block_function *block;
    pack_function *pack_rows, *pack_columns;
} kernel;

#define SUFFIX portable
#define TARGET
#define LANES 4
#ifdef __aarch64__
#define MR 8
#else
#define MR 4
#endif
#include "gemm_micro.inc"

#ifdef __x86_64__
#define SUFFIX avx2
#define TARGET TARGET_AVX2
#define LANES 8
#define MR 6
#include "gemm_micro.inc"

#define SUFFIX avx512
#define TARGET TARGET_AVX512
#define LANES 16
#define MR 12
#include "gemm_micro.inc"
#endif

#define TILED(rows, columns, in_place, suffix) \
    {rows, columns, in_place, block_##suffix, pack_rows_##suffix, pack_columns_##suffix}

static const kernel *kernel_in_use(void) {
    static const kernel by_instruction_set[] = {
#if defined(__x86_64__)
        TILED(4, 8, 64, portable),
        // On AVX2, packing makes products whose A is transposed (gradients of weights) a third faster.
        TILED(6, 16, 128, avx2),
        // On AVX-512, where 12 rows fill most of a cache line, they reach 0.88 to 0.94 of the speed of the fastest
        // product in place. Packing was not measured there.
        TILED(12, 32, PTRDIFF_MAX, avx512),
#elif defined(__aarch64__)
        TILED(8, 8, 64, portable),
#else
        TILED(4, 8, 64, portable),
#endif
    };
    return &by_instruction_set[instruction_set()];
}

ptrdiff_t mafin_packed_columns(ptrdiff_t n) { return rounded_up(n, kernel_in_use()->columns); }

size_t mafin_packed_size(ptrdiff_t n, ptrdiff_t k) { return (size_t)(mafin_packed_columns(n) * k); }

// The layout is blocks of KC rows of op(B), one after the other. Each block consists of slivers of `columns` columns.
void mafin_pack(bool transpose_b, ptrdiff_t n, ptrdiff_t k, const float *b, ptrdiff_t ldb, float *packed) {
    const kernel *const use = kernel_in_use();
    for (ptrdiff_t p = 0; p < k; p += KC) {
        const ptrdiff_t depth = smaller(KC, k - p);
        use->pack_columns(transpose_b, n, depth, b + (transpose_b ? p : p * ldb), ldb, packed);
        packed += rounded_up(n, use->columns) * depth;
    }
}

// The buffers into which a thread's products pack blocks of A and B. They are freed when the thread ends.
typedef struct {
    float a[MC * KC + 64];  // Packing writes whole vectors, up to one beyond the end.
    float b[KC * NC];
} packing_buffers;

static pthread_key_t buffers_key;

static void make_buffers_key(void) {
    if (pthread_key_create(&buffers_key, free) != 0) abort();
}

static packing_buffers *thread_buffers(void) {
    static _Thread_local packing_buffers *buffers;
    if (buffers) return buffers;
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_buffers_key);
    void *memory;
    if (posix_memalign(&memory, 64, sizeof(packing_buffers)) != 0) abort();
    if (pthread_setspecific(buffers_key, memory) != 0) abort();
    return buffers = memory;
}

// The product with one packed block of B, (depth, n).
static void multiply_block(const kernel *use, packing_buffers *buffers, bool transpose_a, ptrdiff_t m, ptrdiff_t n,
                           ptrdiff_t depth, float alpha, const float *a, ptrdiff_t lda, const float *packed, float beta,
                           float *c, ptrdiff_t ldc) {
    const ptrdiff_t b_stride = use->columns * depth;
    if (n > use->in_place) {
        for (ptrdiff_t i = 0; i < m; i += MC) {
            const ptrdiff_t rows = smaller(MC, m - i);
            use->pack_rows(transpose_a, rows, depth, a + i * (transpose_a ? 1 : lda), lda, buffers->a);
            use->block(rows, n, depth, alpha, buffers->a, 1, use->rows, use->rows * depth, packed, b_stride, beta,
                       c + i * ldc, ldc);
        }
        return;
    }
    for (ptrdiff_t j = 0; j < n; j += NC_IN_PLACE) {
        const ptrdiff_t width = smaller(NC_IN_PLACE, n - j);
        for (ptrdiff_t i = 0; i < m; i += use->rows) {
            const ptrdiff_t rows = smaller(use->rows, m - i);
            const ptrdiff_t row_stride = transpose_a ? 1 : lda, column_stride = transpose_a ? lda : 1;
            use->block(rows, width, depth, alpha, a + i * row_stride, row_stride, column_stride, 0, packed + j * depth,
                       b_stride, beta, c + i * ldc + j, ldc);
        }
    }
}

// For k = 0 there is nothing to add, and only beta is applied.
static void scale(ptrdiff_t m, ptrdiff_t n, float beta, float *c, ptrdiff_t ldc) {
    for (ptrdiff_t i = 0; i < m; i++)
        for (ptrdiff_t j = 0; j < n; j++) c[i * ldc + j] = beta == 0 ? 0 : beta * c[i * ldc + j];
}

void mafin_sgemm_packed_columns(bool transpose_a, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, ptrdiff_t first,
                                ptrdiff_t count, float alpha, const float *a, ptrdiff_t lda, const float *packed,
                                float beta, float *c, ptrdiff_t ldc) {
    const kernel *const use = kernel_in_use();
    packing_buffers *const buffers = thread_buffers();
    if (k == 0) scale(m, count, beta, c, ldc);
    for (ptrdiff_t p = 0; p < k; p += KC) {
        const ptrdiff_t depth = smaller(KC, k - p);
        multiply_block(use, buffers, transpose_a, m, count, depth, alpha, a + (transpose_a ? p * lda : p), lda,
                       packed + first * depth, p == 0 ? beta : 1, c, ldc);
        packed += rounded_up(n, use->columns) * depth;
    }
}

void mafin_sgemm(bool transpose_a, bool transpose_b, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, float alpha, const float *a,
                 ptrdiff_t lda, const float *b, ptrdiff_t ldb, float beta, float *c, ptrdiff_t ldc) {
    const kernel *const use = kernel_in_use();
    packing_buffers *const buffers = thread_buffers();
    const ptrdiff_t step = n > use->in_place ? NC : NC_IN_PLACE;
    if (k == 0) scale(m, n, beta, c, ldc);
    for (ptrdiff_t p = 0; p < k; p += KC) {
        const ptrdiff_t depth = smaller(KC, k - p);
        for (ptrdiff_t j = 0; j < n; j += step) {
            const ptrdiff_t width = smaller(step, n - j);
            use->pack_columns(transpose_b, width, depth, b + (transpose_b ? j * ldb + p : p * ldb + j), ldb, buffers->b);
            multiply_block(use, buffers, transpose_a, m, width, depth, alpha, a + (transpose_a ? p * lda : p), lda,
                           buffers->b, p == 0 ? beta : 1, c + j, ldc);
        }
    }
}

#endif

void mafin_sgemm_packed(bool transpose_a, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, float alpha, const float *a,
                        ptrdiff_t lda, const float *packed, float beta, float *c, ptrdiff_t ldc) {
    mafin_sgemm_packed_columns(transpose_a, m, n, k, 0, n, alpha, a, lda, packed, beta, c, ldc);
}

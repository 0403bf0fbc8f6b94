// Inner products of rows and queries in bytes, as exact integers, for first passes of exact search.
//
// Rows and queries are contiguous along the width, as in inner_products.c. Only the processor's instruction for bytes
// differs between the kernels, so all give the same integers.

#include <string.h>

#include "gemm_tiles.h"

#ifdef __x86_64__
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// Queries that share each load of a row.
enum { QUERIES = 4 };

typedef void row_function(ptrdiff_t width, const int8_t *row, int queries, const int8_t *const *query, int32_t *sums);

// The rest of a row that fills no vector.
static int32_t rest(ptrdiff_t from, ptrdiff_t width, const int8_t *row, const int8_t *query) {
    int32_t sum = 0;
    for (ptrdiff_t i = from; i < width; i++) sum += (int32_t)row[i] * query[i];
    return sum;
}

static void row_portable(ptrdiff_t width, const int8_t *row, int queries, const int8_t *const *query, int32_t *sums) {
    for (int q = 0; q < queries; q++) sums[q] = rest(0, width, row, query[q]);
}

#define UNROLLED _Pragma("clang loop unroll(full)")

// One instruction set's function: a row against up to four queries, whose number is a constant where SOME is inlined.
#define ROW_FUNCTION(suffix, target, vector, lanes, zero, load, start, add)                                        \
    target INLINE void some_##suffix(const int queries, ptrdiff_t width, const int8_t *row,                         \
                                     const int8_t *const *query, int32_t *sums) {                                  \
        vector sum[QUERIES];                                                                                       \
        UNROLLED for (int q = 0; q < queries; q++) sum[q] = zero;                                                  \
        ptrdiff_t i = 0;                                                                                           \
        for (; i + lanes <= width; i += lanes) {                                                                   \
            const vector left = load(row + i);                                                                     \
            const vector prepared = start(left);                                                                   \
            (void)prepared;                                                                                        \
            UNROLLED for (int q = 0; q < queries; q++) sum[q] = add(sum[q], prepared, left, load(query[q] + i));   \
        }                                                                                                          \
        UNROLLED for (int q = 0; q < queries; q++) {                                                               \
            int32_t parts[lanes / 4], total = rest(i, width, row, query[q]);                                       \
            memcpy(parts, &sum[q], sizeof parts);                                                                  \
            for (int l = 0; l < lanes / 4; l++) total += parts[l];                                                 \
            sums[q] = total;                                                                                       \
        }                                                                                                          \
    }                                                                                                              \
    target static void row_##suffix(ptrdiff_t width, const int8_t *row, int queries, const int8_t *const *query,   \
                                    int32_t *sums) {                                                               \
        if (queries == QUERIES) return some_##suffix(QUERIES, width, row, query, sums);                            \
        for (int q = 0; q < queries; q++) some_##suffix(1, width, row, query + q, sums + q);                       \
    }

#ifdef __x86_64__

#define LOAD256(from) _mm256_loadu_si256((const __m256i *)(from))

// |row| · (query with the sign of row): 127 · 127 · 2 fits into 16 bits.
#define ABSOLUTE(row) _mm256_abs_epi8(row)
#define ADD_AVX2(sum, size, row, query)                                                               \
    _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(size, _mm256_sign_epi8(query, row)), \
                                            _mm256_set1_epi16(1)))
ROW_FUNCTION(avx2, TARGET_AVX2, __m256i, 32, _mm256_setzero_si256(), LOAD256, ABSOLUTE, ADD_AVX2)

#define TARGET_AVX_VNNI TARGET_WITH("avx2,avxvnni")
#define ADD_AVX_VNNI(sum, size, row, query) _mm256_dpbusd_avx_epi32(sum, size, _mm256_sign_epi8(query, row))
ROW_FUNCTION(avx_vnni, TARGET_AVX_VNNI, __m256i, 32, _mm256_setzero_si256(), LOAD256, ABSOLUTE, ADD_AVX_VNNI)

// Without an instruction for signs: the query is negated where the row is negative.
#define TARGET_AVX512_VNNI TARGET_WITH("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")
#define LOAD512(from) _mm512_loadu_si512(from)
#define ABSOLUTE512(row) _mm512_abs_epi8(row)
#define ADD_AVX512_VNNI(sum, size, row, query) \
    _mm512_dpbusd_epi32(sum, size, _mm512_mask_sub_epi8(query, _mm512_movepi8_mask(row), _mm512_setzero_si512(), query))
ROW_FUNCTION(avx512_vnni, TARGET_AVX512_VNNI, __m512i, 64, _mm512_setzero_si512(), LOAD512, ABSOLUTE512, ADD_AVX512_VNNI)

#elif defined(__aarch64__)

#define TARGET_DOT_PRODUCT __attribute__((target("dotprod")))
#define LOAD128(from) vreinterpretq_s32_s8(vld1q_s8(from))
#define SAME(row) (row)
#define ADD_DOT_PRODUCT(sum, same, row, query) vdotq_s32(sum, vreinterpretq_s8_s32(row), vreinterpretq_s8_s32(query))
ROW_FUNCTION(neon, TARGET_DOT_PRODUCT, int32x4_t, 16, vdupq_n_s32(0), LOAD128, SAME, ADD_DOT_PRODUCT)

#endif

static row_function *function_in_use(void) {
    const unsigned has = features();
#ifdef __x86_64__
    if (has & HAS_AVX512_VNNI) return row_avx512_vnni;
    if (has & HAS_AVX_VNNI) return row_avx_vnni;
    if (has & HAS_AVX2) return row_avx2;
#elif defined(__aarch64__)
    if (has & HAS_DOT_PRODUCT) return row_neon;
#endif
    (void)has;
    return row_portable;
}

// Rows that stay in the first-level cache for all queries.
enum { ROWS = 16 };

void mafin_byte_products(ptrdiff_t rows, ptrdiff_t width, const int8_t *codes, ptrdiff_t row_stride, ptrdiff_t queries,
                         const int8_t *query_codes, ptrdiff_t query_stride, int32_t *products, ptrdiff_t product_stride) {
    row_function *const compute = function_in_use();
    for (ptrdiff_t first = 0; first < rows; first += ROWS) {
        const ptrdiff_t end = rows - first < ROWS ? rows : first + ROWS;
        for (ptrdiff_t q = 0; q < queries; q += QUERIES) {
            const int some = queries - q < QUERIES ? (int)(queries - q) : QUERIES;
            const int8_t *query[QUERIES];
            for (int j = 0; j < some; j++) query[j] = query_codes + (q + j) * query_stride;
            for (ptrdiff_t r = first; r < end; r++) {
                int32_t sums[QUERIES];
                compute(width, codes + r * row_stride, some, query, sums);
                for (int j = 0; j < some; j++) products[(q + j) * product_stride + r] = sums[j];
            }
        }
    }
}

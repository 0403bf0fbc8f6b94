// Inner products of many stored rows with any number of queries, for exact search.
//
// Why the products of gemm.c are not used: here both rows and queries are contiguous along the width. Tiles of plain
// dot products need no packing, waste nothing if the number of queries is not a multiple of 32, read float16 rows
// directly, and sum every pair in the same order in every tile. A ranking therefore depends neither on the batch nor on
// the threads. Accelerate guarantees no order and is not used here. The cost is a sum over lanes after every DEPTH
// products.

#include <string.h>

#include "cpu.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

// Number of elements of the width per pass. Those of 128 queries stay in the second-level cache, those of a tile's rows
// in the first-level cache. It is a multiple of every LANES and a divisor of the encoders' widths.
enum { DEPTH = 384 };

// For one query: the number of bytes that are prefetched ahead, and the number of sums of DEPTH products that are kept
// before their lanes are added.
enum { LINE_AHEAD = 8192, LINE_PIECES = 8 };

static inline ptrdiff_t size_of(mafin_element element) {
    return element == MAFIN_FLOAT32 ? 4 : element == MAFIN_FLOAT16 ? 2 : 1;
}

// The part of the width that a pass works on: the full vectors from `start` to `end`, and then the rest of the row if
// `tail`.
typedef struct {
    ptrdiff_t start, end, width;
    bool tail;
    ptrdiff_t row_bytes, start_bytes, bytes;  // of a row, before this part, of this part
    ptrdiff_t query_stride, score_stride;
} piece;

// The cache lines of a tile that are still to be prefetched.
typedef struct {
    uintptr_t row;
    ptrdiff_t at, row_bytes, bytes, lines;
} cursor;

// The rows from `row` on in this piece, or after the last row the first rows of the next pass.
static inline cursor cursor_behind(const piece *piece, ptrdiff_t rows, ptrdiff_t row, ptrdiff_t count,
                                   const char *vectors) {
    uintptr_t from = (uintptr_t)vectors + (uintptr_t)piece->start_bytes;
    if (row < rows)
        from += (uintptr_t)(row * piece->row_bytes);
    else if (piece->end < piece->width)
        from += (uintptr_t)piece->bytes;
    else
        from += (uintptr_t)(rows * piece->row_bytes - piece->start_bytes);
    return (cursor){from, 0, piece->row_bytes, piece->bytes, count * ((piece->bytes + 63) / 64)};
}

static inline __attribute__((always_inline)) void fetch(cursor *ahead, ptrdiff_t lines) {
    for (; lines > 0 && ahead->lines > 0; lines--, ahead->lines--) {
        __builtin_prefetch((const char *)(ahead->row + (uintptr_t)ahead->at), 0, 2);
        ahead->at += 64;
        if (ahead->at >= ahead->bytes) {
            ahead->at = 0;
            ahead->row += (uintptr_t)ahead->row_bytes;
        }
    }
}

typedef void block_function(const piece *piece, ptrdiff_t rows, const char *vectors, ptrdiff_t queries,
                            const float *prepared, float *scores);
typedef void line_function(ptrdiff_t rows, ptrdiff_t width, const char *vectors, ptrdiff_t row_bytes,
                           const float *query, float *scores);
typedef ptrdiff_t above_function(ptrdiff_t queries, ptrdiff_t rows, const float *scores, ptrdiff_t stride,
                                 const float *thresholds, mafin_hit *hits);

typedef struct {
    ptrdiff_t lanes, queries;
    block_function *block[3];  // by element
    line_function *line[3];
    above_function *above;
} kernel;

typedef float four_floats __attribute__((vector_size(16), aligned(4)));

#ifdef __aarch64__
typedef __fp16 four_halves __attribute__((vector_size(8), aligned(2)));

static inline __attribute__((always_inline)) four_floats portable_halves(const uint16_t *from) {
    return __builtin_convertvector(*(const four_halves *)from, four_floats);
}
#else
typedef uint16_t four_shorts __attribute__((vector_size(8), aligned(2)));
typedef uint32_t four_words __attribute__((vector_size(16), aligned(4)));

// A finite float16's exponent and mantissa, moved to where a float has them, are the number times 2^-112.
static inline __attribute__((always_inline)) four_floats portable_halves(const uint16_t *from) {
    const four_words bits = __builtin_convertvector(*(const four_shorts *)from, four_words);
    const four_floats magnitude = (four_floats)((bits & 0x7FFF) << 13) * 0x1p112f;
    return (four_floats)((four_words)magnitude | (bits & 0x8000) << 16);
}
#endif

#define SUFFIX portable
#define TARGET
#define LANES 4
#define LOAD_HALVES(from) portable_halves(from)
#define QUERIES 4
#ifdef __aarch64__
#define ROWS 6
#else
#define ROWS 2
#endif
#include "inner_products_micro.inc"

#ifdef __x86_64__
#define SUFFIX avx2
#define TARGET TARGET_AVX2
#define LANES 8
#define ROWS 6
#define QUERIES 2
#define LOAD_HALVES(from) (vector_avx2) _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(from)))
#include "inner_products_micro.inc"

#define SUFFIX avx512
#define TARGET TARGET_AVX512
#define LANES 16
#define ROWS 6
#define QUERIES 4
#define LOAD_HALVES(from) (vector_avx512) _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(from)))
#include "inner_products_micro.inc"
#endif

#define TILED(lanes, queries, suffix) \
    {lanes, queries, {block_single_##suffix, block_half_##suffix, block_byte_##suffix}, \
     {line_single_##suffix, line_half_##suffix, line_byte_##suffix}, above_##suffix}

static const kernel *kernel_in_use(void) {
    static const kernel by_instruction_set[] = {
        TILED(4, 4, portable),
#ifdef __x86_64__
        TILED(8, 2, avx2),
        TILED(16, 4, avx512),
#endif
    };
    return &by_instruction_set[instruction_set()];
}

size_t mafin_prepared_size(ptrdiff_t queries, ptrdiff_t width) {
    const kernel *const use = kernel_in_use();
    return (size_t)(rounded_up(queries, use->queries) * rounded_up(width, use->lanes));
}

ptrdiff_t mafin_prepared_stride(ptrdiff_t width) { return rounded_up(width, kernel_in_use()->lanes); }

// Queries follow each other, each in whole vectors. If the width is not a multiple of a vector, the elements of the
// last vector are at its end, because rows are not read beyond their end.
void mafin_prepare_queries(ptrdiff_t queries, ptrdiff_t width, const float *from, ptrdiff_t stride, float *prepared) {
    const kernel *const use = kernel_in_use();
    const ptrdiff_t full = width / use->lanes * use->lanes, tail = width - full;
    memset(prepared, 0, sizeof(float) * mafin_prepared_size(queries, width));
    for (ptrdiff_t q = 0; q < queries; q++, from += stride, prepared += rounded_up(width, use->lanes)) {
        memcpy(prepared, from, sizeof(float) * (size_t)full);
        const ptrdiff_t shift = full > 0 ? use->lanes - tail : 0;
        memcpy(prepared + full + (tail > 0 ? shift : 0), from + full, sizeof(float) * (size_t)tail);
    }
}

void mafin_inner_products(ptrdiff_t rows, ptrdiff_t width, const void *vectors, mafin_element element,
                          ptrdiff_t row_stride, ptrdiff_t queries, const float *prepared, float *scores,
                          ptrdiff_t score_stride) {
    const kernel *const use = kernel_in_use();
    const ptrdiff_t size = size_of(element), full = width / use->lanes * use->lanes;
    if (queries == 1) {
        use->line[element](rows, width, vectors, row_stride * size, prepared, scores);
        return;
    }
    piece piece = {.width = width,
                   .row_bytes = row_stride * size,
                   .query_stride = rounded_up(width, use->lanes),
                   .score_stride = score_stride};
    do {
        piece.end = full - piece.start < DEPTH ? full : piece.start + DEPTH;
        piece.start_bytes = piece.start * size;
        piece.bytes = (piece.end - piece.start) * size;
        piece.tail = piece.end == full && full < width;
        use->block[element](&piece, rows, vectors, queries, prepared, scores);
        piece.start = piece.end;
    } while (piece.start < full);
}

ptrdiff_t mafin_scores_above(ptrdiff_t queries, ptrdiff_t rows, const float *scores, ptrdiff_t stride,
                             const float *thresholds, mafin_hit *hits) {
    return kernel_in_use()->above(queries, rows, scores, stride, thresholds, hits);
}

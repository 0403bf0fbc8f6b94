#ifndef MAFIN_KERNELS_H
#define MAFIN_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Every matrix is row-major. Every function works on the calling thread alone; callers split the work.

// MARK: Matrix products (gemm.c)

/// Name of the instruction set that the products and the elementwise kernels run on here.
const char *mafin_instruction_set(void);

/// C = alpha · op(A) · op(B) + beta · C.
/// op(A) is (m, k), stored (k, m) if transpose_a; op(B) is (k, n), stored (n, k) if transpose_b. C is not read if beta is 0.
void mafin_sgemm(bool transpose_a, bool transpose_b, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, float alpha,
                 const float *a, ptrdiff_t lda, const float *b, ptrdiff_t ldb, float beta, float *c, ptrdiff_t ldc);

/// How many instruction sets of products run here: at least 1.
int mafin_product_kernels(void);

/// The same by one of them, 0 the widest, which is what all others use.
void mafin_sgemm_by(int kernel, bool transpose_a, bool transpose_b, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, float alpha,
                    const float *a, ptrdiff_t lda, const float *b, ptrdiff_t ldb, float beta, float *c, ptrdiff_t ldc);

/// Floats that `mafin_pack` writes for a (k, n) operand.
size_t mafin_packed_size(ptrdiff_t n, ptrdiff_t k);

/// Lays op(B) out as `mafin_sgemm_packed` reads it, so that many products share the work (weights, for instance).
void mafin_pack(bool transpose_b, ptrdiff_t n, ptrdiff_t k, const float *b, ptrdiff_t ldb, float *packed);

/// Columns that a packed operand of `n` columns has: those beyond n are 0, and may be multiplied with like the others, which is
/// faster than to stop at n.
ptrdiff_t mafin_packed_columns(ptrdiff_t n);

/// C = alpha · op(A) · B + beta · C, with B as written by `mafin_pack`.
void mafin_sgemm_packed(bool transpose_a, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, float alpha, const float *a,
                        ptrdiff_t lda, const float *packed, float beta, float *c, ptrdiff_t ldc);

// MARK: Exact search (inner_products.c)
//
// `kernel` is a place among the instruction sets that run here, 0 the widest: what is laid out for one is for it alone.
// The score of a row and a query is summed in the same order in every call of one kernel, whatever stands beside them.

/// Types of stored elements.
typedef enum { MAFIN_FLOAT32, MAFIN_FLOAT16, MAFIN_INT8 } mafin_element;

/// How many instruction sets there are to choose from: at least 1.
int mafin_search_kernels(void);

/// Name of an instruction set.
const char *mafin_search_kernel_name(int kernel);

/// Floats that `mafin_prepare_queries` writes.
size_t mafin_prepared_size(int kernel, ptrdiff_t queries, ptrdiff_t width);

/// Lays queries, `stride` floats apart, out as `mafin_inner_products` reads them.
void mafin_prepare_queries(int kernel, ptrdiff_t queries, ptrdiff_t width, const float *from, ptrdiff_t stride,
                           float *prepared);

/// Floats from one prepared query to the next.
ptrdiff_t mafin_prepared_stride(int kernel, ptrdiff_t width);

/// scores[q · score_stride + r] = ⟨row r, query q⟩. Rows are `row_stride` elements apart; all elements must be finite. (The
/// sums of int8 rows are taken in an order of their own.)
void mafin_inner_products(int kernel, ptrdiff_t rows, ptrdiff_t width, const void *vectors, mafin_element element,
                          ptrdiff_t row_stride, ptrdiff_t queries, const float *prepared, float *scores,
                          ptrdiff_t score_stride);

/// A score's place in a block.
typedef struct {
    uint32_t query, row;
} mafin_hit;

/// Writes the places of the scores that are not ≤ their query's threshold (so all where that is NaN), ordered by query and
/// row, and returns how many; `hits` has room for all.
ptrdiff_t mafin_scores_above(int kernel, ptrdiff_t queries, ptrdiff_t rows, const float *scores, ptrdiff_t stride,
                             const float *thresholds, mafin_hit *hits);

// MARK: Approximations of rows in bytes (approximation.c)

/// codes[r, :] · scales[r] ≈ row r, `row_stride` elements apart, float32 or float16, so near that for every query with a
/// norm from 1e-15 to 1e15 the score that `mafin_inner_products` computes, rounding included, is at most
/// scales[r] · ⟨codes[r, :], query⟩ + ‖query‖ · margins[r] as `mafin_upper_bounds` computes it. A margin may be infinite.
void mafin_approximate(ptrdiff_t rows, ptrdiff_t width, const void *vectors, mafin_element element,
                       ptrdiff_t row_stride, int8_t *codes, float *scales, float *margins);

/// bounds[q · stride + r] = scales[r] · products[q · stride + r] + norms[q] · margins[r], plus what was there if `add`.
/// `bounds` may be `products` unless `add`.
void mafin_upper_bounds(ptrdiff_t queries, ptrdiff_t rows, const float *products, ptrdiff_t stride, const float *norms,
                        const float *scales, const float *margins, bool add, float *bounds);

// MARK: Half precision (half_precision.c)

/// out = x as float16, to nearest, ties to even. Returns how many elements stand before the first that float16 cannot hold
/// (beyond ±65,519, or no number), whose bits are then 0x7C00; `count` where there is none.
ptrdiff_t mafin_to_half(ptrdiff_t count, const float *x, uint16_t *out);

/// out = x as floats.
void mafin_from_half(ptrdiff_t count, const uint16_t *x, float *out);

/// How many elements stand before the first infinity or NaN; `count` where there is none.
ptrdiff_t mafin_finite_prefix(ptrdiff_t count, const void *x, bool half);

/// `count` columns of that product from `first` on, which is a multiple of `mafin_packed_columns(1)`; C is theirs alone, (m, count).
void mafin_sgemm_packed_columns(bool transpose_a, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, ptrdiff_t first,
                                ptrdiff_t count, float alpha, const float *a, ptrdiff_t lda, const float *packed,
                                float beta, float *c, ptrdiff_t ldc);

/// Tells the processor that the thread is waiting for another in a loop.
static inline void mafin_spin_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

// MARK: Elementwise passes (elementwise.c)
//
// Rows are tokens. Dropout masks are functions of (seed, row number in the whole batch, column), never stored:
// a backward pass, or a recomputed forward pass, sees the same mask whatever piece of the batch it works on.

/// Which elements a dropout keeps: none is dropped if `threshold` is 0.
typedef struct {
    uint64_t seed;       // of this step, layer and place
    uint64_t first_row;  // number in the whole batch of row 0 of the call
    uint32_t threshold;  // probability · 2^32; an element is dropped if its 32 random bits are below
    float scale;         // 1 / (1 − probability)
} mafin_dropout;

/// x[r, :] += bias.
void mafin_add_bias(ptrdiff_t rows, ptrdiff_t width, float *x, const float *bias);

/// h[r, :] += bias;  g = gelu(h) = h · Φ(h), Φ by erf to 4e-7 absolute (Hendrycks and Gimpel 2016, the exact form).
void mafin_bias_gelu(ptrdiff_t rows, ptrdiff_t width, float *h, const float *bias, float *g);

/// g = gelu(h), count elements.
void mafin_gelu(ptrdiff_t count, const float *h, float *g);

/// g = gelu(h) again, and h = d · gelu'(h): the gradient takes the place of what it is the gradient of; gelu'(h) = Φ(h) + h · φ(h).
void mafin_gelu_backward(ptrdiff_t count, const float *d, float *h, float *g);

/// With v = dropout(x[r, :] + bias) + residual[r, :]:  normalized = (v − mean(v)) · rstd, rstd = (var(v) + epsilon)^−½.
/// `residual` or `bias` may be null. `normalized` may be x.
void mafin_residual_layer_norm(ptrdiff_t rows, ptrdiff_t width, const float *x, const float *bias,
                               const float *residual, mafin_dropout dropout, float epsilon, float *normalized,
                               float *rstd);

/// y = normalized · gain + bias, the affine half of layer normalisation; then dropout (the embedding layer has one).
void mafin_affine(ptrdiff_t rows, ptrdiff_t width, const float *normalized, const float *gain, const float *bias,
                  mafin_dropout dropout, float *y);

/// Backward of both halves of layer normalisation: from dy to dv, in place; adds to dgain and dbias.
void mafin_layer_norm_backward(ptrdiff_t rows, ptrdiff_t width, float *d, const float *normalized, const float *rstd,
                               const float *gain, float *dgain, float *dbias);

/// out = dropout(x); `out` may be x.
void mafin_apply_dropout(ptrdiff_t rows, ptrdiff_t width, const float *x, mafin_dropout dropout, float *out);

/// sum[:] += Σ_r x[r, :].
void mafin_column_sum(ptrdiff_t rows, ptrdiff_t width, const float *x, float *sum);

// The softmax of rows that lie `stride` floats apart; what lies between a row's columns and the next row is overwritten.

/// x[r, :] = exp(x[r, :] − max), scales[r] = 1 / Σ x[r, :], so that scales[r] · x[r, :] are probabilities; and the logarithm
/// of the sum of the exponentials of the scores that were in x[r, :], in lse[r].
void mafin_softmax(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, float *x, float *scales, float *lse);

/// x = exp(x − lse[r]): the probabilities again, from the scores and the saved lse.
void mafin_softmax_again(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, float *x, const float *lse);

/// d = probabilities · (dropout(d) − Σ(probabilities · dropout(d))) · scale, in place: gradient through dropout and softmax.
void mafin_softmax_backward(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, const float *probabilities, float *d,
                            mafin_dropout dropout, float scale);

/// x[r, :] *= scales[r]; rows are `stride` floats apart.
void mafin_scale_rows(ptrdiff_t rows, ptrdiff_t width, ptrdiff_t stride, const float *scales, float *x);

/// out = exp(z − shift) · factor: the exponential that is inside of the passes above, by itself, to be tested.
void mafin_exp(ptrdiff_t columns, const float *z, float shift, float factor, float *out);

/// y += a · x.
void mafin_axpy(ptrdiff_t count, float a, const float *x, float *y);

/// x *= factors[0]; x *= factors[1]; … one after the other.
void mafin_scale_in_steps(ptrdiff_t count, float *x, ptrdiff_t steps, const float *factors);

/// Σ x².
double mafin_sum_of_squares(ptrdiff_t count, const float *x);

/// One AdamW update (Loshchilov and Hutter 2019) of `count` weights, as PyTorch orders it: decay, moments, step.
/// `gradient` may be null: the gradient is then 0. It is multiplied by `gradient_scale` first.
typedef struct {
    float learning_rate, beta1, beta2, epsilon;
    float decay;                     // 1 − learning rate · weight decay; 1 for a weight that does not decay
    float correction1, correction2;  // 1 − beta1^t and 1 − beta2^t
    float gradient_scale;
} mafin_adamw;
void mafin_adamw_update(ptrdiff_t count, mafin_adamw options, const float *gradient, float *weights, float *first,
                        float *second);

// MARK: Hashes (sha.c)

/// Takes `blocks` blocks of 64 bytes into the state of SHA-256, on the processor's own instructions where it has them.
void mafin_sha256(uint32_t state[8], const uint8_t *data, size_t blocks);

/// The same in portable C, which the tests hold the other against.
void mafin_sha256_portable(uint32_t state[8], const uint8_t *data, size_t blocks);

/// Takes `blocks` blocks of 64 bytes into the state of SHA-1.
void mafin_sha1(uint32_t state[5], const uint8_t *data, size_t blocks);

// MARK: Files (files.c)

/// Lets two files or folders swap their names in one step. Returns 0, or an errno: EINVAL, ENOSYS or ENOTSUP where the file system cannot.
int mafin_exchange(const char *a, const char *b);

#endif

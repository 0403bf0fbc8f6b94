#ifndef MAFIN_KERNELS_H
#define MAFIN_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Every matrix is row-major. Every function works only on the calling thread, and callers divide the work.

// MARK: Instruction sets (cpu.c)
//
// All kernels use the widest instruction set of the processor, unless the environment variable MAFIN_INSTRUCTION_SET
// names a lower one. Sets are numbered from 0, the set that every processor of the architecture has. Operands in single
// precision that were packed or prepared with one set can only be used with that set.

/// The number of instruction sets that this process may use; at least 1.
int mafin_instruction_sets(void);

/// The name of an instruction set: portable, avx2, avx-vnni, avx512, avx512-vnni, avx512-bf16, amx; on arm64 portable
/// (NEON), dotprod, neon-bf16.
const char *mafin_instruction_set_name(int set);

/// The instruction set that the kernels use when the calling thread calls them.
int mafin_instruction_set(void);

/// Sets the instruction set of kernels that the calling thread calls; a negative number: the widest. For tests, in
/// which each suite runs once with every set.
void mafin_use_instruction_set(int set);

/// Whether a set could be chosen by its name.
typedef enum { MAFIN_SET_CHOSEN, MAFIN_SET_UNKNOWN, MAFIN_SET_MISSING } mafin_set_choice;

/// What became of MAFIN_INSTRUCTION_SET. Unless it was chosen, the widest set is used. A variable that is not set, or empty, is
/// no choice, which is `MAFIN_SET_CHOSEN` too.
mafin_set_choice mafin_instruction_set_variable(void);

/// Makes the process use the named set and nothing wider. To be called before operands are packed.
mafin_set_choice mafin_limit_instruction_set(const char *name);

// MARK: Matrix products (gemm.c)

/// C = alpha · op(A) · op(B) + beta · C.
/// op(A) is (m, k), stored (k, m) if transpose_a; op(B) is (k, n), stored (n, k) if transpose_b. C is not read if beta is 0.
void mafin_sgemm(bool transpose_a, bool transpose_b, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, float alpha,
                 const float *a, ptrdiff_t lda, const float *b, ptrdiff_t ldb, float beta, float *c, ptrdiff_t ldc);

/// Number of floats that `mafin_pack` writes for a (k, n) operand.
size_t mafin_packed_size(ptrdiff_t n, ptrdiff_t k);

/// Writes op(B) in the layout of `mafin_sgemm_packed`. Many products can share one packed operand, such as a weight
/// matrix.
void mafin_pack(bool transpose_b, ptrdiff_t n, ptrdiff_t k, const float *b, ptrdiff_t ldb, float *packed);

/// Number of columns of a packed operand of `n` columns. Columns beyond n are 0. A product over all of them is faster
/// than one that stops at n.
ptrdiff_t mafin_packed_columns(ptrdiff_t n);

/// C = alpha · op(A) · B + beta · C, with B as written by `mafin_pack`.
void mafin_sgemm_packed(bool transpose_a, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, float alpha, const float *a,
                        ptrdiff_t lda, const float *packed, float beta, float *c, ptrdiff_t ldc);

/// The same for `count` columns of B from column `first` on, a multiple of `mafin_packed_columns(1)`. C is (m, count).
void mafin_sgemm_packed_columns(bool transpose_a, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, ptrdiff_t first,
                                ptrdiff_t count, float alpha, const float *a, ptrdiff_t lda, const float *packed,
                                float beta, float *c, ptrdiff_t ldc);

// MARK: Products in bfloat16 and int8 (gemm_bfloat16.c, gemm_int8.c)
//
// Operands are in single precision and are converted. Sums of bfloat16 are in single precision, sums of bytes are exact.
// Packed operands do not depend on the instruction set. At the first use of a kernel its tiles are compared with portable
// ones; if they differ, the next kernel is used and a warning is left. The products of bytes are the same integers with
// every kernel.

/// What is done with a product before it is written: bias, then GELU, then residual. All 0: nothing. A pointer to it is never null.
typedef struct {
    const float *bias;         // of the columns that are computed; null: none
    const float *residual;     // (m, count), added last; may be C itself; null: none
    ptrdiff_t residual_stride; // floats from one row to the next
    bool gelu;                 // the exact form, as `mafin_gelu`
} mafin_epilogue;

/// Whether the processor has its own instructions for products of bfloat16, and the kernel's name.
bool mafin_bfloat16_is_fast(void);
const char *mafin_bfloat16_kernel_name(void);

/// The name of the kernel for products of bytes; "portable" if the processor has no instructions for them.
const char *mafin_int8_kernel_name(void);

/// The next warning about a kernel that was wrong at its first use; null if there is none. It stays valid.
const char *mafin_next_kernel_warning(void);

/// The warning of a number from 0 on, whether it was returned as the next one or not; null if there is none. It stays valid.
const char *mafin_kernel_warning(int number);

/// Lets the checks of kernels that the calling thread uses find all but the portable ones wrong. For tests.
void mafin_break_kernels(bool broken);

/// out = x rounded to bfloat16, to nearest, ties to even; NaN stays NaN.
void mafin_to_bfloat16(ptrdiff_t count, const float *x, uint16_t *out);
void mafin_from_bfloat16(ptrdiff_t count, const uint16_t *x, float *out);

/// Rounds x to numbers that bfloat16 has.
void mafin_round_to_bfloat16(ptrdiff_t count, float *x);

/// Number of elements that `mafin_bfloat16_pack` writes for a (k, n) operand.
size_t mafin_bfloat16_packed_size(ptrdiff_t n, ptrdiff_t k);

/// Writes op(B), (k, n), stored (n, k) if transpose_b, as the right operand of products. `packed` is aligned to 64 bytes.
void mafin_bfloat16_pack(bool transpose_b, ptrdiff_t n, ptrdiff_t k, const float *b, ptrdiff_t ldb, uint16_t *packed);

/// Number of elements of the left operand that `mafin_bfloat16_rows` writes.
size_t mafin_bfloat16_rows_size(ptrdiff_t m, ptrdiff_t k);

/// Number of elements from one of its rows to the next.
ptrdiff_t mafin_bfloat16_depth(ptrdiff_t k);

/// Writes scale · op(A), (m, k), stored (k, m) if transpose_a, as the left operand of products.
void mafin_bfloat16_rows(bool transpose_a, ptrdiff_t m, ptrdiff_t k, float scale, const float *a, ptrdiff_t lda,
                         uint16_t *rows);

/// C = epilogue(A · B[:, first ..< first + count]); `first` is a multiple of 16. C is (m, count).
void mafin_bfloat16_multiply(ptrdiff_t m, ptrdiff_t k, ptrdiff_t first, ptrdiff_t count, const uint16_t *rows,
                             const uint16_t *packed, const mafin_epilogue *epilogue, float *c, ptrdiff_t ldc);

/// The same with A in single precision, (m, k), its rows `ldx` floats apart.
void mafin_bfloat16_linear(ptrdiff_t m, ptrdiff_t k, ptrdiff_t first, ptrdiff_t count, const float *x, ptrdiff_t ldx,
                           const uint16_t *packed, const mafin_epilogue *epilogue, float *c, ptrdiff_t ldc);

/// Number of bytes that `mafin_int8_pack` writes.
size_t mafin_int8_packed_size(ptrdiff_t n, ptrdiff_t k);

/// Writes op(B) as integers from −64 to 64 with a scale for each column. `packed` is aligned to 64 bytes.
///
/// Seven bits, because the only instruction of AVX2 for products of bytes adds two products of an unsigned and a signed byte
/// into 16 bits, and saturates: 255 · 64 · 2 fits, 255 · 127 · 2 does not. Instructions for 8 bits would be free of this, but
/// then a text's vector would depend on the processor.
void mafin_int8_pack(bool transpose_b, ptrdiff_t n, ptrdiff_t k, const float *b, ptrdiff_t ldb, void *packed);

/// C = epilogue(A · B[:, first ..< first + count]) with each row of A as integers from 0 to 255 with a scale and a zero.
/// `n` columns were packed; `first` is a multiple of 16. A row that is not finite gives NaN.
void mafin_int8_linear(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, ptrdiff_t first, ptrdiff_t count, const float *x,
                       ptrdiff_t ldx, const void *packed, const mafin_epilogue *epilogue, float *c, ptrdiff_t ldc);

// MARK: Exact search (inner_products.c)
//
// With the same instruction set, the score of a row and a query is summed in the same order in every call. It does not
// depend on the other rows and queries of the call.

/// Types of stored elements.
typedef enum { MAFIN_FLOAT32, MAFIN_FLOAT16, MAFIN_INT8 } mafin_element;

/// Number of floats that `mafin_prepare_queries` writes.
size_t mafin_prepared_size(ptrdiff_t queries, ptrdiff_t width);

/// Writes queries, which are `stride` floats apart, in the layout of `mafin_inner_products`.
void mafin_prepare_queries(ptrdiff_t queries, ptrdiff_t width, const float *from, ptrdiff_t stride, float *prepared);

/// Number of floats from one prepared query to the next.
ptrdiff_t mafin_prepared_stride(ptrdiff_t width);

/// scores[q · score_stride + r] = ⟨row r, query q⟩. Rows are `row_stride` elements apart. All elements must be finite.
/// (Sums of int8 rows have a different order.)
void mafin_inner_products(ptrdiff_t rows, ptrdiff_t width, const void *vectors, mafin_element element,
                          ptrdiff_t row_stride, ptrdiff_t queries, const float *prepared, float *scores,
                          ptrdiff_t score_stride);

/// The place of a score in a block.
typedef struct {
    uint32_t query, row;
} mafin_hit;

/// Writes the places of all scores that are not ≤ their query's threshold, ordered by query and row, and returns their
/// number. If a threshold is NaN, these are all scores. `hits` must have room for all scores.
ptrdiff_t mafin_scores_above(ptrdiff_t queries, ptrdiff_t rows, const float *scores, ptrdiff_t stride,
                             const float *thresholds, mafin_hit *hits);

// MARK: Approximations of rows in bytes (approximation.c)

/// Approximates rows of float32 or float16, which are `row_stride` elements apart: row r ≈ codes[r, :] · scales[r]. For
/// every query with a norm from 1e-15 to 1e15, the score that `mafin_inner_products` computes, including its rounding
/// errors, is at most scales[r] · ⟨codes[r, :], query⟩ + ‖query‖ · margins[r] as `mafin_upper_bounds` computes it. A
/// margin may be infinite.
void mafin_approximate(ptrdiff_t rows, ptrdiff_t width, const void *vectors, mafin_element element,
                       ptrdiff_t row_stride, int8_t *codes, float *scales, float *margins);

/// bounds[q · stride + r] = scales[r] · products[q · stride + r] + norms[q] · margins[r], plus what was there if `add`.
/// `bounds` may be `products` unless `add`.
void mafin_upper_bounds(ptrdiff_t queries, ptrdiff_t rows, const float *products, ptrdiff_t stride, const float *norms,
                        const float *scales, const float *margins, bool add, float *bounds);

/// Whether the processor multiplies bytes faster than floats.
bool mafin_has_byte_products(void);

/// Writes queries, which are `stride` floats apart, as integers from −64 to 64 with a scale each, for `mafin_byte_bounds`.
/// `packed` has `mafin_int8_packed_size(queries, width)` bytes and is aligned to 64. errors[q] is at least the norm of the
/// difference. `width` is at most 131,000, so that sums fit.
void mafin_quantize_queries(ptrdiff_t queries, ptrdiff_t width, const float *from, ptrdiff_t stride, void *packed,
                            float *errors);

/// bounds[r · stride + q] ≥ the score of row r for query q that `mafin_inner_products` computes, or NaN, for rows of
/// `mafin_approximate` and queries of `mafin_quantize_queries`; plus what was there if `add`. norms[q] is an upper bound of the
/// query's norm, which is 0 or from 1e-15 to 1e15. Rows are `width` bytes apart. `norms`, `errors` and `stride` are padded to a
/// multiple of 16 queries; numbers are written for all of these.
void mafin_byte_bounds(ptrdiff_t rows, ptrdiff_t width, const int8_t *codes, const float *scales, const float *margins,
                       ptrdiff_t queries, const void *packed, const float *norms, const float *errors, bool add,
                       float *bounds, ptrdiff_t stride);

/// The places of bounds of `mafin_byte_bounds` that are not ≤ their query's threshold, ordered by row and query; returns
/// their number. `thresholds` are padded to a multiple of 16. `hits` must have room for all.
ptrdiff_t mafin_bounds_above(ptrdiff_t rows, ptrdiff_t queries, const float *bounds, ptrdiff_t stride,
                             const float *thresholds, mafin_hit *hits);

/// ⟨a, b⟩ of bytes, exactly. At most 131,000 of them, so that the sum fits.
int32_t mafin_dot_int8(ptrdiff_t width, const int8_t *a, const int8_t *b);

// MARK: Half precision (half_precision.c)

/// out = x as float16, to nearest, ties to even. Values beyond ±65,519 become infinite, and NaN stays NaN. Returns the
/// number of elements before the first infinity or NaN in `out`; `count` if there is none.
ptrdiff_t mafin_to_half(ptrdiff_t count, const float *x, uint16_t *out);

/// out = x, `count` numbers in float16 at any address, as floats.
void mafin_from_half(ptrdiff_t count, const void *x, float *out);

/// The number of elements before the first infinity or NaN; `count` if there is none.
ptrdiff_t mafin_finite_prefix(ptrdiff_t count, const void *x, bool half);

/// Tells the processor that the thread waits for another thread in a loop.
static inline void mafin_spin_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

// MARK: Elementwise passes (elementwise.c)
//
// Rows are tokens. Dropout masks are not stored. They depend only on the seed, the row number in the whole batch and
// the column, so that a backward pass or a recomputed forward pass has the same mask for any part of the batch.

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

/// g = gelu(h), and h = d · gelu'(h) with gelu'(h) = Φ(h) + h · φ(h): the gradient overwrites the input.
void mafin_gelu_backward(ptrdiff_t count, const float *d, float *h, float *g);

/// g[r, :] = act(h[r, :]) · factor[r, :]; act is SiLU, x · sigmoid(x), or GELU as above. Rows of `h` and `factor` are
/// `stride` floats apart, rows of `g` `g_stride`.
void mafin_gated(bool silu, ptrdiff_t rows, ptrdiff_t width, const float *h, const float *factor, ptrdiff_t stride,
                 float *g, ptrdiff_t g_stride);

/// Computes g again, `(rows, width)`, and overwrites `h` and `factor` with their gradients from ∂L/∂g in `d`.
void mafin_gated_backward(bool silu, ptrdiff_t rows, ptrdiff_t width, const float *d, float *h, float *factor,
                          ptrdiff_t stride, float *g);

/// h[r, :] += bias;  g = h · sigmoid(1.702 h), the approximation of GELU that CLIP has.
void mafin_quick_gelu(ptrdiff_t rows, ptrdiff_t width, float *h, const float *bias, float *g);

/// Computes g again, and overwrites `h` with its gradient from ∂L/∂g in `d`.
void mafin_quick_gelu_backward(ptrdiff_t count, const float *d, float *h, float *g);

/// y[r, :] += scale · x[r, :].
void mafin_add_scaled(ptrdiff_t rows, ptrdiff_t width, const float *x, const float *scale, float *y);

/// Backward pass of the above from ∂L/∂y in `d`: dscale += Σ_r d[r, :] · x[r, :], and then x = scale · d, the gradient.
void mafin_add_scaled_backward(ptrdiff_t rows, ptrdiff_t width, const float *d, const float *scale, float *x,
                               float *dscale);

/// Turns each pair (x[r, i], x[r, half + i]) by the angle whose cosine and sine are in row r of the tables, `(rows, half)`; by the
/// negative angle if `direction` is −1 (Su et al. 2021, "RoFormer", eq. 34, with the halves of GPT-NeoX).
void mafin_rotate_halves(ptrdiff_t rows, ptrdiff_t half, float *x, ptrdiff_t stride, const float *cosines,
                         const float *sines, float direction);

/// With v = dropout(x[r, :] + bias) + residual[r, :]:  normalized = (v − mean(v)) · rstd, rstd = (var(v) + epsilon)^−½ (layer
/// norm). Unless `centered`, the mean is taken as 0 (root mean square norm). `residual` or `bias` may be null.
/// `normalized` may be x.
void mafin_residual_norm(bool centered, ptrdiff_t rows, ptrdiff_t width, const float *x, const float *bias,
                         const float *residual, mafin_dropout dropout, float epsilon, float *normalized, float *rstd);

/// y = normalized · gain + bias, the affine part of a norm, followed by dropout (used by the embedding layer). `bias` may be
/// null.
void mafin_affine(ptrdiff_t rows, ptrdiff_t width, const float *normalized, const float *gain, const float *bias,
                  mafin_dropout dropout, float *y);

/// Backward pass of a norm: computes dv from dy, in place, and adds to dgain and dbias, which may be null.
void mafin_norm_backward(bool centered, ptrdiff_t rows, ptrdiff_t width, float *d, const float *normalized,
                         const float *rstd, const float *gain, float *dgain, float *dbias);

/// out = dropout(x); `out` may be x.
void mafin_apply_dropout(ptrdiff_t rows, ptrdiff_t width, const float *x, mafin_dropout dropout, float *out);

/// sum[:] += Σ_r x[r, :].
void mafin_column_sum(ptrdiff_t rows, ptrdiff_t width, const float *x, float *sum);

// Softmax of rows that are `stride` floats apart. The floats between the columns of a row and the next row are
// overwritten.

/// x[r, :] = exp(x[r, :] − max), scales[r] = 1 / Σ x[r, :], so that scales[r] · x[r, :] are probabilities. lse[r] is
/// the log-sum-exp of the scores that were in x[r, :].
void mafin_softmax(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, float *x, float *scales, float *lse);

/// x = exp(x − lse[r]): recomputes the probabilities from the scores and the saved lse.
void mafin_softmax_again(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, float *x, const float *lse);

/// d = probabilities · (dropout(d) − Σ(probabilities · dropout(d))) · scale, in place: gradient through dropout and softmax.
void mafin_softmax_backward(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, const float *probabilities, float *d,
                            mafin_dropout dropout, float scale);

/// x[r, :] *= scales[r]; rows are `stride` floats apart.
void mafin_scale_rows(ptrdiff_t rows, ptrdiff_t width, ptrdiff_t stride, const float *scales, float *x);

/// The largest of `count` values. NaN is ignored; −∞ if there is no other value.
float mafin_maximum(ptrdiff_t count, const float *x);

/// x = exp(x − shift) with a relative error below 2e-7, 0 where x − shift < −87. Returns the sum. Groups of 512
/// elements are added in single precision, and their sums in double precision. `shift` must be at least the largest x.
/// NaN stays NaN.
double mafin_exponentials(ptrdiff_t count, float *x, float shift);

/// Σ x in double precision.
double mafin_sum(ptrdiff_t count, const float *x);

/// The log-sum-exp of `count` ≥ 1 logits `Σ_k weights[k] · (x[k][i] − origins[k])`, and the moments under their softmax of
/// the differences `x[k] − origins[k]`, all in double precision. Sums of squares lose digits if `origins` are far from the
/// scores compared with the scores' spread.
///
/// x: `sources` rows of `count` scores; masked: `masked_count` ascending indices that are left out, not all;
/// mean: `(sources)`; covariance: `(sources, sources)`. The logits are not stored, so each score is read once from memory.
double mafin_softmax_moments(ptrdiff_t count, ptrdiff_t sources, const float *const *x, const double *origins,
                             const double *weights, ptrdiff_t masked_count, const ptrdiff_t *masked, double *mean,
                             double *covariance);

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

/// Adds `blocks` blocks of 64 bytes to the state of SHA-256, with the processor's SHA instructions if it has them.
void mafin_sha256(uint32_t state[8], const uint8_t *data, size_t blocks);

/// The same in portable C. Tests compare both.
void mafin_sha256_portable(uint32_t state[8], const uint8_t *data, size_t blocks);

/// Adds `blocks` blocks of 64 bytes to the state of SHA-1.
void mafin_sha1(uint32_t state[5], const uint8_t *data, size_t blocks);

// MARK: Files (files.c)

/// Swaps the names of two files or folders in one step. Returns 0 or an errno; EINVAL, ENOSYS or ENOTSUP if the file
/// system cannot do that.
int mafin_exchange(const char *a, const char *b);

#ifdef __cplusplus
}
#endif

#endif

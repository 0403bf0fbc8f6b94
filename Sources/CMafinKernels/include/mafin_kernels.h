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

/// Floats that `mafin_pack` writes for a (k, n) operand.
size_t mafin_packed_size(ptrdiff_t n, ptrdiff_t k);

/// Lays op(B) out as `mafin_sgemm_packed` reads it, so that many products share the work (weights, for instance).
void mafin_pack(bool transpose_b, ptrdiff_t n, ptrdiff_t k, const float *b, ptrdiff_t ldb, float *packed);

/// C = alpha · op(A) · B + beta · C, with B as written by `mafin_pack`.
void mafin_sgemm_packed(bool transpose_a, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, float alpha, const float *a,
                        ptrdiff_t lda, const float *packed, float beta, float *c, ptrdiff_t ldc);

#endif

// The instruction sets for which kernels are compiled, and the choice of the set for a call. Internal to this module.

#ifndef MAFIN_CPU_H
#define MAFIN_CPU_H

#include <stdint.h>

#include "mafin_kernels.h"

#define INLINE static inline __attribute__((always_inline))

// The .inc files are included once per instruction set, with its name as SUFFIX.
#define PASTE2(a, b) a##b
#define PASTE(a, b) PASTE2(a, b)
#define NAME(stem) PASTE(stem, SUFFIX)

INLINE ptrdiff_t rounded_up(ptrdiff_t value, ptrdiff_t multiple) { return (value + multiple - 1) / multiple * multiple; }
INLINE ptrdiff_t smaller(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

// Prefetches the cache line at `from` + `bytes`. A line beyond a buffer may be prefetched, but C does not allow a
// pointer to it, so the address is computed as a number.
#define PREFETCH(from, bytes, ...) \
    __builtin_prefetch((const void *)((uintptr_t)(from) + (uintptr_t)(bytes)), __VA_ARGS__)

// Extensions of the architecture's baseline for which there are kernels.
enum {
    HAS_AVX2 = 1 << 0,         // all of x86-64-v3
    HAS_AVX_VNNI = 1 << 1,
    HAS_AVX512 = 1 << 2,       // all of x86-64-v4
    HAS_AVX512_VNNI = 1 << 3,
    HAS_AVX512_BF16 = 1 << 4,
    HAS_AMX = 1 << 5,          // tiles of bfloat16 and of bytes, with the kernel's permission
    HAS_DOT_PRODUCT = 1 << 6,  // arm64
    HAS_NEON_BF16 = 1 << 7,
};

// The extensions that the calling thread was told to use, plus CHOSEN; 0: none was named.
enum { CHOSEN = 1 << 30 };
extern _Thread_local unsigned mafin_thread_features;

// The extensions that the process uses.
unsigned mafin_process_features(void);

// The extensions that the calling thread uses.
INLINE unsigned features(void) {
    const unsigned chosen = mafin_thread_features;
    return chosen ? chosen & ~(unsigned)CHOSEN : mafin_process_features();
}

// A kernel is a function `mafin_NAME` that is compiled once per instruction set and calls the copy for the set in use:
//
//     KERNEL(void, add, (ptrdiff_t count, float *x), (count, x)) { … }
//
// target_clones is not used, because it chooses a copy when the program is loaded, so that tests could run only the
// widest set.
#ifdef __x86_64__

enum { PORTABLE, AVX2, AVX512 };

// x86-64-v3 and x86-64-v4, feature by feature: with "arch=x86-64-v4" the compiler would prefer vectors of 256 bits.
#define TARGET_AVX2 __attribute__((target("avx2,fma,f16c,bmi,bmi2,lzcnt,movbe")))
#ifdef MAFIN_EMULATED
// Tools/emulated-kernels puts C in the place of instructions that a machine lacks.
#define TARGET_WITH(extensions) TARGET_AVX2
#define TARGET_AVX512 TARGET_AVX2
#else
#define TARGET_WITH(extensions) __attribute__((target(extensions)))
#define TARGET_AVX512 TARGET_WITH("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,fma,f16c,bmi,bmi2,lzcnt,movbe")
#endif

// Whether the processor has the SHA extensions. None of the instruction sets above implies them.
bool mafin_has_sha_instructions(void);

// The row of the tables of kernels in single precision.
INLINE int instruction_set(void) {
    const unsigned has = features();
    return has & HAS_AVX512 ? AVX512 : has & HAS_AVX2 ? AVX2 : PORTABLE;
}

#define KERNEL(result, name, parameters, arguments)                                 \
    INLINE result name##_body parameters;                                           \
    static result name##_portable parameters { return name##_body arguments; }      \
    TARGET_AVX2 static result name##_avx2 parameters { return name##_body arguments; }     \
    TARGET_AVX512 static result name##_avx512 parameters { return name##_body arguments; } \
    result mafin_##name parameters {                                                \
        switch (instruction_set()) {                                                \
            case AVX512: return name##_avx512 arguments;                            \
            case AVX2: return name##_avx2 arguments;                                \
            default: return name##_portable arguments;                              \
        }                                                                           \
    }                                                                               \
    INLINE result name##_body parameters

#else

INLINE int instruction_set(void) { return 0; }

#define KERNEL(result, name, parameters, arguments) result mafin_##name parameters

#endif

#endif

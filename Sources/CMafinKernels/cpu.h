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

// Prefetches the cache line at `from` + `bytes`. A line beyond a buffer may be prefetched, but C does not allow a
// pointer to it, so the address is computed as a number.
#define PREFETCH(from, bytes, ...) \
    __builtin_prefetch((const void *)((uintptr_t)(from) + (uintptr_t)(bytes)), __VA_ARGS__)

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
#define TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,fma,f16c,bmi,bmi2,lzcnt,movbe")))

// The set that the calling thread was told to use; negative: none.
extern _Thread_local int mafin_chosen_instruction_set;

// Whether the processor has the SHA extensions. None of the instruction sets above implies them.
bool mafin_has_sha_instructions(void);

INLINE int widest_instruction_set(void) {
    return __builtin_cpu_supports("x86-64-v4") ? AVX512 : __builtin_cpu_supports("x86-64-v3") ? AVX2 : PORTABLE;
}

INLINE int instruction_set(void) {
    const int chosen = mafin_chosen_instruction_set;
    return chosen < 0 ? widest_instruction_set() : chosen;
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

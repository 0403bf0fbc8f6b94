#include "cpu.h"

#ifdef __x86_64__

#include <cpuid.h>

_Thread_local int mafin_chosen_instruction_set = -1;

int mafin_instruction_sets(void) { return widest_instruction_set() + 1; }

void mafin_use_instruction_set(int set) {
    mafin_chosen_instruction_set = set < mafin_instruction_sets() ? set : widest_instruction_set();
}

bool mafin_has_sha_instructions(void) {
    // 0: not known yet; otherwise 1 + the answer. Threads that compute it at the same time get the same answer.
    static _Atomic int known;
    int answer = known;
    if (answer == 0) {
        unsigned a, b, c, d;
        const bool has_shuffles = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSSE3) && (c & bit_SSE4_1);
        known = answer = 1 + (has_shuffles && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA));
    }
    return answer == 2;
}

#else

int mafin_instruction_sets(void) { return 1; }

void mafin_use_instruction_set(int set) { (void)set; }

#endif

int mafin_instruction_set(void) { return instruction_set(); }

const char *mafin_instruction_set_name(int set) {
#if defined(__x86_64__)
    return set == AVX512 ? "AVX-512" : set == AVX2 ? "AVX2" : "SSE2";
#elif defined(__aarch64__)
    (void)set;
    return "NEON";
#else
    (void)set;
    return "portable";
#endif
}

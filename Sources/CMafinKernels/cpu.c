#include "cpu.h"

#ifdef __x86_64__

_Thread_local int mafin_chosen_instruction_set = -1;

int mafin_instruction_sets(void) { return widest_instruction_set() + 1; }

void mafin_use_instruction_set(int set) {
    mafin_chosen_instruction_set = set < mafin_instruction_sets() ? set : widest_instruction_set();
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

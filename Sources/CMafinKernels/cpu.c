// What this processor can do, and which part of it is used.

#include "cpu.h"

#include <stdlib.h>
#include <string.h>

#ifdef __x86_64__
#include <cpuid.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

// A processor has a set if it has all of the set's extensions. Each set is a superset of the one before it, except that
// only some processors have AVX-VNNI.
typedef struct {
    const char *name;
    unsigned features;
} named_set;

static const named_set sets[] = {
    {"portable", 0},
#if defined(__x86_64__)
    {"avx2", HAS_AVX2},
    {"avx-vnni", HAS_AVX2 | HAS_AVX_VNNI},
    {"avx512", HAS_AVX2 | HAS_AVX512},
    {"avx512-vnni", HAS_AVX2 | HAS_AVX512 | HAS_AVX512_VNNI},
    {"avx512-bf16", HAS_AVX2 | HAS_AVX512 | HAS_AVX512_VNNI | HAS_AVX512_BF16},
    {"amx", HAS_AVX2 | HAS_AVX512 | HAS_AVX512_VNNI | HAS_AVX512_BF16 | HAS_AMX},
#elif defined(__aarch64__)
    {"dotprod", HAS_DOT_PRODUCT},
    {"neon-bf16", HAS_DOT_PRODUCT | HAS_NEON_BF16},
#endif
};
enum { SETS = sizeof sets / sizeof *sets };

// MARK: The processor

#if defined(__x86_64__)

static bool has_leaf_bit(unsigned leaf, unsigned subleaf, int which, int bit) {
    unsigned r[4];
    if (!__get_cpuid_count(leaf, subleaf, &r[0], &r[1], &r[2], &r[3])) return false;
    return r[which] >> bit & 1;
}

enum { EAX, EBX, ECX, EDX };

// Linux gives a process the registers of AMX only on request, because they make every thread's saved state 8 KiB larger.
static bool may_use_tiles(void) {
#ifdef __linux__
    enum { GET_PERMISSION = 0x1022, REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    unsigned long granted = 0;
    if (syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) != 0) return false;
    if (syscall(SYS_arch_prctl, GET_PERMISSION, &granted) != 0) return false;
    return granted >> TILE_DATA & 1;
#else
    return false;
#endif
}

static unsigned processor_features(void) {
#ifdef MAFIN_EMULATED
    return HAS_AVX2 | HAS_AVX_VNNI | HAS_AVX512 | HAS_AVX512_VNNI | HAS_AVX512_BF16 | HAS_AMX;
#endif
    unsigned has = 0;
    if (!__builtin_cpu_supports("x86-64-v3")) return has;
    has |= HAS_AVX2;
    if (has_leaf_bit(7, 1, EAX, 4)) has |= HAS_AVX_VNNI;
    if (!__builtin_cpu_supports("x86-64-v4")) return has;
    has |= HAS_AVX512;
    if (has_leaf_bit(7, 0, ECX, 11)) has |= HAS_AVX512_VNNI;
    if (has_leaf_bit(7, 1, EAX, 5)) has |= HAS_AVX512_BF16;
    const bool has_tiles = has_leaf_bit(7, 0, EDX, 24) && has_leaf_bit(7, 0, EDX, 22) && has_leaf_bit(7, 0, EDX, 25);
    if (has_tiles && may_use_tiles()) has |= HAS_AMX;
    return has;
}

bool mafin_has_sha_instructions(void) {
    // 0: not known yet; otherwise 1 + the answer. Threads that compute it at the same time get the same answer.
    static _Atomic int known;
    int answer = known;
    if (answer == 0) {
        unsigned a, b, c, d;
        const bool has_shuffles = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSSE3) && (c & bit_SSE4_1);
        known = answer = 1 + (has_shuffles && has_leaf_bit(7, 0, EBX, 29));
    }
    return answer == 2;
}

#elif defined(__aarch64__) && defined(__linux__)

static unsigned processor_features(void) {
    enum { DOT_PRODUCT = 20, BF16 = 14 };  // bits of AT_HWCAP and AT_HWCAP2
    return (getauxval(AT_HWCAP) >> DOT_PRODUCT & 1 ? HAS_DOT_PRODUCT : 0) |
           (getauxval(AT_HWCAP2) >> BF16 & 1 ? HAS_NEON_BF16 : 0);
}

#elif defined(__aarch64__) && defined(__APPLE__)

static bool has_feature(const char *name) {
    int value = 0;
    size_t size = sizeof value;
    return sysctlbyname(name, &value, &size, NULL, 0) == 0 && value;
}

static unsigned processor_features(void) {
    return (has_feature("hw.optional.arm.FEAT_DotProd") ? HAS_DOT_PRODUCT : 0) |
           (has_feature("hw.optional.arm.FEAT_BF16") ? HAS_NEON_BF16 : 0);
}

#else

static unsigned processor_features(void) { return 0; }

#endif

// MARK: The choice

// 0 until it is known, then the answer with CHOSEN set. Threads that compute it at the same time get the same answer.
static _Atomic unsigned known_processor;

// 0 until it is known, then 1 + the set of the process.
static _Atomic int known_set;

static unsigned processor(void) {
    if (!known_processor) known_processor = processor_features() | CHOSEN;
    return known_processor;
}

static bool has_set(unsigned has, int set) { return (sets[set].features & ~has) == 0; }

// The widest set within `has`.
static int widest(unsigned has) {
    int best = 0;
    for (int set = 0; set < SETS; set++)
        if (has_set(has, set)) best = set;
    return best;
}

static mafin_set_choice find(const char *name, int *found) {
    for (int set = 0; set < SETS; set++) {
        if (strcmp(sets[set].name, name) != 0) continue;
        if (!has_set(processor(), set)) return MAFIN_SET_MISSING;
        *found = set;
        return MAFIN_SET_CHOSEN;
    }
    return MAFIN_SET_UNKNOWN;
}

static mafin_set_choice read_variable(int *set) {
    const char *const name = getenv("MAFIN_INSTRUCTION_SET");
    return name && *name ? find(name, set) : MAFIN_SET_CHOSEN;
}

mafin_set_choice mafin_instruction_set_variable(void) {
    int set;
    return read_variable(&set);
}

static int process_set(void) {
    if (!known_set) {
        int set = widest(processor());
        read_variable(&set);
        known_set = set + 1;
    }
    return known_set - 1;
}

mafin_set_choice mafin_limit_instruction_set(const char *name) {
    int set;
    const mafin_set_choice choice = find(name, &set);
    if (choice == MAFIN_SET_CHOSEN) known_set = set + 1;
    return choice;
}

unsigned mafin_process_features(void) { return sets[process_set()].features; }

// The number of sets that the process may use below a set of the table.
static int number_of(int set) {
    int number = 0;
    for (int lower = 0; lower < set; lower++) number += has_set(processor(), lower);
    return number;
}

_Thread_local unsigned mafin_thread_features;

int mafin_instruction_sets(void) { return number_of(process_set()) + 1; }

void mafin_use_instruction_set(int number) {
    int set = 0;
    while (set < process_set() && !(has_set(processor(), set) && number_of(set) == number)) set++;
    mafin_thread_features = number < 0 ? 0 : sets[set].features | CHOSEN;
}

int mafin_instruction_set(void) { return number_of(widest(features())); }

const char *mafin_instruction_set_name(int number) {
    int set = 0;
    while (set < process_set() && !(has_set(processor(), set) && number_of(set) == number)) set++;
    return sets[set].name;
}

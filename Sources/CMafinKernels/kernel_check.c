// What the checks of kernels at their first use leave behind.

#include <stdatomic.h>
#include <stdio.h>

#include "gemm_tiles.h"

static _Thread_local bool is_broken;

void mafin_break_kernels(bool broken) { is_broken = broken; }

bool mafin_kernels_are_broken(void) { return is_broken; }

// Few kernels exist, and each is checked once per instruction set, so that a few places are enough.
enum { MOST = 32 };
static char warnings[MOST][160];
static _Atomic int written, read_count;
static _Atomic bool is_complete[MOST];

void mafin_warn_of_kernel(const char *element, const char *name) {
    const int place = written++;
    if (place >= MOST) return;
    snprintf(warnings[place], sizeof warnings[place],
             "the %s kernel for products of %s computes wrong numbers on this processor and is not used", name, element);
    is_complete[place] = true;
}

const char *mafin_kernel_warning(int number) {
    if (number < 0 || number >= MOST || !is_complete[number]) return NULL;
    return warnings[number];
}

const char *mafin_next_kernel_warning(void) {
    int place = read_count;
    const char *next;
    // Each warning goes to one thread.
    while ((next = mafin_kernel_warning(place)) && !atomic_compare_exchange_weak(&read_count, &place, place + 1)) continue;
    return next;
}

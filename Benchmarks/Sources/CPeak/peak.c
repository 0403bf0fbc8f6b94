#include "peak.h"

#include <time.h>

typedef float v4 __attribute__((vector_size(16)));
typedef float v8 __attribute__((vector_size(32)));
typedef float v16 __attribute__((vector_size(64)));

enum { CHAINS = 10 };  // More than latency × units of any core; fewer than there are registers.

// `a * x + b` that stays finite: x tends to b / (1 - a).
#define RUN(name, vector, attributes)                                                                      \
    attributes static void name(long steps) {                                                              \
        vector x[CHAINS];                                                                                  \
        const vector a = (vector){0} + 0.999f, b = (vector){0} + 0.001f;                                   \
        for (int c = 0; c < CHAINS; c++) x[c] = (vector){0} + (float)c;                                    \
        for (long s = 0; s < steps; s++) {                                                                 \
            _Pragma("unroll") for (int c = 0; c < CHAINS; c++) x[c] = a * x[c] + b;                        \
        }                                                                                                  \
        for (int c = 0; c < CHAINS; c++) __asm__ volatile("" : : "m"(x[c]));                               \
    }

#if defined(__x86_64__)
RUN(run_512, v16, __attribute__((target("avx512f"), noinline)))
RUN(run_256, v8, __attribute__((target("avx2,fma"), noinline)))
#endif
RUN(run_128, v4, __attribute__((noinline)))

static double processor_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double mafin_peak(double seconds) {
    void (*run)(long) = run_128;
    int width = 4;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) {
        run = run_512;
        width = 16;
    } else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        run = run_256;
        width = 8;
    }
#endif
    const long steps = 2000000;
    double best = 0;
    const double end = processor_seconds() + seconds;
    do {
        const double start = processor_seconds();
        run(steps);
        const double rate = 2.0 * width * CHAINS * (double)steps / (processor_seconds() - start);
        if (rate > best) best = rate;
    } while (processor_seconds() < end);
    return best;
}

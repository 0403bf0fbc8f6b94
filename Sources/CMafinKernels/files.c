// A system call that Swift does not import from the C library.

#if defined(__linux__)
#define _GNU_SOURCE
#include <fcntl.h>
#endif

#include <errno.h>
#include <stdio.h>

#include "mafin_kernels.h"

int mafin_exchange(const char *a, const char *b) {
#if defined(__APPLE__)
    return renamex_np(a, b, RENAME_SWAP) == 0 ? 0 : errno;
#elif defined(RENAME_EXCHANGE)
    return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) == 0 ? 0 : errno;
#else
    (void)a, (void)b;
    return ENOTSUP;
#endif
}

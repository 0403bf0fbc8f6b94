// Functions of the C library that Swift's static runtime and libstdc++ name and that glibc 2.28 does not have. They are linked into the
// static program and library, which so run on older systems. `check_binary.py` fails if another such function appears.
#include <errno.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

// glibc 2.32: whether the process has one thread, with which libstdc++ saves atomic instructions. 0: it may have several.
char __libc_single_threaded = 0;

// glibc 2.36: random bits for std::random_device.
uint32_t arc4random(void) {
    uint32_t bits;
    ssize_t got;
    do {
        got = getrandom(&bits, sizeof bits, 0);
    } while (got < 0 && errno == EINTR);
    // Without random bits there is nothing safe to go on with.
    if (got != (ssize_t)sizeof bits) abort();
    return bits;
}

// Where libpng and libjpeg-turbo print, which link_static.py makes name this instead of stderr. mafin gives them handlers of its own, so they
// print nothing.
__attribute__((visibility("hidden"))) FILE *mafin_stderr;

__attribute__((constructor)) static void set_stderr(void) { mafin_stderr = stderr; }

// glibc 2.29: the working directory of a child process. Only Foundation's Process uses it, which mafin does not.
int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path) {
    (void)actions;
    (void)path;
    return ENOSYS;
}

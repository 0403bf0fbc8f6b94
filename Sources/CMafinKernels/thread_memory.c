// Scratch memory of a thread, kept from call to call and freed when the thread ends.

#include <pthread.h>
#include <stdlib.h>

#include "gemm_tiles.h"

typedef struct {
    void *bytes;
    size_t size;
} block;

static pthread_key_t key;

static void release(void *memory) {
    block *const used = memory;
    free(used->bytes);
    free(used);
}

static void make_key(void) {
    if (pthread_key_create(&key, release) != 0) abort();
}

void *mafin_thread_memory(size_t size) {
    static _Thread_local block *own;
    if (!own) {
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        pthread_once(&once, make_key);
        own = calloc(1, sizeof *own);
        if (!own || pthread_setspecific(key, own) != 0) abort();
    }
    if (size > own->size) {
        free(own->bytes);
        if (posix_memalign(&own->bytes, 64, size) != 0) abort();
        own->size = size;
    }
    return own->bytes;
}

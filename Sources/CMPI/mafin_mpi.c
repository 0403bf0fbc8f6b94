#include "mafin_mpi.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Elements or bytes of one call: MPI counts with int.
#define PIECE (1 << 28)

enum { THREAD_SERIALIZED = 2 };  // the same number in both families
enum { VERSION_ROOM = 8192 };    // MPI_MAX_LIBRARY_VERSION_STRING of MPICH; OpenMPI's is 256

// The functions that are used, with one family's type of handles.
#define FUNCTIONS(Handle)                                                                                       \
    int (*rank)(Handle, int *);                                                                                 \
    int (*size)(Handle, int *);                                                                                 \
    int (*allreduce)(const void *, void *, int, Handle, Handle, Handle);                                        \
    int (*allgatherv)(const void *, int, Handle, void *, const int *, const int *, Handle, Handle);             \
    int (*broadcast)(void *, int, Handle, int, Handle);                                                         \
    int (*abort)(Handle, int);                                                                                  \
    Handle world, real, byte, sum;

typedef void *Pointer;
static struct { FUNCTIONS(Pointer) } open_mpi;  // handles are addresses of objects in the library
static struct { FUNCTIONS(int) } mpich;         // handles are numbers

static int is_open_mpi, is_started;
static int my_rank, all_count = 1;
static char version[128];
static int (*finalize)(void);

static int failure(char *message, const char *what, const char *detail) {
    snprintf(message, MAFIN_MPI_MESSAGE, "%s: %s", what, detail ? detail : "not found");
    return 1;
}

// The library that belongs to the launcher. A launcher of one family cannot connect processes of another.
static const char *const open_mpi_names[] = {"libmpi.so.40", "libmpi.so.20", "libmpi.so", "libmpi.40.dylib", "libmpi.dylib", 0};
static const char *const mpich_names[] = {"libmpich.so.12", "libmpi.so.12", "libmpi.12.dylib", "libmpich.so", 0};

static void *open_library(const char *library, char *message) {
    // Global, because OpenMPI's own plugins look for its symbols.
    const int mode = RTLD_NOW | RTLD_GLOBAL;
    if (library) {
        void *handle = dlopen(library, mode);
        if (!handle) failure(message, "the MPI library cannot be opened", dlerror());
        return handle;
    }
    const int is_pmi = getenv("PMI_SIZE") != 0, is_open_mpis = getenv("OMPI_COMM_WORLD_SIZE") != 0;
    // Both families understand PMIx, which srun offers, and OpenMPI needs it.
    const char *const *families[2] = {is_pmi && !is_open_mpis ? 0 : open_mpi_names, is_open_mpis ? 0 : mpich_names};
    for (int family = 0; family < 2; family++) {
        for (int i = 0; families[family] && families[family][i]; i++) {
            void *handle = dlopen(families[family][i], mode);
            if (handle) return handle;
        }
    }
    failure(message, "no MPI library was found that fits the launcher", families[0] ? open_mpi_names[0] : mpich_names[0]);
    return 0;
}

static int find(void *handle, const char *name, void *target, char *message) {
    void *address = dlsym(handle, name);
    if (!address) return failure(message, "the MPI library lacks a function", name);
    memcpy(target, &address, sizeof address);
    return 0;
}

#define FIND_ALL(family)                                                                                        \
    (find(handle, "MPI_Comm_rank", &family.rank, message) || find(handle, "MPI_Comm_size", &family.size, message) ||     \
     find(handle, "MPI_Allreduce", &family.allreduce, message) ||                                               \
     find(handle, "MPI_Allgatherv", &family.allgatherv, message) ||                                             \
     find(handle, "MPI_Bcast", &family.broadcast, message) || find(handle, "MPI_Abort", &family.abort, message))

int mafin_mpi_open(const char *library, char message[MAFIN_MPI_MESSAGE]) {
    void *handle = open_library(library, message);
    if (!handle) return 1;
    is_open_mpi = dlsym(handle, "ompi_mpi_comm_world") != 0;
    if (is_open_mpi) {
        if (FIND_ALL(open_mpi) || find(handle, "ompi_mpi_comm_world", &open_mpi.world, message) ||
            find(handle, "ompi_mpi_float", &open_mpi.real, message) ||
            find(handle, "ompi_mpi_byte", &open_mpi.byte, message) ||
            find(handle, "ompi_mpi_op_sum", &open_mpi.sum, message))
            return 1;
    } else {
        if (FIND_ALL(mpich)) return 1;
        // From the common ABI of the MPICH family (MPICH ABI Compatibility Initiative).
        mpich.world = 0x44000000;
        mpich.real = 0x4c00040a;
        mpich.byte = 0x4c00010d;
        mpich.sum = 0x58000003;
    }
    int (*init)(int *, char ***, int, int *);
    int (*describe)(char *, int *);
    if (find(handle, "MPI_Init_thread", &init, message) || find(handle, "MPI_Finalize", &finalize, message) ||
        find(handle, "MPI_Get_library_version", &describe, message))
        return 1;
    char *text = malloc(VERSION_ROOM);
    int length = 0;
    if (text && describe(text, &length) == 0) {
        text[strcspn(text, ",\n")] = 0;
        snprintf(version, sizeof version, "%s", text);
    }
    free(text);
    int provided = 0;
    if (init(0, 0, THREAD_SERIALIZED, &provided)) return failure(message, "MPI_Init_thread failed", version);
    is_started = 1;
    if (provided < THREAD_SERIALIZED)
        return failure(message, "this MPI library allows calls from its first thread only", version);
    if (is_open_mpi ? open_mpi.rank(open_mpi.world, &my_rank) : mpich.rank(mpich.world, &my_rank))
        return failure(message, "MPI_Comm_rank failed", version);
    if (is_open_mpi ? open_mpi.size(open_mpi.world, &all_count) : mpich.size(mpich.world, &all_count))
        return failure(message, "MPI_Comm_size failed", version);
    return 0;
}

int mafin_mpi_rank(void) { return my_rank; }

int mafin_mpi_count(void) { return all_count; }

const char *mafin_mpi_version(void) { return version; }

int mafin_mpi_sum(float *values, int64_t count) {
    // MPI_IN_PLACE
    void *const in_place = is_open_mpi ? (void *)1 : (void *)-1;
    for (int64_t start = 0; start < count; start += PIECE) {
        int piece = (int)(count - start < PIECE ? count - start : PIECE);
        int code = is_open_mpi
            ? open_mpi.allreduce(in_place, values + start, piece, open_mpi.real, open_mpi.sum, open_mpi.world)
            : mpich.allreduce(in_place, values + start, piece, mpich.real, mpich.sum, mpich.world);
        if (code) return code;
    }
    return 0;
}

static int broadcast_from(void *bytes, int64_t count, int root) {
    for (int64_t start = 0; start < count; start += PIECE) {
        int piece = (int)(count - start < PIECE ? count - start : PIECE);
        int code = is_open_mpi
            ? open_mpi.broadcast((char *)bytes + start, piece, open_mpi.byte, root, open_mpi.world)
            : mpich.broadcast((char *)bytes + start, piece, mpich.byte, root, mpich.world);
        if (code) return code;
    }
    return 0;
}

int mafin_mpi_broadcast(void *bytes, int64_t count) { return broadcast_from(bytes, count, 0); }

int mafin_mpi_gather(const void *mine, void *all, const int64_t *counts) {
    int64_t total = 0;
    for (int i = 0; i < all_count; i++) total += counts[i];
    if (total > INT_MAX) {
        int64_t start = 0;
        for (int i = 0; i < all_count; i++) {
            if (i == my_rank) memcpy((char *)all + start, mine, (size_t)counts[i]);
            int code = broadcast_from((char *)all + start, counts[i], i);
            if (code) return code;
            start += counts[i];
        }
        return 0;
    }
    int *sizes = malloc(2 * sizeof(int) * (size_t)all_count);
    if (!sizes) return 1;
    int *starts = sizes + all_count;
    for (int i = 0, start = 0; i < all_count; start += (int)counts[i], i++) {
        sizes[i] = (int)counts[i];
        starts[i] = start;
    }
    int code = is_open_mpi
        ? open_mpi.allgatherv(
              mine, sizes[my_rank], open_mpi.byte, all, sizes, starts, open_mpi.byte, open_mpi.world)
        : mpich.allgatherv(mine, sizes[my_rank], mpich.byte, all, sizes, starts, mpich.byte, mpich.world);
    free(sizes);
    return code;
}

void mafin_mpi_abort(int status) {
    if (is_started) {
        if (is_open_mpi) open_mpi.abort(open_mpi.world, status);
        else mpich.abort(mpich.world, status);
    }
    _exit(status);
}

void mafin_mpi_finalize(void) {
    if (!is_started) return;
    is_started = 0;
    finalize();
}

// MPI without an MPI to build with: the library is opened when a launcher has started several processes. OpenMPI and the
// MPICH family (MPICH, Intel MPI, MVAPICH) have different handles, so each has its own function types.
#ifndef MAFIN_MPI_H
#define MAFIN_MPI_H

#include <stdint.h>

// Bytes of a message, its terminating zero included.
#define MAFIN_MPI_MESSAGE 512

// Opens the library and starts MPI. To be called once, from any thread; later calls may come from others, one at a time.
// `library`: path or name of the shared library; NULL: the one that fits the launcher's variables.
// Returns 0; otherwise `message` says why not.
int mafin_mpi_open(const char *library, char message[MAFIN_MPI_MESSAGE]);

// Number of this process and of all; valid after mafin_mpi_open.
int mafin_mpi_rank(void);
int mafin_mpi_count(void);

// First line of what the library says it is, such as "Open MPI v4.1.4".
const char *mafin_mpi_version(void);

// Replaces `count` floats by their sums over all processes. Every process gets the same bits.
int mafin_mpi_sum(float *values, int64_t count);

// Puts the bytes of all processes behind each other, in the order of the ranks. `counts`: bytes of each process, the same
// everywhere; `all` has room for their sum.
int mafin_mpi_gather(const void *mine, void *all, const int64_t *counts);

// Copies bytes from process 0 to all.
int mafin_mpi_broadcast(void *bytes, int64_t count);

// Ends all processes of the run with a status. Does not return.
void mafin_mpi_abort(int status);

// Ends MPI, once all processes have called it. Does nothing if MPI was not started.
void mafin_mpi_finalize(void);

#endif

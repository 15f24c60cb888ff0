// What training asks of MPI: the table that the plug-in libvidtwin-mpi.*.so gives, so that nobody else
// needs MPI. The plug-in is Sources/VidTwinMPI, built by `make mpi`.

#ifndef VIDTWIN_MPI_H
#define VIDTWIN_MPI_H

#include <stddef.h>

/// Of this table; a plug-in of another is refused.
#define VIDTWIN_MPI_VERSION 1

/// Where a process stands among those of its run.
typedef struct {
    int rank, count;
    /// How many of them run on this host.
    int on_host;
    char host[256];
    /// The library that was found, one line.
    char library[256];
} vt_mpi_place;

/// A sum over all processes that is on its way.
typedef struct vt_mpi_sum vt_mpi_sum;

/// All functions are called by one thread, and by all processes in the same order. Where MPI itself
/// fails, the plug-in says so in a line on standard error and ends all processes with status 1.
typedef struct {
    int version;
    /// Starts MPI, once; 0, or a text in `message`.
    int (*start)(vt_mpi_place *place, char *message, size_t capacity);
    /// Begins to replace `values` by their sums over all processes, which are added up in the order of
    /// ranks, in double, and rounded once: the same bits everywhere and every time. `values` belong to
    /// the sum until it is done. NULL where there is no memory.
    vt_mpi_sum *(*begin)(float *values, size_t count);
    /// Lets a sum go on; whether it is done.
    int (*progress)(vt_mpi_sum *sum);
    /// Waits for a sum and gives back its memory.
    void (*finish)(vt_mpi_sum *sum);
    /// Puts `bytes` of every process into `all`, in the order of ranks.
    void (*gather)(const void *mine, size_t bytes, void *all);
    /// Overwrites the bytes of all by those of rank 0.
    void (*broadcast)(void *bytes, size_t count);
    /// Ends all processes at once.
    void (*abort)(int status);
    /// Ends MPI, when all have come here.
    void (*end)(void);
} vt_mpi_table;

/// The plug-in's only symbol: `const vt_mpi_table *vidtwin_mpi(void)`.
typedef const vt_mpi_table *(*vt_mpi_entry)(void);

#endif

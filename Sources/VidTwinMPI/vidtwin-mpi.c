// libvidtwin-mpi.*.so: training by many processes, over MPI (`make mpi`). Everything that decides
// anything is Swift (VidTwinTraining/Distributed); this passes on, and adds up in an order of its own.

#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vidtwin_mpi.h"

static MPI_Comm all = MPI_COMM_NULL;
static int rank, count;
static char host[256];
/* Sums in work at once have tags of their own; all processes count alike. */
static int next_tag;
enum { tags = 1 << 14 };

static void end_all(int status) {
    MPI_Abort(MPI_COMM_WORLD, status);
    _Exit(status);
}

/* A network that is gone comes back for no one. */
static void check(int code, const char *what) {
    if (code == MPI_SUCCESS) return;
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    MPI_Error_string(code, text, &length);
    fprintf(stderr, "vtfilter: error: rank %d of %d (%s): %s: %s\n", rank, count, host, what, text);
    fflush(stderr);
    end_all(1);
}

/* Waiting leaves the core to threads that decode, or to another process that shares it. */
static void wait_for(int n, MPI_Request *requests, const char *what) {
    for (unsigned tries = 0;; tries++) {
        int done = 0;
        check(MPI_Testall(n, requests, &done, MPI_STATUSES_IGNORE), what);
        if (done) return;
        if (tries > 100) sched_yield();
    }
}

static int start(vt_mpi_place *place, char *message, size_t capacity) {
    int given = 0, done = 0;
    MPI_Initialized(&done);
    if (!done && MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &given) != MPI_SUCCESS) {
        snprintf(message, capacity, "MPI_Init_thread failed");
        return 1;
    }
    if (!done && given < MPI_THREAD_FUNNELED) {
        snprintf(message, capacity, "this MPI is not for programs with threads");
        return 1;
    }
    check(MPI_Comm_dup(MPI_COMM_WORLD, &all), "MPI_Comm_dup");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(all, MPI_ERRORS_RETURN);
    MPI_Comm_rank(all, &rank);
    MPI_Comm_size(all, &count);
    char name[MPI_MAX_PROCESSOR_NAME] = "", library[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length = 0;
    MPI_Get_processor_name(name, &length);
    snprintf(host, sizeof host, "%s", name);
    MPI_Get_library_version(library, &length);
    library[strcspn(library, ",\n")] = 0;
    for (char *c = library; *c; c++) if ((unsigned char)*c < ' ') *c = ' ';
    *place = (vt_mpi_place){.rank = rank, .count = count, .on_host = 1};
    snprintf(place->host, sizeof place->host, "%s", host);
    snprintf(place->library, sizeof place->library, "%s", library);
    MPI_Comm near = MPI_COMM_NULL;
    check(
        MPI_Comm_split_type(all, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &near),
        "MPI_Comm_split_type");
    MPI_Comm_size(near, &place->on_host);
    MPI_Comm_free(&near);
    return 0;
}

/* Every process adds up one part: the parts of the others come (1), are added up, and go back (2). */
struct vt_mpi_sum {
    float *values;      /* [count] */
    float *parts;       /* [processes][most] of this process's part */
    MPI_Request *requests;
    size_t size, most;
    int tag, step;
};

static size_t first_of(const vt_mpi_sum *sum, int of) {
    size_t at = (size_t)of * sum->most;
    return at < sum->size ? at : sum->size;
}

static int length_of(const vt_mpi_sum *sum, int of) {
    return (int)(first_of(sum, of + 1) - first_of(sum, of));
}

/* Begins to receive from another process, and to send to it; nothing with this one. */
static void exchange(
    vt_mpi_sum *sum, int other, float *into, int received, const float *from, int sent, int tag) {
    MPI_Request *two = sum->requests + 2 * other;
    two[0] = two[1] = MPI_REQUEST_NULL;
    if (other == rank) return;
    check(MPI_Irecv(into, received, MPI_FLOAT, other, tag, all, &two[0]), "MPI_Irecv");
    check(MPI_Isend(from, sent, MPI_FLOAT, other, tag, all, &two[1]), "MPI_Isend");
}

static vt_mpi_sum *begin(float *values, size_t size) {
    vt_mpi_sum *sum = calloc(1, sizeof *sum);
    if (!sum) return NULL;
    sum->values = values;
    sum->size = size;
    sum->most = (size + (size_t)count - 1) / (size_t)count;
    sum->parts = malloc(sizeof(float) * (sum->most ? sum->most : 1) * (size_t)count);
    sum->requests = malloc(sizeof(MPI_Request) * 2 * (size_t)count);
    if (!sum->parts || !sum->requests) {
        free(sum->parts);
        free(sum->requests);
        free(sum);
        return NULL;
    }
    sum->tag = next_tag;
    next_tag = (next_tag + 1) % tags;
    sum->step = 1;
    for (int other = 0; other < count; other++)
        exchange(
            sum, other, sum->parts + (size_t)other * sum->most, length_of(sum, rank),
            values + first_of(sum, other), length_of(sum, other), 2 * sum->tag);
    return sum;
}

/* In blocks, so that the compiler's loops run over neighbours and the totals stay in cache. */
static void add_up(vt_mpi_sum *sum) {
    enum { block = 512 };
    float *mine = sum->values + first_of(sum, rank);
    const size_t length = (size_t)length_of(sum, rank);
    double totals[block];
    for (size_t at = 0; at < length; at += block) {
        const size_t n = length - at < block ? length - at : block;
        memset(totals, 0, sizeof totals);
        for (int other = 0; other < count; other++) {
            const float *part =
                (other == rank ? mine : sum->parts + (size_t)other * sum->most) + at;
            for (size_t i = 0; i < n; i++) totals[i] += part[i];
        }
        for (size_t i = 0; i < n; i++) mine[at + i] = (float)totals[i];
    }
}

static void give_back(vt_mpi_sum *sum) {
    add_up(sum);
    sum->step = 2;
    for (int other = 0; other < count; other++)
        exchange(
            sum, other, sum->values + first_of(sum, other), length_of(sum, other),
            sum->values + first_of(sum, rank), length_of(sum, rank), 2 * sum->tag + 1);
}

static int progress(vt_mpi_sum *sum) {
    while (sum->step < 3) {
        int done = 0;
        check(MPI_Testall(2 * count, sum->requests, &done, MPI_STATUSES_IGNORE), "MPI_Testall");
        if (!done) return 0;
        if (sum->step == 1) give_back(sum);
        else sum->step = 3;
    }
    return 1;
}

static void finish(vt_mpi_sum *sum) {
    while (sum->step < 3) {
        wait_for(2 * count, sum->requests, "a sum over processes");
        if (sum->step == 1) give_back(sum);
        else sum->step = 3;
    }
    free(sum->parts);
    free(sum->requests);
    free(sum);
}

/* Counts of MPI are ints. */
static const size_t piece = (size_t)1 << 26;

static void gather(const void *mine, size_t bytes, void *into) {
    MPI_Request request;
    check(
        MPI_Iallgather(mine, (int)bytes, MPI_BYTE, into, (int)bytes, MPI_BYTE, all, &request),
        "MPI_Iallgather");
    wait_for(1, &request, "MPI_Iallgather");
}

static void broadcast(void *bytes, size_t size) {
    for (size_t at = 0; at < size; at += piece) {
        const size_t n = size - at < piece ? size - at : piece;
        MPI_Request request;
        check(
            MPI_Ibcast((char *)bytes + at, (int)n, MPI_BYTE, 0, all, &request), "MPI_Ibcast");
        wait_for(1, &request, "MPI_Ibcast");
    }
}

static void end(void) {
    int done = 0;
    MPI_Finalized(&done);
    if (done) return;
    MPI_Comm_free(&all);
    MPI_Finalize();
}

static const vt_mpi_table table = {
    VIDTWIN_MPI_VERSION, start, begin, progress, finish, gather, broadcast, end_all, end,
};

__attribute__((visibility("default"))) const vt_mpi_table *vidtwin_mpi(void);
const vt_mpi_table *vidtwin_mpi(void) { return &table; }

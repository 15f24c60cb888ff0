/* Fails one request for memory, or for a thread: the FAIL_AT-th one of FAIL_OVER bytes at least, or the
 * FAIL_THREAD-th. Loaded before a program by LD_PRELOAD; FAIL_COUNT names a file that gets how many
 * there were; FAIL_SAY says who asked for what failed.
 *
 * Left alone is what ends the process by itself when it gets nothing, and whose callers so cannot do
 * anything about it: Swift's own objects and arrays, C++'s `new`, and oneDNN, which writes the code of
 * its products through null (libvidtwin.so carries Swift's own: its `malloc`s). Limits on address space are the test of what is made sure of before those.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static long fail_at, fail_over = 4096, fail_thread;
static atomic_long requests, threads;
static void *(*real_mmap)(void *, size_t, int, int, int, off_t);
static int (*real_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
static atomic_int ready;
static _Thread_local int inside;

static long number(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

/* Libraries that are loaded before this one is ready ask, too: OpenBLAS begins its threads then. */
static void find(void) {
    if (real_create) return;
    real_mmap = (void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap");
    real_create = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(
        RTLD_NEXT, "pthread_create");
}

__attribute__((constructor)) static void begin(void) {
    fail_at = number("FAIL_AT", 0);
    fail_over = number("FAIL_OVER", 4096);
    fail_thread = number("FAIL_THREAD", 0);
    find();
    ready = 1;
}

__attribute__((destructor)) static void end(void) {
    const char *path = getenv("FAIL_COUNT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%ld %ld\n", (long)requests, (long)threads);
    fclose(file);
}

/* Whether this request is the one, made from `caller`. */
static int fails(size_t bytes, void *caller, int is_malloc) {
    if (!ready || inside || bytes < (size_t)fail_over) return 0;
    inside = 1;
    Dl_info info;
    const char *file = dladdr(caller, &info) && info.dli_fname ? info.dli_fname : "";
    const char *name = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
    int own = !strncmp(name, "libswift", 8) || !strncmp(name, "libdnnl", 7) ||
              !strncmp(name, "libstdc++", 9) || !strncmp(name, "ld-", 3) || !strncmp(name, "libgomp", 7) ||
              !strncmp(name, "libc.so", 7) || (is_malloc && !strncmp(name, "libvidtwin", 10));
    int chosen = !own && ++requests == fail_at;
    if (chosen && getenv("FAIL_SAY")) fprintf(stderr, "fail: %zu bytes for %s\n", bytes, name);
    inside = 0;
    return chosen;
}

#define CALLER __builtin_return_address(0)
#define REFUSE { errno = ENOMEM; return NULL; }

void *malloc(size_t bytes) {
    if (fails(bytes, CALLER, 1)) REFUSE
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes) {
    if (fails(count * bytes, CALLER, 1)) REFUSE
    return __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes) {
    if (fails(bytes, CALLER, 1)) REFUSE
    return __libc_realloc(old, bytes);
}

void *memalign(size_t alignment, size_t bytes) {
    if (fails(bytes, CALLER, 0)) REFUSE
    return __libc_memalign(alignment, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    if (fails(bytes, CALLER, 0)) REFUSE
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **out, size_t alignment, size_t bytes) {
    if (fails(bytes, CALLER, 0)) return ENOMEM;
    void *got = __libc_memalign(alignment, bytes);
    if (!got) return ENOMEM;
    *out = got;
    return 0;
}

void *mmap(void *at, size_t bytes, int protection, int flags, int file, off_t offset) {
    if (fails(bytes, CALLER, 0)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    find();
    return real_mmap(at, bytes, protection, flags, file, offset);
}

void *mmap64(void *at, size_t bytes, int protection, int flags, int file, off_t offset) {
    if (fails(bytes, CALLER, 0)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    find();
    return real_mmap(at, bytes, protection, flags, file, offset);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                   void *argument) {
    if (ready && ++threads == fail_thread) return EAGAIN;
    find();
    return real_create(thread, attributes, start, argument);
}

#pragma once
#include <errno.h>
#include <malloc.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

// What Swift's Glibc lacks: it sees no GNU extensions.

// Gives a file another name in its folder, where nothing has that name: else EEXIST. File systems
// that cannot promise it say EINVAL.
static inline int vt_rename_new(int folder, const char *from, const char *to) {
    return (int)syscall(SYS_renameat2, folder, from, folder, to, 1 /* RENAME_NOREPLACE */);
}

// An open folder of whatever permissions, to name files in.
static const int vt_path_only = 010000000; // O_PATH

// The kind of file system that an open file or folder is on (f_type of statfs); 0 where it is not known.
static inline unsigned vt_file_system(int descriptor) {
    struct statfs system;
    return fstatfs(descriptor, &system) == 0 ? (unsigned)system.f_type : 0;
}

// Has all threads ask one heap for memory.
static inline void vt_one_heap(void) { mallopt(M_ARENA_MAX, 1); }

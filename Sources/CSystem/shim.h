#pragma once
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

// What Swift's Glibc lacks: it sees no GNU extensions.

// Gives a file another name in its folder, where nothing has that name: else EEXIST. File systems
// that cannot promise it say EINVAL.
static inline int vt_rename_new(int folder, const char *from, const char *to) {
    return (int)syscall(SYS_renameat2, folder, from, folder, to, 1 /* RENAME_NOREPLACE */);
}

// An open folder of whatever permissions, to name files in.
static const int vt_path_only = 010000000; // O_PATH

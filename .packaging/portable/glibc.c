/* What glibc had otherwise before 2.29, 2.33 and 2.36, for what is linked on a new system and runs on an
 * older one: `ld --wrap=NAME` sends what calls NAME to __wrap_NAME. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <unistd.h>

#if !defined(__x86_64__)
#error "the versions below are those of x86-64"
#endif

/* 2.33: before, these were macros on functions that glibc keeps for ever. */
extern int old_xstat(int, const char *, struct stat *);
extern int old_fxstat(int, int, struct stat *);
extern int old_lxstat(int, const char *, struct stat *);
extern int old_fxstatat(int, int, const char *, struct stat *, int);
__asm__(".symver old_xstat,__xstat@GLIBC_2.2.5");
__asm__(".symver old_fxstat,__fxstat@GLIBC_2.2.5");
__asm__(".symver old_lxstat,__lxstat@GLIBC_2.2.5");
__asm__(".symver old_fxstatat,__fxstatat@GLIBC_2.4");
extern int old_xstat64(int, const char *, struct stat64 *);
extern int old_fxstat64(int, int, struct stat64 *);
extern int old_lxstat64(int, const char *, struct stat64 *);
__asm__(".symver old_xstat64,__xstat64@GLIBC_2.2.5");
__asm__(".symver old_fxstat64,__fxstat64@GLIBC_2.2.5");
__asm__(".symver old_lxstat64,__lxstat64@GLIBC_2.2.5");
int __wrap_stat64(const char *path, struct stat64 *to) { return old_xstat64(1, path, to); }
int __wrap_fstat64(int file, struct stat64 *to) { return old_fxstat64(1, file, to); }
int __wrap_lstat64(const char *path, struct stat64 *to) { return old_lxstat64(1, path, to); }
int __wrap_stat(const char *path, struct stat *to) { return old_xstat(1, path, to); }
int __wrap_fstat(int file, struct stat *to) { return old_fxstat(1, file, to); }
int __wrap_lstat(const char *path, struct stat *to) { return old_lxstat(1, path, to); }
int __wrap_fstatat(int folder, const char *path, struct stat *to, int flags) {
    return old_fxstatat(1, folder, path, to, flags);
}

/* 2.36: for seeds. */
unsigned __wrap_arc4random(void) {
    unsigned number = 0;
    while (getentropy(&number, sizeof number)) {
    }
    return number;
}

/* 2.32: whether the process has one thread, which the C++ library saves atomic operations by. No. */
char __libc_single_threaded = 0;

/* 2.29: which folder a child starts in, where the system can say it. */
int __wrap_posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path) {
    int (*known)(posix_spawn_file_actions_t *, const char *) =
        (int (*)(posix_spawn_file_actions_t *, const char *))dlsym(RTLD_DEFAULT, "posix_spawn_file_actions_addchdir_np");
    return known ? known(actions, path) : ENOSYS;
}

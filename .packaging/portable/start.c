/* How programs began before glibc 2.34: what calls the constructors was linked into them. Linked with the new way,
 * they would ask for glibc 2.34; `ld --wrap=__libc_start_main` sends the start here, and old and new systems take the
 * old way. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>

typedef int main_function(int, char **, char **);
typedef void init_function(int, char **, char **);

typedef int start_function(
    main_function *, int, char **, init_function *, void (*)(void), void (*)(void), void *);

extern void _init(void);
extern init_function *const __init_array_start[] __attribute__((visibility("hidden")));
extern init_function *const __init_array_end[] __attribute__((visibility("hidden")));

static void construct(int argc, char **argv, char **environment) {
    _init();
    for (init_function *const *each = __init_array_start; each != __init_array_end; each++)
        (*each)(argc, argv, environment);
}

/* What the program's end calls, the loader knows. By name, as the linker would send a call of it here again. */
int __wrap___libc_start_main(
    main_function *program, int argc, char **argv, init_function *init, void (*fini)(void),
    void (*loader_fini)(void), void *stack_end) {
    start_function *start = (start_function *)dlvsym(RTLD_DEFAULT, "__libc_start_main", "GLIBC_2.2.5");
    if (!start) _exit(127);
    return start(program, argc, argv, init ? init : construct, fini, loader_fini, stack_end);
}

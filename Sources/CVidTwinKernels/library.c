#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/auxv.h>

#include "vidtwin_kernels.h"

const char *vt_library_path(void) {
    Dl_info info;
    return dladdr((const void *)&vt_library_path, &info) ? info.dli_fname : 0;
}

const char *vt_program_path(void) { return (const char *)getauxval(AT_EXECFN); }

static int argument_count;
static char *const *arguments;

// The loader hands the program's own to whatever it starts; Swift's list is read from /proc.
__attribute__((constructor)) static void note_arguments(int count, char **values) {
    argument_count = count;
    arguments = values;
}

char *const *vt_program_arguments(int *count) {
    *count = argument_count;
    return arguments;
}

#define _GNU_SOURCE
#include <dlfcn.h>

#include "vidtwin_kernels.h"

const char *vt_library_path(void) {
    Dl_info info;
    return dladdr((const void *)&vt_library_path, &info) ? info.dli_fname : 0;
}

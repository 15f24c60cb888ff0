#include "vidtwin_kernels.h"

void vt_enter_floats(fenv_t *outer) {
    fegetenv(outer);
    fesetenv(FE_DFL_ENV);
}

void vt_leave_floats(const fenv_t *outer) { fesetenv(outer); }

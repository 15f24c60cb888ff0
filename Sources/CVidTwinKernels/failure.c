#include "vidtwin_kernels.h"

static _Thread_local int noted;

void vt_note_failure(int failure) {
    if (noted == 0) noted = failure;
}

int vt_take_failure(void) {
    int failure = noted;
    noted = 0;
    return failure;
}

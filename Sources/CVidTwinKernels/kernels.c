// Compiles kernels.inc for each CPU level of this machine's family and hands out the tables.

#include "vidtwin_kernels.h"

#include <math.h>
#include <string.h>

typedef float v16 __attribute__((vector_size(64)));
typedef int32_t i16 __attribute__((vector_size(64)));

#pragma clang fp contract(fast)
// Vectors cross only calls between static functions of one level, so no ABI is at stake.
#pragma clang diagnostic ignored "-Wpsabi"

#define LEVEL(name) name##_baseline
#define LEVEL_NAME "baseline"
#include "kernels.inc"
#undef LEVEL
#undef LEVEL_NAME

#if defined(__x86_64__)

#pragma clang attribute push(__attribute__((target("arch=x86-64-v3"))), apply_to = function)
#define LEVEL(name) name##_avx2
#define LEVEL_NAME "avx2"
#include "kernels.inc"
#undef LEVEL
#undef LEVEL_NAME
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("arch=x86-64-v4"))), apply_to = function)
#define LEVEL(name) name##_avx512
#define LEVEL_NAME "avx512"
#include "kernels.inc"
#undef LEVEL
#undef LEVEL_NAME
#pragma clang attribute pop

const vt_kernels *vt_kernels_at(vt_cpu_level level) {
    __builtin_cpu_init();
    switch (level) {
    case VT_CPU_BASELINE:
        return &kernels_baseline;
    case VT_CPU_AVX2:
        return __builtin_cpu_supports("x86-64-v3") ? &kernels_avx2 : NULL;
    case VT_CPU_AVX512:
        return __builtin_cpu_supports("x86-64-v4") ? &kernels_avx512 : NULL;
    }
    return NULL;
}

#else

const vt_kernels *vt_kernels_at(vt_cpu_level level) {
    return level == VT_CPU_BASELINE ? &kernels_baseline : NULL;
}

#endif

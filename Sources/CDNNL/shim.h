#pragma once
#include <dnnl.h>

// From the OpenMP runtime that oneDNN is built with: both speak of the calling thread alone.
extern void omp_set_num_threads(int count);
extern int omp_get_max_threads(void);

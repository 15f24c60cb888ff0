#include "vidtwin_training.h"

/* Sums and products stay apart: the bits do not depend on whether the CPU can fuse them. */
#pragma STDC FP_CONTRACT OFF

typedef float lanes __attribute__((vector_size(32), aligned(4)));

/* Square roots of vectors know no errno, which keeps loops of sqrtf scalar. */
size_t vt_adam_step(
    float *p, const float *g, float *m, float *v, size_t count, const vt_adam *k) {
    const size_t whole = count / 8 * 8;
    for (size_t i = 0; i < whole; i += 8) {
        const lanes weight = *(const lanes *)(p + i);
        const lanes gradient =
            *(const lanes *)(g + i) * k->gradient_scale + k->coupled_decay * weight;
        lanes mean = gradient;
        if (m != NULL) {
            const lanes old = *(const lanes *)(m + i);
            mean = k->rest1 < 0.5f ? old + k->rest1 * (gradient - old)
                                   : gradient - (gradient - old) * k->beta1;
            *(lanes *)(m + i) = mean;
        }
        const lanes square = *(const lanes *)(v + i) * k->beta2 + k->rest2 * gradient * gradient;
        *(lanes *)(v + i) = square;
        const lanes root = __builtin_elementwise_sqrt(square) / k->root + k->epsilon;
        *(lanes *)(p + i) = weight * k->keep - k->size * mean / root;
    }
    return whole;
}

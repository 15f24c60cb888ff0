// The inner loop of training that Swift does not vectorise: apart from the other kernels, so that
// libvidtwin.so carries none of it.

#ifndef VIDTWIN_TRAINING_H
#define VIDTWIN_TRAINING_H

#include <stddef.h>

/// The constants of one step of Adam; `AdamRule` of VidTwinTraining has the formula.
typedef struct {
    float gradient_scale, coupled_decay, keep;
    float beta1, rest1, beta2, rest2;
    float size, root, epsilon;
} vt_adam;

/// Steps the first weights of `count`, eight at a time, and returns how many; `m` is NULL with
/// β₁ = 0. The same bits as the formula in Swift, on every CPU.
size_t vt_adam_step(
    float *p, const float *g, float *m, float *v, size_t count, const vt_adam *constants);

#endif

// Data movement between layouts: nothing here depends on the CPU level.

#include "vidtwin_kernels.h"

#include <string.h>

// Where output row r begins, by time, height and width; what lies before the start wraps to a huge
// size_t, so that one comparison with the input's size serves both ends.
static inline size_t window_start(size_t r, const vt_window *w, size_t start[3]) {
    size_t at[3];
    at[2] = r % w->out[2], r /= w->out[2];
    at[1] = r % w->out[1], r /= w->out[1];
    at[0] = r % w->out[0], r /= w->out[0];
    for (int i = 0; i < 3; i++) start[i] = at[i] * w->stride[i] - w->padding[i];
    return r;
}

void vt_gather(const float *x, float *columns, size_t first_row, size_t rows,
               const vt_window *w, size_t first_tap, size_t taps) {
    const size_t bytes = w->channels * sizeof(float);
    const size_t clip = w->in[0] * w->in[1] * w->in[2] * w->channels;
    for (size_t r = first_row; r < first_row + rows; r++) {
        size_t start[3];
        const float *source = x + window_start(r, w, start) * clip;
        for (size_t tap = first_tap; tap < first_tap + taps; tap++, columns += w->channels) {
            const size_t ix = start[2] + tap % w->kernel[2];
            const size_t iy = start[1] + tap / w->kernel[2] % w->kernel[1];
            const size_t it = start[0] + tap / w->kernel[2] / w->kernel[1];
            if (it < w->in[0] && iy < w->in[1] && ix < w->in[2])
                memcpy(columns, source + ((it * w->in[1] + iy) * w->in[2] + ix) * w->channels,
                       bytes);
            else
                memset(columns, 0, bytes);
        }
    }
}

void vt_scatter_add(const float *columns, float *dx, size_t first_row, size_t rows,
                    const vt_window *w) {
    for (size_t r = first_row; r < first_row + rows; r++) {
        size_t start[3];
        window_start(r, w, start);
        for (size_t kt = 0; kt < w->kernel[0]; kt++)
            for (size_t ky = 0; ky < w->kernel[1]; ky++)
                for (size_t kx = 0; kx < w->kernel[2]; kx++, columns += w->channels) {
                    const size_t it = start[0] + kt, iy = start[1] + ky, ix = start[2] + kx;
                    if (it >= w->in[0] || iy >= w->in[1] || ix >= w->in[2]) continue;
                    float *to = dx + ((it * w->in[1] + iy) * w->in[2] + ix) * w->channels;
                    for (size_t c = 0; c < w->channels; c++) to[c] += columns[c];
                }
    }
}

void vt_patchify(const float *x, float *tokens, size_t first_row, size_t rows, size_t height,
                 size_t width, size_t channels, size_t pt, size_t ph, size_t pw) {
    const size_t columns = width / pw, lines = height / ph;
    for (size_t r = first_row; r < first_row + rows; r++) {
        const size_t w = r % columns, h = r / columns % lines, t = r / columns / lines;
        for (size_t c = 0; c < channels; c++)
            for (size_t i = 0; i < pt; i++)
                for (size_t j = 0; j < ph; j++) {
                    const float *line =
                        x + (((t * pt + i) * height + h * ph + j) * width + w * pw) * channels + c;
                    for (size_t k = 0; k < pw; k++) *tokens++ = line[k * channels];
                }
    }
}

void vt_unpatchify(const float *tokens, float *x, size_t first_row, size_t rows, size_t height,
                   size_t width, size_t channels, size_t pt, size_t ph, size_t pw) {
    const size_t columns = width / pw, lines = height / ph;
    for (size_t r = first_row; r < first_row + rows; r++) {
        const size_t w = r % columns, h = r / columns % lines, t = r / columns / lines;
        for (size_t i = 0; i < pt; i++)
            for (size_t j = 0; j < ph; j++, tokens += pw * channels)
                memcpy(x + (((t * pt + i) * height + h * ph + j) * width + w * pw) * channels,
                       tokens, pw * channels * sizeof(float));
    }
}

void vt_repatchify(const float *x, float *tokens, size_t first_row, size_t rows, size_t height,
                   size_t width, size_t channels, size_t pt, size_t ph, size_t pw) {
    const size_t columns = width / pw, lines = height / ph;
    for (size_t r = first_row; r < first_row + rows; r++) {
        const size_t w = r % columns, h = r / columns % lines, t = r / columns / lines;
        for (size_t i = 0; i < pt; i++)
            for (size_t j = 0; j < ph; j++, tokens += pw * channels)
                memcpy(tokens,
                       x + (((t * pt + i) * height + h * ph + j) * width + w * pw) * channels,
                       pw * channels * sizeof(float));
    }
}

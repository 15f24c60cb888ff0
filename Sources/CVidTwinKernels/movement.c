// Data movement between layouts: nothing here depends on the CPU level.

#include "vidtwin_kernels.h"

#include <string.h>

void vt_im2col(const float *x, float *columns, size_t first_row, size_t rows, size_t height,
               size_t width, size_t channels, size_t out_height, size_t out_width, size_t kernel,
               size_t stride, size_t padding) {
    const size_t bytes = channels * sizeof(float);
    for (size_t r = first_row; r < first_row + rows; r++) {
        const size_t ox = r % out_width, oy = r / out_width % out_height;
        const float *image = x + r / (out_width * out_height) * height * width * channels;
        for (size_t ky = 0; ky < kernel; ky++)
            for (size_t kx = 0; kx < kernel; kx++, columns += channels) {
                const size_t iy = oy * stride + ky - padding, ix = ox * stride + kx - padding;
                // Left of or above the picture wraps to a huge size_t, so one comparison serves.
                if (iy < height && ix < width)
                    memcpy(columns, image + (iy * width + ix) * channels, bytes);
                else
                    memset(columns, 0, bytes);
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

// The inner loops that are compiled for several CPU levels and chosen at run time.
//
// One loop nest each, no allocation, no errors, no threads: whoever calls decides what to run,
// on which rows and on which thread. Rows are contiguous unless a stride says otherwise; "stride"
// is always in elements. All arithmetic is float32 with a fixed order of summation (16 lanes), so
// a row's result does not depend on how rows are divided among threads.

#ifndef VIDTWIN_KERNELS_H
#define VIDTWIN_KERNELS_H

#include <fenv.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// CPU levels, each a superset of the one before.
typedef enum {
    VT_CPU_BASELINE = 0,  // x86-64 (SSE2), or the plain build on other machines
    VT_CPU_AVX2 = 1,      // x86-64-v3: AVX2, FMA, F16C
    VT_CPU_AVX512 = 2,    // x86-64-v4: AVX-512 F, BW, CD, DQ, VL
} vt_cpu_level;

/// What is applied to each element of a product.
typedef enum {
    VT_NONE = 0,
    VT_RELU = 1,
    VT_GELU_TANH = 2,
    VT_GELU_ERF = 3,
    VT_LEAKY_RELU = 4,  // slope 0.2 at and below 0
} vt_activation;

/// One set of kernels, all compiled for the same CPU level.
typedef struct {
    const char *name;

    /// y = (u - mean(u)) / sqrt(var(u) + eps) * (offset + scale) + shift, with u = x + residual.
    /// residual may be NULL (then u = x). y may alias x.
    void (*layer_norm)(const float *x, const float *residual, float *y, size_t rows, size_t columns,
                       const float *scale, float offset, const float *shift, float eps);

    /// y = x + gate * r, gate one value a column. y may alias x or r.
    void (*gated_residual)(const float *x, const float *gate, const float *r, float *y, size_t rows,
                           size_t columns);

    /// y[r, :] = x[r, :] + table[((first_row + r) / repeat) % period, :].
    void (*add_table)(const float *x, const float *table, float *y, size_t first_row, size_t rows,
                      size_t columns, size_t repeat, size_t period);

    /// y[h, w, :] = s[h, w, :] + x[w, :] + y_[h, :]; s may be NULL, x and y_ both or neither.
    void (*add_row_and_column)(const float *s, const float *x, const float *y_, float *y,
                               size_t height, size_t width, size_t columns);

    /// In place: x[r, j] = softmax over j < n of x[r, j] * scale.
    void (*softmax)(float *x, size_t rows, size_t n, size_t stride, float scale);

    /// out = softmax(q kT * scale) v for one head and a short context. Rows of q, k, v, out are
    /// `*_stride` apart. With causal, query i sees keys 0...i. n_keys <= VT_SHORT_ATTENTION. keep, one
    /// number a query and key, multiplies the probabilities, or is NULL.
    void (*short_attention)(const float *q, size_t q_stride, const float *k, size_t k_stride,
                            const float *v, size_t v_stride, const float *keep, float *out,
                            size_t out_stride, size_t n_queries, size_t n_keys, size_t depth,
                            float scale, int causal);

    /// In place: x[r, j] = max(x[r, j] + bias[r], 0) (relu != 0) or x[r, j] + bias[r].
    void (*add_row_bias)(float *x, const float *bias, size_t rows, size_t columns, size_t stride,
                         int relu);

    /// y[o, i] = mean over m of x[o, m, i].
    void (*mean_middle)(const float *x, float *y, size_t outer, size_t middle, size_t inner);

    /// y = v * step - 1 for 8-bit and 16-bit samples.
    void (*pixels_from_u8)(const uint8_t *v, float *y, size_t count);
    void (*pixels_from_u16)(const uint16_t *v, float *y, size_t count);

    /// v = round((clamp(y, -1, 1) + 1) * half range)
    void (*pixels_to_u8)(const float *y, uint8_t *v, size_t count);
    void (*pixels_to_u16)(const float *y, uint16_t *v, size_t count);

    /// y[w, :] = the largest of two neighbours in each of two rows; width counts outputs.
    void (*max_pool_row)(const float *upper, const float *lower, float *y, size_t width,
                         size_t channels);

    /// Sum over `width` pixels of sum over c of weight[c] * (x[c] / |x| - y[c] / |y|)^2, with
    /// 1e-10 added to the lengths.
    float (*lpips_row)(const float *x, const float *y, const float *weight, size_t width,
                       size_t channels);

    /// z = x + y. z may alias x or y.
    void (*add)(const float *x, const float *y, float *z, size_t count);

    /// y = f(x).
    void (*activate)(const float *x, float *y, size_t count, vt_activation f);

    // Derivatives. d is the gradient of the output; what is "added to" holds earlier sums.

    /// dx = d * f'(x); for ReLU x may be the output as well.
    void (*activate_backward)(const float *x, const float *d, float *dx, size_t count,
                              vt_activation f);

    /// sums[c] is added the sum over rows of x[r, c].
    void (*column_sums)(const float *x, float *sums, size_t rows, size_t columns);

    /// Of layer_norm: dx (of x and of residual alike); dscale and dshift are added to, or both NULL.
    void (*layer_norm_backward)(const float *x, const float *residual, const float *d, float *dx,
                                size_t rows, size_t columns, const float *scale, float offset,
                                float eps, float *dscale, float *dshift);

    /// Of gated_residual: dr = d * gate; dgate is added to, or NULL.
    void (*gated_residual_backward)(const float *d, const float *gate, const float *r, float *dr,
                                    size_t rows, size_t columns, float *dgate);

    /// Of softmax with its scale, in place: dp[r, j] becomes scale * p[r, j] * (dp[r, j] - sum over
    /// j of p[r, j] * dp[r, j]).
    void (*softmax_backward)(const float *p, float *dp, size_t rows, size_t n, size_t stride,
                             float scale);

    /// Of short_attention. dq, dk and dv lie as q, k and v do, and are written, not added to. keep, one
    /// number a query and key, multiplies the probabilities, or is NULL.
    void (*short_attention_backward)(const float *q, size_t q_stride, const float *k,
                                     size_t k_stride, const float *v, size_t v_stride,
                                     const float *d, size_t d_stride, const float *keep, float *dq,
                                     float *dk, float *dv, size_t n_queries, size_t n_keys,
                                     size_t depth, float scale, int causal);

    /// Of max_pool_row: d goes to the first of the largest in row-major order; the rest is 0.
    void (*max_pool_row_backward)(const float *upper, const float *lower, const float *d,
                                  float *dupper, float *dlower, size_t width, size_t channels);

    /// Of lpips_row by y, times factor; 0 where y is all zero.
    void (*lpips_row_backward)(const float *x, const float *y, const float *weight, float factor,
                               float *dy, size_t width, size_t channels);

    /// Sums by column of x and of (x - mean)^2 (mean NULL: of x^2 is left out) in double, added to.
    void (*column_moments)(const float *x, const double *mean, double *sums, size_t rows,
                           size_t columns);

    /// y = (x - mean) * inverse * weight + bias, by column.
    void (*batch_norm)(const float *x, float *y, size_t rows, size_t columns, const float *mean,
                       const float *inverse, const float *weight, const float *bias);

    /// Sums by column of d and of d * (x - mean) * inverse in double: [2, columns], added to.
    void (*batch_norm_sums)(const float *x, const float *d, double *sums, size_t rows,
                            size_t columns, const float *mean, const float *inverse);

    /// dx = d * a + (x - mean) * b + c, by column.
    void (*batch_norm_backward)(const float *x, const float *d, float *dx, size_t rows,
                                size_t columns, const float *mean, const float *a, const float *b,
                                const float *c);

    /// How many of x are NaN or infinite.
    size_t (*count_non_finite)(const float *x, size_t count);

    /// bfloat16 is the upper half of a float32: rounded to nearest, ties to even; NaN stays NaN.
    void (*to_bf16)(const float *x, uint16_t *y, size_t count);
    void (*from_bf16)(const uint16_t *x, float *y, size_t count);

    /// x[r, c] = scale[r] * (q[r, c] - zero[r]) to half a step, q in 0...levels (<= 255). The range
    /// of a row is that of its values and 0, so 0 is exact. A row with NaN or infinity has scale NaN.
    void (*quantise_rows)(const float *x, uint8_t *q, float *scale, int32_t *zero, size_t rows,
                          size_t columns, int levels);

    /// The weights of one output: q in -127...127 and the scale that is returned, x = scale * q to
    /// half a step; sum is that of q. What came from such a row gives the same q again.
    float (*quantise_weights)(const float *x, int8_t *q, int32_t *sum, size_t count);

    /// In place, sums of products of whole numbers to floats: f(row_scale * column_scale *
    /// (x - row_zero * column_sum) + bias). bias may be NULL.
    void (*dequantise)(int32_t *x, size_t rows, size_t columns, const float *row_scale,
                       const int32_t *row_zero, const float *column_scale,
                       const int32_t *column_sum, const float *bias, vt_activation f);
} vt_kernels;

/// Longest context of `short_attention`.
#define VT_SHORT_ATTENTION 64

/// The kernels of a level, or NULL where this CPU or this build does not have it.
const vt_kernels *vt_kernels_at(vt_cpu_level level);

/// A convolution's window: sizes of input, output, kernel and stride by time, height and width;
/// pictures have one time step, a kernel of 1 and no padding along it.
typedef struct {
    size_t in[3], out[3], kernel[3], stride[3], padding[3], channels;
} vt_window;

/// Data movement, the same on every CPU: gathers neighbourhoods.
///
/// x is [clips, in, channels]; output row r (of clips * out, from first_row on) becomes the kernel's
/// taps first_tap ..< first_tap + taps of channels values each, zero outside of the clip.
void vt_gather(const float *x, float *columns, size_t first_row, size_t rows,
               const vt_window *window, size_t first_tap, size_t taps);

/// The way back, for output rows of one clip: every neighbourhood, all taps, is added to the clip dx.
void vt_scatter_add(const float *columns, float *dx, size_t first_row, size_t rows,
                    const vt_window *window);

/// x [frames, height, width, channels] -> tokens [frames/pt, height/ph, width/pw] of
/// (channel, pt, ph, pw) values, for token rows first_row ..< first_row + rows of one clip.
void vt_patchify(const float *x, float *tokens, size_t first_row, size_t rows, size_t height,
                 size_t width, size_t channels, size_t pt, size_t ph, size_t pw);

/// The way back, from (pt, ph, pw, channel) values; the token order and sizes as above.
void vt_unpatchify(const float *tokens, float *x, size_t first_row, size_t rows, size_t height,
                   size_t width, size_t channels, size_t pt, size_t ph, size_t pw);

/// The inverse of vt_unpatchify.
void vt_repatchify(const float *x, float *tokens, size_t first_row, size_t rows, size_t height,
                   size_t width, size_t channels, size_t pt, size_t ph, size_t pw);

/// CPUs that this process may run on (its affinity mask), at least 1.
int vt_available_cpus(void);

/// Puts the thread's floating-point environment (rounding, traps, subnormals, flags) into `outer` and
/// takes the default one; and back.
void vt_enter_floats(fenv_t *outer);
void vt_leave_floats(const fenv_t *outer);

/// Notes a failure on the calling thread, the first one if several; and takes it back, 0 if none.
void vt_note_failure(int failure);
int vt_take_failure(void);

/// The file that this code was loaded from, as the loader names it; NULL where it does not say.
const char *vt_library_path(void);

/// The program's file by the name it was started with, which may be relative; and what it was called
/// with, its own name first. Both without /proc.
const char *vt_program_path(void);
char *const *vt_program_arguments(int *count);

#ifdef __cplusplus
}
#endif

#endif

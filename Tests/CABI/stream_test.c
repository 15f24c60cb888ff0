/* Streams: as many frames out as in, in order; strides; formats; overlap; reset; single clips.
 *
 *   stream_test MODEL_FOLDER
 */
#include "check.h"

/* Sends `count` frames, takes what comes, and returns them packed. */
static unsigned char *run(vidtwin_session *session, vidtwin_model_info info, int count) {
    const size_t size = (size_t)info.width * info.height * 3;
    unsigned char *all = malloc(size * (count ? count : 1));
    vidtwin_frame in = make_frame(VIDTWIN_FORMAT_RGB24, info.width, info.height);
    vidtwin_frame out = make_frame(VIDTWIN_FORMAT_RGB24, info.width, info.height);
    int taken = 0;
    vidtwin_status status;
    for (int t = 0; t < count; t++) {
        paint(&in, t);
        EXPECT(VIDTWIN_OK, vidtwin_session_send(session, &in, MESSAGE));
        while ((status = vidtwin_session_receive(session, &out, MESSAGE)) == VIDTWIN_OK) {
            CHECK(out.pts == 1000 + taken);
            memcpy(all + size * taken++, out.data[0], size);
        }
        CHECK(status == VIDTWIN_AGAIN);
    }
    EXPECT(VIDTWIN_OK, vidtwin_session_flush(session, MESSAGE));
    EXPECT(VIDTWIN_OK, vidtwin_session_flush(session, MESSAGE));
    while ((status = vidtwin_session_receive(session, &out, MESSAGE)) == VIDTWIN_OK) {
        CHECK(taken < count && out.pts == 1000 + taken);
        memcpy(all + size * taken++, out.data[0], size);
    }
    CHECK(status == VIDTWIN_END && taken == count);
    EXPECT(VIDTWIN_ERROR_STATE, vidtwin_session_send(session, &in, MESSAGE));
    free_frame(&in);
    free_frame(&out);
    return all;
}

static vidtwin_session *open_session(vidtwin_model *model, int part, int overlap, int sample) {
    vidtwin_session_options options;
    vidtwin_session *session = NULL;
    EXPECT(VIDTWIN_OK, vidtwin_session_options_default(&options, sizeof options));
    options.part = part;
    options.overlap = overlap;
    options.sample = sample;
    options.seed = 7;
    EXPECT(VIDTWIN_OK, vidtwin_session_open(&session, model, &options, MESSAGE));
    return session;
}

/* Bottom-up rows with gaps give what dense rows give, in and out, and gaps are left alone. */
static void strides(vidtwin_model *model, vidtwin_model_info info, const unsigned char *expected) {
    const int w = info.width, h = info.height, n = info.clip_frames, stride = w * 3 + 13;
    vidtwin_session *session = open_session(model, VIDTWIN_PART_ALL, 0, 0);
    vidtwin_frame dense = make_frame(VIDTWIN_FORMAT_RGB24, w, h);
    unsigned char *memory = malloc((size_t)stride * h);
    vidtwin_frame odd = dense;
    odd.data[0] = memory + (size_t)stride * (h - 1);
    odd.stride[0] = -stride;
    for (int t = 0; t < n; t++) {
        paint(&dense, t);
        for (int y = 0; y < h; y++)
            memcpy((char *)odd.data[0] - (ptrdiff_t)y * stride,
                   (char *)dense.data[0] + y * w * 3, w * 3);
        EXPECT(VIDTWIN_OK, vidtwin_session_send(session, &odd, MESSAGE));
    }
    memset(memory, 0xa5, (size_t)stride * h);
    for (int t = 0; t < n; t++) {
        EXPECT(VIDTWIN_OK, vidtwin_session_receive(session, &odd, MESSAGE));
        for (int y = 0; y < h; y++) {
            const unsigned char *row = (unsigned char *)odd.data[0] - (ptrdiff_t)y * stride;
            CHECK(!memcmp(row, expected + ((size_t)t * h + y) * w * 3, w * 3));
            for (int gap = w * 3; gap < stride; gap++) CHECK(row[gap] == 0xa5);
        }
    }
    free(memory);
    free_frame(&dense);
    vidtwin_session_close(&session);
}

/* Planar floats give what bytes give, before rounding. */
static void floats(vidtwin_model *model, vidtwin_model_info info, const unsigned char *expected) {
    vidtwin_session *session = open_session(model, VIDTWIN_PART_ALL, 0, 0);
    vidtwin_frame f = make_frame(VIDTWIN_FORMAT_RGBF32_PLANAR, info.width, info.height);
    const int count = info.width * info.height;
    for (int t = 0; t < info.clip_frames; t++) {
        paint(&f, t);
        EXPECT(VIDTWIN_OK, vidtwin_session_send(session, &f, MESSAGE));
    }
    for (int t = 0; t < info.clip_frames; t++) {
        EXPECT(VIDTWIN_OK, vidtwin_session_receive(session, &f, MESSAGE));
        for (int i = 0; i < count; i++)
            for (int c = 0; c < 3; c++) {
                float v = ((float *)f.data[c])[i];
                CHECK(v >= 0 && v <= 1);
                CHECK(fabsf(v * 255 - expected[((size_t)t * count + i) * 3 + c]) <= 0.502f);
            }
    }
    /* NaN is refused, and the stream goes on without that frame. */
    paint(&f, 0);
    ((float *)f.data[1])[5] = NAN;
    EXPECT(VIDTWIN_ERROR_DATA, vidtwin_session_send(session, &f, MESSAGE));
    CHECK(strstr(message, "NaN"));
    ((float *)f.data[1])[5] = 0.5f;
    EXPECT(VIDTWIN_OK, vidtwin_session_send(session, &f, MESSAGE));
    EXPECT(VIDTWIN_AGAIN, vidtwin_session_receive(session, &f, MESSAGE));
    /* Finite samples that no picture has break the computation; the failure stays until a reset. */
    ((float *)f.data[1])[5] = 3e38f;
    vidtwin_status status = VIDTWIN_OK;
    for (int t = 1; t < info.clip_frames && status == VIDTWIN_OK; t++)
        status = vidtwin_session_send(session, &f, MESSAGE);
    CHECK(status == VIDTWIN_ERROR_DATA);
    EXPECT(VIDTWIN_ERROR_DATA, vidtwin_session_send(session, &f, MESSAGE));
    EXPECT(VIDTWIN_ERROR_DATA, vidtwin_session_receive(session, &f, MESSAGE));
    EXPECT(VIDTWIN_ERROR_DATA, vidtwin_session_flush(session, MESSAGE));
    CHECK(strstr(message, "NaN or infinite"));
    EXPECT(VIDTWIN_OK, vidtwin_session_reset(session, MESSAGE));
    EXPECT(VIDTWIN_AGAIN, vidtwin_session_receive(session, &f, MESSAGE));
    free_frame(&f);
    vidtwin_session_close(&session);
}

/* Bytes in planes, with gaps between rows, give what packed ones give; what was sent packed can be
 * received in planes. Floats cannot. */
static void planes(vidtwin_model *model, vidtwin_model_info info, const unsigned char *expected) {
    const int w = info.width, h = info.height, stride = w + 5;
    vidtwin_session *session = open_session(model, VIDTWIN_PART_ALL, 0, 0);
    vidtwin_frame packed = make_frame(VIDTWIN_FORMAT_RGB24, w, h);
    vidtwin_frame f = make_frame(VIDTWIN_FORMAT_RGB24_PLANAR, stride, h);
    vidtwin_frame wide = make_frame(VIDTWIN_FORMAT_RGBF32_PLANAR, w, h);
    f.width = w;
    for (int t = 0; t < info.clip_frames; t++) {
        paint(&packed, t);
        paint(&f, t);
        EXPECT(VIDTWIN_OK, vidtwin_session_send(session, t % 2 ? &f : &packed, MESSAGE));
    }
    EXPECT(VIDTWIN_ERROR_ARGUMENT, vidtwin_session_receive(session, &wide, MESSAGE));
    for (int t = 0; t < info.clip_frames; t++) {
        for (int c = 0; c < 3; c++) memset(f.data[c], 0xa5, (size_t)stride * h);
        EXPECT(VIDTWIN_OK, vidtwin_session_receive(session, &f, MESSAGE));
        CHECK(f.pts == 1000 + t);
        for (int y = 0; y < h; y++)
            for (int c = 0; c < 3; c++) {
                const unsigned char *row = (unsigned char *)f.data[c] + y * stride;
                for (int x = 0; x < w; x++)
                    CHECK(row[x] == expected[(((size_t)t * h + y) * w + x) * 3 + c]);
                for (int gap = w; gap < stride; gap++) CHECK(row[gap] == 0xa5);
            }
    }
    f.stride[2] = w - 1;
    EXPECT(VIDTWIN_ERROR_ARGUMENT, vidtwin_session_send(session, &f, MESSAGE));
    CHECK(strstr(message, "stride[2]"));
    free_frame(&packed);
    free_frame(&f);
    free_frame(&wide);
    vidtwin_session_close(&session);
}

static size_t product(const int32_t *shape, int axes) {
    size_t count = 1;
    for (int i = 0; i < axes; i++) count *= (size_t)shape[i];
    return count;
}

static vidtwin_latents make_latents(vidtwin_model_info info) {
    vidtwin_latents l;
    l.structure_count = product(info.structure_shape, 4);
    l.dynamics_x_count = product(info.dynamics_x_shape, 3);
    l.dynamics_y_count = product(info.dynamics_y_shape, 3);
    l.structure = calloc(l.structure_count, sizeof(float));
    l.dynamics_x = calloc(l.dynamics_x_count, sizeof(float));
    l.dynamics_y = calloc(l.dynamics_y_count, sizeof(float));
    return l;
}

static void free_latents(vidtwin_latents *l) {
    free(l->structure);
    free(l->dynamics_x);
    free(l->dynamics_y);
}

/* A sample is its mean, and noise as the log-variance has it; asking for both leaves the noise alone. */
static void moments(vidtwin_model *model, vidtwin_model_info info) {
    vidtwin_latents mean = make_latents(info), plain = make_latents(info);
    vidtwin_latents log_variance = make_latents(info), sample = make_latents(info);
    vidtwin_frame f = make_frame(VIDTWIN_FORMAT_RGB24, info.width, info.height);
    vidtwin_session *still = open_session(model, VIDTWIN_PART_ALL, 0, 0);
    vidtwin_session *noisy = open_session(model, VIDTWIN_PART_STRUCTURE, 0, 1);
    const size_t s = mean.structure_count, x = mean.dynamics_x_count, y = mean.dynamics_y_count;
    paint(&f, 3);
    EXPECT(VIDTWIN_OK, vidtwin_session_encode(still, &f, 1, &plain, MESSAGE));
    EXPECT(VIDTWIN_OK, vidtwin_session_encode(noisy, &f, 1, &sample, MESSAGE));
    EXPECT(VIDTWIN_OK, vidtwin_session_reset(noisy, MESSAGE));
    EXPECT(VIDTWIN_OK, vidtwin_session_moments(noisy, &f, 1, &mean, &log_variance, MESSAGE));
    CHECK(!memcmp(mean.structure, plain.structure, s * sizeof(float)));
    CHECK(!memcmp(mean.dynamics_x, plain.dynamics_x, x * sizeof(float)));
    CHECK(!memcmp(mean.dynamics_y, plain.dynamics_y, y * sizeof(float)));
    double sum = 0, squares = 0;
    for (size_t i = 0; i < s; i++) {
        CHECK(log_variance.structure[i] >= -30 && log_variance.structure[i] <= 20);
        double noise = (sample.structure[i] - mean.structure[i]) / exp(0.5 * log_variance.structure[i]);
        CHECK(fabs(noise) < 6);
        sum += noise;
        squares += noise * noise;
    }
    CHECK(fabs(sum / s) < 5 / sqrt((double)s) && fabs(squares / s - 1) < 8 / sqrt((double)s));
    EXPECT(VIDTWIN_OK, vidtwin_session_encode(noisy, &f, 1, &plain, MESSAGE));
    CHECK(!memcmp(sample.dynamics_y, plain.dynamics_y, y * sizeof(float)));
    EXPECT(VIDTWIN_ERROR_ARGUMENT, vidtwin_session_moments(still, &f, 1, NULL, &mean, MESSAGE));
    EXPECT(VIDTWIN_ERROR_ARGUMENT, vidtwin_session_moments(still, &f, 1, &mean, NULL, MESSAGE));
    EXPECT(VIDTWIN_ERROR_ARGUMENT, vidtwin_session_moments(still, &f, 0, &mean, &plain, MESSAGE));
    EXPECT(VIDTWIN_ERROR_ARGUMENT, vidtwin_session_moments(still, NULL, 1, &mean, &plain, MESSAGE));
    EXPECT(VIDTWIN_ERROR_ARGUMENT, vidtwin_session_moments(NULL, &f, 1, &mean, &plain, MESSAGE));
    plain.dynamics_x_count--;
    EXPECT(VIDTWIN_ERROR_ARGUMENT, vidtwin_session_moments(still, &f, 1, &mean, &plain, MESSAGE));
    CHECK(strstr(message, "log_variance.dynamics_x_count"));
    free_latents(&mean);
    free_latents(&plain);
    free_latents(&log_variance);
    free_latents(&sample);
    free_frame(&f);
    vidtwin_session_close(&still);
    vidtwin_session_close(&noisy);
}

/* Encoding and decoding a clip gives the stream's pixels; crossing is decoding A with B. */
static void clips(vidtwin_model *model, vidtwin_model_info info, const unsigned char *expected) {
    const int n = info.clip_frames;
    const size_t size = (size_t)info.width * info.height * 3;
    vidtwin_frame *a = malloc(n * sizeof *a), *b = malloc(n * sizeof *b), *out = malloc(n * sizeof *out);
    vidtwin_session *session = open_session(model, VIDTWIN_PART_ALL, 0, 0);
    vidtwin_latents of_a, of_b, mixed;
    vidtwin_latents *both[2] = {&of_a, &of_b};
    for (int t = 0; t < n; t++) {
        a[t] = make_frame(VIDTWIN_FORMAT_RGB24, info.width, info.height);
        b[t] = make_frame(VIDTWIN_FORMAT_RGB24, info.width, info.height);
        out[t] = make_frame(VIDTWIN_FORMAT_RGB24, info.width, info.height);
        paint(&a[t], t);
        paint(&b[t], 50 + 2 * t);
    }
    for (int i = 0; i < 2; i++) {
        *both[i] = make_latents(info);
        EXPECT(VIDTWIN_OK, vidtwin_session_encode(session, i ? b : a, n, both[i], MESSAGE));
    }
    EXPECT(VIDTWIN_OK, vidtwin_session_decode(session, &of_a, out, n, MESSAGE));
    for (int t = 0; t < n; t++) CHECK(!memcmp(out[t].data[0], expected + size * t, size));
    CHECK(memcmp(of_a.structure, of_b.structure, of_a.structure_count * sizeof(float)));

    mixed = of_b;
    mixed.structure = of_a.structure;
    EXPECT(VIDTWIN_OK, vidtwin_session_decode(session, &mixed, out, n, MESSAGE));
    unsigned char *crossed = malloc(size * n);
    for (int t = 0; t < n; t++) {
        memcpy(crossed + size * t, out[t].data[0], size);
        memset(out[t].data[0], 0, size);
        out[t].pts = -1;
    }
    EXPECT(VIDTWIN_OK, vidtwin_session_cross(session, a, n, b, n, out, MESSAGE));
    for (int t = 0; t < n; t++) {
        CHECK(!memcmp(out[t].data[0], crossed + size * t, size));
        CHECK(out[t].pts == a[t].pts);
    }
    CHECK(memcmp(crossed, expected, size * n));
    /* The shorter clip says how many frames there are. */
    out[3].pts = -1;
    EXPECT(VIDTWIN_OK, vidtwin_session_cross(session, a, n, b, 3, out, MESSAGE));
    CHECK(out[2].pts == a[2].pts && out[3].pts == -1);

    /* A part needs only its own latents. */
    vidtwin_session *part = open_session(model, VIDTWIN_PART_STRUCTURE, 0, 0);
    vidtwin_latents alone;
    memset(&alone, 0, sizeof alone);
    alone.structure = of_a.structure;
    alone.structure_count = of_a.structure_count;
    EXPECT(VIDTWIN_OK, vidtwin_session_decode(part, &alone, out, n, MESSAGE));
    EXPECT(VIDTWIN_ERROR_ARGUMENT, vidtwin_session_decode(session, &alone, out, n, MESSAGE));
    CHECK(strstr(message, "dynamics_x"));
    of_a.structure[0] = INFINITY;
    EXPECT(VIDTWIN_ERROR_DATA, vidtwin_session_decode(part, &alone, out, n, MESSAGE));
    vidtwin_session_close(&part);
    for (int i = 0; i < 2; i++) free_latents(both[i]);
    for (int t = 0; t < n; t++) {
        free_frame(&a[t]);
        free_frame(&b[t]);
        free_frame(&out[t]);
    }
    free(a);
    free(b);
    free(out);
    free(crossed);
    vidtwin_session_close(&session);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    vidtwin_model *model = open_model(argv[1], 2);
    vidtwin_model_info info = info_of(model);
    const size_t size = (size_t)info.width * info.height * 3;
    vidtwin_session *session = open_session(model, VIDTWIN_PART_ALL, 0, 0);
    unsigned char *clip = run(session, info, info.clip_frames);
    strides(model, info, clip);
    floats(model, info, clip);
    planes(model, info, clip);
    moments(model, info);
    clips(model, info, clip);
    const int counts[] = {0, 1, 15, 16, 17, 37};
    for (int i = 0; i < 6; i++) {
        EXPECT(VIDTWIN_OK, vidtwin_session_reset(session, MESSAGE));
        unsigned char *all = run(session, info, counts[i]);
        if (counts[i] >= 16) CHECK(!memcmp(all, clip, size * 16));
        free(all);
    }
    vidtwin_session_close(&session);
    for (int overlap = 1; overlap < info.clip_frames; overlap += 7) {
        session = open_session(model, VIDTWIN_PART_ALL, overlap, 0);
        free(run(session, info, 37));
        vidtwin_session_close(&session);
    }
    /* The same seed gives the same frames, also after a reset, and others than the mean. */
    session = open_session(model, VIDTWIN_PART_ALL, 0, 1);
    unsigned char *first = run(session, info, 20);
    EXPECT(VIDTWIN_OK, vidtwin_session_reset(session, MESSAGE));
    unsigned char *second = run(session, info, 20);
    CHECK(!memcmp(first, second, size * 20));
    CHECK(memcmp(first, clip, size * 16));
    free(first);
    free(second);
    free(clip);
    /* The model may be closed first. */
    vidtwin_model_close(&model);
    CHECK(!model);
    EXPECT(VIDTWIN_OK, vidtwin_session_reset(session, MESSAGE));
    free(run(session, info, 3));
    vidtwin_session_close(&session);
    CHECK(!session);
    puts("streams: as many frames out as in, strides, floats, planes, overlap, seeds, clips, moments");
    return 0;
}

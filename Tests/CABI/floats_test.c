/* Whatever the host's rounding, traps and subnormals are: the same frames, and they stay as they are.
 *
 *   floats_test MODEL_FOLDER
 */
#define _GNU_SOURCE
#include <fenv.h>
#include <pthread.h>
#include <xmmintrin.h>

#include "check.h"

static vidtwin_model *model;
static vidtwin_model_info info;

static void clip(unsigned char *bytes, vidtwin_latents *latents) {
    const size_t size = (size_t)info.width * info.height * 3;
    vidtwin_session *session = NULL;
    vidtwin_frame *frames = malloc(sizeof *frames * info.clip_frames);
    EXPECT(VIDTWIN_OK, vidtwin_session_open(&session, model, NULL, MESSAGE));
    for (int t = 0; t < info.clip_frames; t++) {
        frames[t] = make_frame(VIDTWIN_FORMAT_RGB24, info.width, info.height);
        paint(&frames[t], t);
    }
    EXPECT(VIDTWIN_OK, vidtwin_session_encode(session, frames, info.clip_frames, latents, MESSAGE));
    EXPECT(VIDTWIN_OK, vidtwin_session_decode(session, latents, frames, info.clip_frames, MESSAGE));
    for (int t = 0; t < info.clip_frames; t++) {
        memcpy(bytes + size * t, frames[t].data[0], size);
        free_frame(&frames[t]);
    }
    free(frames);
    vidtwin_session_close(&session);
}

static vidtwin_latents latents(void) {
    vidtwin_latents l;
    l.structure_count = l.dynamics_x_count = l.dynamics_y_count = 1;
    for (int i = 0; i < 4; i++) l.structure_count *= info.structure_shape[i];
    for (int i = 0; i < 3; i++) l.dynamics_x_count *= info.dynamics_x_shape[i];
    for (int i = 0; i < 3; i++) l.dynamics_y_count *= info.dynamics_y_shape[i];
    l.structure = malloc(l.structure_count * sizeof(float));
    l.dynamics_x = malloc(l.dynamics_x_count * sizeof(float));
    l.dynamics_y = malloc(l.dynamics_y_count * sizeof(float));
    return l;
}

static unsigned char *bytes[2];
static vidtwin_latents found[2];
static void *compute(void *unused) {
    (void)unused;
    clip(bytes[1], &found[1]);
    return NULL;
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    model = open_model(argv[1], 2);
    info = info_of(model);
    const size_t size = (size_t)info.width * info.height * 3 * info.clip_frames;
    for (int i = 0; i < 2; i++) {
        bytes[i] = malloc(size);
        found[i] = latents();
    }
    clip(bytes[0], &found[0]);
    const int roundings[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO, FE_TONEAREST};
    for (int i = 0; i < 8; i++) {
        vidtwin_model_close(&model); /* the pool's threads begin as the opening thread is */
        CHECK(!fesetround(roundings[i % 4]));
        if (i >= 4) _mm_setcsr(_mm_getcsr() | 0x8040); /* subnormals are zero */
        if (i == 7) CHECK(feenableexcept(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW | FE_INEXACT) >= 0);
        const unsigned before = _mm_getcsr() & 0xffc0;
        model = open_model(argv[1], 2);
        compute(NULL);
        CHECK((_mm_getcsr() & 0xffc0) == before && fegetround() == roundings[i % 4]);
        fedisableexcept(FE_ALL_EXCEPT);
        fesetenv(FE_DFL_ENV);
        CHECK(!memcmp(bytes[0], bytes[1], size));
        CHECK(!memcmp(found[0].structure, found[1].structure, 4 * found[0].structure_count));
        CHECK(!memcmp(found[0].dynamics_x, found[1].dynamics_x, 4 * found[0].dynamics_x_count));
    }

    /* A small stack is enough. */
    pthread_attr_t attributes;
    pthread_t thread;
    CHECK(!pthread_attr_init(&attributes) && !pthread_attr_setstacksize(&attributes, 64 << 10));
    memset(bytes[1], 0, size);
    CHECK(!pthread_create(&thread, &attributes, compute, NULL) && !pthread_join(thread, NULL));
    CHECK(!memcmp(bytes[0], bytes[1], size));
    for (int i = 0; i < 2; i++) {
        free(bytes[i]);
        free(found[i].structure);
        free(found[i].dynamics_x);
        free(found[i].dynamics_y);
    }
    vidtwin_model_close(&model);
    puts("floats: any rounding, traps and a stack of 64 kB");
    return 0;
}

/*
 * frei0r plug-in "vidtwin": video through a VidTwin autoencoder, for hosts that load plug-ins
 * (ffmpeg's frei0r filter, GStreamer, MLT's editors), by libvidtwin.
 *
 * frei0r wants one frame out for every frame in, and a clip is computed when it is full: frame n
 * comes out when frame n + DELAY goes in, black frames before it. README.md has the limits.
 */

#include <errno.h>
#include <frei0r.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vidtwin.h>

/* frei0r has no way to say that a host must wait. Clips of 16 frames are ready after 16. */
#define DELAY 16

enum { PARAM_MODEL, PARAM_PART, PARAM_PRECISION, PARAM_THREADS, PARAM_OVERLAP, PARAM_COUNT };

/* All of them texts: frei0r's numbers go from 0 to 1, which GStreamer holds them to and MLT scales by.
 * An empty one means the default. */
static const f0r_param_info_t parameters[PARAM_COUNT] = {
    {"model", F0R_PARAM_STRING, "folder, or name of an installed model; empty: the default"},
    {"part", F0R_PARAM_STRING, "latents that are decoded: all, structure or dynamics"},
    {"precision", F0R_PARAM_STRING, "auto, f32, bf16 or int8"},
    {"threads", F0R_PARAM_STRING, "how many compute; 0: all CPUs"},
    {"overlap", F0R_PARAM_STRING, "frames that clips share and cross-fade, 0 to 15"},
};
static const char *const defaults[PARAM_COUNT] = {"", "all", "auto", "0", "0"};

typedef struct Instance {
    unsigned width, height;
    char *text[PARAM_COUNT];
    int changed; /* parameters differ from those of the session */
    int broken;  /* said so already; until parameters change */
    vidtwin_model *model;
    vidtwin_session *session;
    uint8_t *rgb;
    int given, ready; /* frames that were sent, and that can be shown */
    uint8_t *delayed; /* DELAY frames that wait for their turn */
    double time;
} Instance;

int f0r_init(void) { return vidtwin_api_version() >> 16 == VIDTWIN_API_MAJOR; }

void f0r_deinit(void) {}

void f0r_get_plugin_info(f0r_plugin_info_t *info) {
    info->name = "vidtwin";
    info->author = "the vidtwin project";
    info->plugin_type = F0R_PLUGIN_TYPE_FILTER;
    info->color_model = F0R_COLOR_MODEL_RGBA8888;
    info->frei0r_version = FREI0R_MAJOR_VERSION;
    info->major_version = 1;
    info->minor_version = 0;
    info->num_params = PARAM_COUNT;
    info->explanation = "Encodes and decodes video with VidTwin; 16 frames late";
}

void f0r_get_param_info(f0r_param_info_t *info, int index) {
    if (index >= 0 && index < PARAM_COUNT) *info = parameters[index];
}

f0r_instance_t f0r_construct(unsigned int width, unsigned int height) {
    Instance *f = calloc(1, sizeof *f);
    if (!f) return NULL;
    f->width = width;
    f->height = height;
    f->changed = 1;
    for (int i = 0; i < PARAM_COUNT; i++) {
        if ((f->text[i] = strdup(defaults[i]))) continue;
        f0r_destruct(f);
        return NULL;
    }
    return f;
}

static void stop(Instance *f) {
    vidtwin_session_close(&f->session);
    vidtwin_model_close(&f->model);
    free(f->rgb);
    free(f->delayed);
    f->rgb = f->delayed = NULL;
    f->given = f->ready = 0;
}

void f0r_destruct(f0r_instance_t instance) {
    Instance *f = instance;
    stop(f);
    for (int i = 0; i < PARAM_COUNT; i++) free(f->text[i]);
    free(f);
}

/* Hosts set every parameter before every frame: one that is as it was must cost nothing. */
void f0r_set_param_value(f0r_instance_t instance, f0r_param_t value, int index) {
    Instance *f = instance;
    const char *text;
    char *copy;
    if (index < 0 || index >= PARAM_COUNT) return;
    text = *(f0r_param_string *)value;
    if (!text || !*text) text = defaults[index];
    if (!strcmp(text, f->text[index]) || !(copy = strdup(text))) return;
    free(f->text[index]);
    f->text[index] = copy;
    f->changed = 1;
    f->broken = 0;
}

void f0r_get_param_value(f0r_instance_t instance, f0r_param_t value, int index) {
    Instance *f = instance;
    if (index >= 0 && index < PARAM_COUNT) *(f0r_param_string *)value = f->text[index];
}

/* frei0r has no way to return an error: it is said once, and every frame is magenta from then on, so
 * that nobody takes it for a result. */
static void fail(Instance *f, const char *message) {
    fprintf(stderr, "frei0r vidtwin: %s\n", message);
    stop(f);
    f->broken = 1;
}

/* The index of a text among `count` names, or -1. */
static int32_t choice(const char *text, const char *const *names, int32_t count) {
    for (int32_t i = 0; i < count; i++)
        if (!strcmp(text, names[i])) return i;
    return -1;
}

/* The whole number that a parameter gives; what is none is said. Which ones are taken says libvidtwin. */
static int whole(const Instance *f, int index, int32_t *number, char *message, size_t capacity) {
    const char *text = f->text[index];
    char *end;
    long value;
    errno = 0;
    value = strtol(text, &end, 10);
    *number = (int32_t)value;
    if (end != text && !*end && !errno && *number == value) return 1;
    snprintf(message, capacity, "%s: expected a whole number, found \"%.200s\"",
             parameters[index].name, text);
    return 0;
}

static void start(Instance *f) {
    static const char *const parts[] = {"all", "structure", "dynamics"};
    static const char *const precisions[] = {"auto", "f32", "bf16", "int8"};
    char message[1024] = "";
    vidtwin_model_options model;
    vidtwin_session_options session;
    vidtwin_model_info info;
    int32_t session_part;

    stop(f);
    f->changed = 0;
    vidtwin_model_options_default(&model, sizeof model);
    model.model = *f->text[PARAM_MODEL] ? f->text[PARAM_MODEL] : NULL;
    model.precision = choice(f->text[PARAM_PRECISION], precisions, 4);
    session_part = choice(f->text[PARAM_PART], parts, 3);
    if (model.precision < 0 || session_part < 0) {
        snprintf(message, sizeof message, "%s: expected %s, found \"%.200s\"",
                 session_part < 0 ? "part" : "precision",
                 session_part < 0 ? "all, structure or dynamics" : "auto, f32, bf16 or int8",
                 f->text[session_part < 0 ? PARAM_PART : PARAM_PRECISION]);
        fail(f, message);
        return;
    }
    vidtwin_session_options_default(&session, sizeof session);
    if (!whole(f, PARAM_THREADS, &model.threads, message, sizeof message) ||
        !whole(f, PARAM_OVERLAP, &session.overlap, message, sizeof message)) {
        fail(f, message);
        return;
    }
    if (vidtwin_model_open(&f->model, &model, message, sizeof message) < 0) {
        fail(f, message);
        return;
    }
    memset(&info, 0, sizeof info);
    info.struct_size = sizeof info;
    vidtwin_model_get_info(f->model, &info);
    if ((unsigned)info.width != f->width || (unsigned)info.height != f->height ||
        info.clip_frames > DELAY) {
        snprintf(message, sizeof message,
                 "the model's frames are %dx%d and its clips have %d frames, these are %ux%d and at "
                 "most %d; scale and crop before this filter",
                 info.width, info.height, info.clip_frames, f->width, (int)f->height, DELAY);
        fail(f, message);
        return;
    }
    session.part = session_part;
    if (vidtwin_session_open(&f->session, f->model, &session, message, sizeof message) < 0) {
        fail(f, message);
        return;
    }
    f->rgb = malloc((size_t)f->width * f->height * 3);
    f->delayed = malloc((size_t)f->width * f->height * 3 * DELAY);
    if (!f->rgb || !f->delayed) fail(f, "not enough memory");
}

/* Takes all frames that are ready into the ring; there are never more than it holds. */
static int take(Instance *f, vidtwin_frame frame, char *message, size_t capacity) {
    const size_t size = (size_t)f->width * f->height * 3;
    vidtwin_status status;
    do {
        frame.data[0] = f->delayed + size * (f->ready % DELAY);
        status = vidtwin_session_receive(f->session, &frame, message, capacity);
        if (status == VIDTWIN_OK) f->ready++;
    } while (status == VIDTWIN_OK);
    return status >= 0;
}

static void paint(const Instance *f, uint32_t *out, uint8_t r, uint8_t g, uint8_t b) {
    uint8_t *pixel = (uint8_t *)out;
    for (size_t i = 0; i < (size_t)f->width * f->height; i++, pixel += 4) {
        pixel[0] = r;
        pixel[1] = g;
        pixel[2] = b;
        pixel[3] = 255;
    }
}

void f0r_update(f0r_instance_t instance, double time, const uint32_t *in, uint32_t *out) {
    Instance *f = instance;
    const size_t count = (size_t)f->width * f->height;
    char message[1024] = "";
    int show;

    if (f->changed && !f->broken) start(f);
    if (!f->broken && f->given && time < f->time) { /* the host went back: another stream */
        vidtwin_session_reset(f->session, NULL, 0);
        f->given = f->ready = 0;
    }
    f->time = time;
    if (f->broken) {
        paint(f, out, 255, 0, 255);
        return;
    }
    /* The frame of DELAY calls before is shown before its place in the ring is taken. */
    show = f->given - DELAY;
    if (show >= 0) {
        const uint8_t *from = f->delayed + count * 3 * (show % DELAY);
        uint8_t *to = (uint8_t *)out;
        /* `in` and `out` may be one memory: read first. */
        const uint8_t *pixel = (const uint8_t *)in;
        for (size_t i = 0; i < count; i++, pixel += 4) memcpy(f->rgb + i * 3, pixel, 3);
        for (size_t i = 0; i < count; i++, from += 3, to += 4) {
            memcpy(to, from, 3);
            to[3] = 255;
        }
    } else {
        const uint8_t *pixel = (const uint8_t *)in;
        for (size_t i = 0; i < count; i++, pixel += 4) memcpy(f->rgb + i * 3, pixel, 3);
        paint(f, out, 0, 0, 0);
    }
    vidtwin_frame frame = {VIDTWIN_FORMAT_RGB24, (int32_t)f->width, (int32_t)f->height, 0,
                           {f->rgb}, {(ptrdiff_t)f->width * 3}, 0};
    f->given++;
    if (vidtwin_session_send(f->session, &frame, message, sizeof message) < 0 ||
        !take(f, frame, message, sizeof message)) {
        fail(f, message);
        paint(f, out, 255, 0, 255);
    }
}

/* What the C tests share: a check that says where it failed, and frames. */
#ifndef CHECK_H
#define CHECK_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vidtwin.h"

#define CHECK(condition)                                                             \
    do {                                                                             \
        if (!(condition)) {                                                          \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);  \
            exit(1);                                                                 \
        }                                                                            \
    } while (0)

/* The call gives `status`; says the message otherwise. */
#define EXPECT(status, call)                                                                   \
    do {                                                                                       \
        vidtwin_status found_ = (call);                                                        \
        if (found_ != (status)) {                                                              \
            fprintf(stderr, "%s:%d: %s: expected %d, found %d: %s\n", __FILE__, __LINE__, #call, \
                    (int)(status), (int)found_, message);                                      \
            exit(1);                                                                           \
        }                                                                                      \
    } while (0)

static char message[2048];
#define MESSAGE message, sizeof message

/* A frame with its own dense memory. */
static inline vidtwin_frame make_frame(int format, int width, int height) {
    vidtwin_frame f;
    memset(&f, 0, sizeof f);
    f.format = format;
    f.width = width;
    f.height = height;
    for (int c = 0; c < (format == VIDTWIN_FORMAT_RGB24 ? 1 : 3); c++) {
        f.stride[c] = format == VIDTWIN_FORMAT_RGB24          ? width * 3
                      : format == VIDTWIN_FORMAT_RGB24_PLANAR ? width
                                                              : width * 4;
        f.data[c] = malloc((size_t)f.stride[c] * height);
        CHECK(f.data[c]);
    }
    return f;
}

static inline void free_frame(vidtwin_frame *f) {
    for (int c = 0; c < 3; c++) free(f->data[c]);
}

/* Something that moves; the same for the same t. */
static inline void paint(vidtwin_frame *f, int t) {
    for (int y = 0; y < f->height; y++) {
        for (int x = 0; x < f->width; x++) {
            for (int c = 0; c < 3; c++) {
                int v = (x * (c + 2) + y * 3 + t * 7 + ((x / 8 + t) % 3) * 40) % 256;
                if (f->format == VIDTWIN_FORMAT_RGB24)
                    ((unsigned char *)f->data[0])[y * f->stride[0] + x * 3 + c] = (unsigned char)v;
                else if (f->format == VIDTWIN_FORMAT_RGB24_PLANAR)
                    ((unsigned char *)f->data[c])[y * f->stride[c] + x] = (unsigned char)v;
                else
                    ((float *)f->data[c])[y * f->width + x] = (float)v / 255;
            }
        }
    }
    f->pts = 1000 + t;
}

/* The model in the folder argv[1]. */
static inline vidtwin_model *open_model(const char *folder, int threads) {
    vidtwin_model_options options;
    vidtwin_model *model = NULL;
    EXPECT(VIDTWIN_OK, vidtwin_model_options_default(&options, sizeof options));
    options.model = folder;
    options.threads = threads;
    options.precision = VIDTWIN_PRECISION_F32;
    EXPECT(VIDTWIN_OK, vidtwin_model_open(&model, &options, MESSAGE));
    CHECK(model && !*message);
    return model;
}

static inline vidtwin_model_info info_of(const vidtwin_model *model) {
    vidtwin_model_info info;
    memset(&info, 0, sizeof info);
    info.struct_size = sizeof info;
    EXPECT(VIDTWIN_OK, vidtwin_model_get_info(model, &info));
    return info;
}

#endif

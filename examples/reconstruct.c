/* Reconstructs y4m video by libvidtwin: the whole send and receive loop.
 *
 *   cc reconstruct.c $(pkg-config --cflags --libs vidtwin) -o reconstruct
 *   ffmpeg -i in.mp4 -vf scale=224:224 -pix_fmt yuv444p -f yuv4mpegpipe - | ./reconstruct | ffplay -
 *
 * Takes frames of the model's size in 4:4:4 with 8 bits, and their colours as BT.601 of limited range.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vidtwin.h>

static char message[1024];

/* Ends the program where a call failed. */
static vidtwin_status check(vidtwin_status status, const char *what) {
    if (status < 0) {
        fprintf(stderr, "reconstruct: %s: %s\n", what, *message ? message : vidtwin_status_text(status));
        exit(1);
    }
    return status;
}

static void need(int condition, const char *what) {
    if (!condition) {
        fprintf(stderr, "reconstruct: %s\n", what);
        exit(1);
    }
}

static unsigned char byte(double v) { return v < 0 ? 0 : v > 255 ? 255 : (unsigned char)(v + 0.5); }

/* Planes Y, U, V of `count` samples to RGB, pixel by pixel. */
static void to_rgb(const unsigned char *yuv, unsigned char *rgb, size_t count) {
    for (size_t i = 0; i < count; i++, rgb += 3) {
        double y = (yuv[i] - 16) * 255.0 / 219;
        double u = (yuv[count + i] - 128) * 255.0 / 224, v = (yuv[2 * count + i] - 128) * 255.0 / 224;
        rgb[0] = byte(y + 1.402 * v);
        rgb[1] = byte(y - 0.344136 * u - 0.714136 * v);
        rgb[2] = byte(y + 1.772 * u);
    }
}

static void to_yuv(const unsigned char *rgb, unsigned char *yuv, size_t count) {
    for (size_t i = 0; i < count; i++, rgb += 3) {
        double y = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
        yuv[i] = byte(16 + y * 219 / 255);
        yuv[count + i] = byte(128 + (rgb[2] - y) / 1.772 * 224 / 255);
        yuv[2 * count + i] = byte(128 + (rgb[0] - y) / 1.402 * 224 / 255);
    }
}

int main(int argc, char **argv) {
    char header[256], line[256];
    int width = 0, height = 0, is444 = 0;
    need(fgets(header, sizeof header, stdin) && !strncmp(header, "YUV4MPEG2 ", 10),
         "standard input: expected y4m");
    strcpy(line, header);
    for (char *field = strtok(line + 10, " \n"); field; field = strtok(NULL, " \n")) {
        if (*field == 'W') width = atoi(field + 1);
        if (*field == 'H') height = atoi(field + 1);
        if (*field == 'C') is444 = !strcmp(field, "C444");
    }
    need(is444, "expected pixel format C444 (ffmpeg -pix_fmt yuv444p)");

    /* The model: by name or folder, or the one that is installed. */
    vidtwin_model *model = NULL;
    vidtwin_session *session = NULL;
    vidtwin_model_options options;
    vidtwin_model_info info;
    need(vidtwin_api_version() >> 16 == VIDTWIN_API_MAJOR, "libvidtwin has another interface");
    check(vidtwin_model_options_default(&options, sizeof options), "options");
    options.model = argc > 1 ? argv[1] : NULL;
    check(vidtwin_model_open(&model, &options, message, sizeof message), "model");
    info.struct_size = sizeof info;
    check(vidtwin_model_get_info(model, &info), "model");
    if (width != info.width || height != info.height) {
        fprintf(stderr, "reconstruct: expected frames of %dx%d, found %dx%d\n", info.width, info.height,
                width, height);
        return 1;
    }
    check(vidtwin_session_open(&session, model, NULL, message, sizeof message), "session");

    const size_t count = (size_t)width * height;
    unsigned char *yuv = malloc(3 * count), *rgb = malloc(3 * count);
    need(yuv && rgb, "no memory");
    vidtwin_frame frame = {VIDTWIN_FORMAT_RGB24, width, height, 0, {rgb}, {3 * width}, 0};
    vidtwin_status status;
    fputs(header, stdout);
    for (int ended = 0;;) {
        if (!ended && fgets(line, sizeof line, stdin)) {
            need(!strncmp(line, "FRAME", 5) && fread(yuv, 1, 3 * count, stdin) == 3 * count,
                 "standard input: a frame is damaged");
            to_rgb(yuv, rgb, count);
            check(vidtwin_session_send(session, &frame, message, sizeof message), "send");
        } else {
            ended = 1;
            check(vidtwin_session_flush(session, message, sizeof message), "flush");
        }
        /* Either nothing or a clip is ready. */
        while ((status = vidtwin_session_receive(session, &frame, message, sizeof message)) == VIDTWIN_OK) {
            to_yuv(rgb, yuv, count);
            need(fputs("FRAME\n", stdout) >= 0 && fwrite(yuv, 1, 3 * count, stdout) == 3 * count,
                 "cannot write");
        }
        if (check(status, "receive") == VIDTWIN_END) break;
    }
    vidtwin_session_close(&session);
    vidtwin_model_close(&model);
    free(yuv);
    free(rgb);
    return fflush(stdout) ? 1 : 0;
}

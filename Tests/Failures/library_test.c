/* A clip through libvidtwin; run while one request for memory fails.
 * Every outcome is a status, and what failed is done well when it is done again.
 *
 *   library_test MODEL_FOLDER      0: all went well, 1: a status said that there was no memory;
 *                                 2: anything else
 */
#include <stdlib.h>
#include <unistd.h>

/* Of a check that fails, apart from what a lack of memory gives. */
#define exit(status) _exit((status) + 1)
#include "../CABI/check.h"

/* A status that lack of memory may give: anything but a fault of ours. */
static int failed(vidtwin_status status) {
    if (status == VIDTWIN_OK) return 0;
    if (status != VIDTWIN_ERROR_MEMORY) fprintf(stderr, "status %d: %s\n", (int)status, message);
    CHECK(status == VIDTWIN_ERROR_MEMORY || status == VIDTWIN_ERROR_MODEL);
    CHECK(message[0]);
    return 1;
}

/* Whether it went wrong. */
static int once(const char *folder) {
    vidtwin_model *model = NULL;
    vidtwin_session *session = NULL;
    vidtwin_model_options options;
    EXPECT(VIDTWIN_OK, vidtwin_model_options_default(&options, sizeof options));
    options.model = folder;
    options.threads = 2;
    memset(message, 0, sizeof message);
    if (failed(vidtwin_model_open(&model, &options, MESSAGE))) {
        CHECK(!model);
        return 1;
    }
    vidtwin_model_info info = info_of(model);
    static uint8_t pixels[1 << 20]; /* not a request for memory */
    CHECK((size_t)info.width * info.height * 3 <= sizeof pixels);
    vidtwin_frame f = {.format = VIDTWIN_FORMAT_RGB24, .width = info.width, .height = info.height,
                       .data = {pixels}, .stride = {info.width * 3}};
    int bad = failed(vidtwin_session_open(&session, model, NULL, MESSAGE));
    for (int t = 0; t < info.clip_frames && !bad; t++) {
        paint(&f, t);
        bad = failed(vidtwin_session_send(session, &f, MESSAGE));
    }
    for (int t = 0; t < info.clip_frames && !bad; t++)
        bad = failed(vidtwin_session_receive(session, &f, MESSAGE));
    vidtwin_session_close(&session);
    vidtwin_model_close(&model);
    return bad;
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    alarm(60);
    int bad = once(argv[1]);
    if (bad) CHECK(once(argv[1]) == 0); /* the one request that fails is behind us */
    return bad;
}

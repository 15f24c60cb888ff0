/* Two sessions in two threads on one model; one session in two threads; a session in its own log.
 *
 *   threads_test MODEL_FOLDER
 */
#include <pthread.h>
#include <stdatomic.h>

#include "check.h"

typedef struct Work {
    vidtwin_model *model;
    vidtwin_model_info info;
    int first, clips;
    unsigned char *result;
} Work;

static void *reconstruct(void *argument) {
    Work *work = argument;
    const size_t size = (size_t)work->info.width * work->info.height * 3;
    char text[512] = "";
    vidtwin_session *session = NULL;
    vidtwin_frame f = make_frame(VIDTWIN_FORMAT_RGB24, work->info.width, work->info.height);
    CHECK(vidtwin_session_open(&session, work->model, NULL, text, sizeof text) == VIDTWIN_OK);
    int taken = 0;
    for (int t = 0; t < work->clips * work->info.clip_frames; t++) {
        paint(&f, work->first + t);
        CHECK(vidtwin_session_send(session, &f, text, sizeof text) == VIDTWIN_OK);
        while (vidtwin_session_receive(session, &f, text, sizeof text) == VIDTWIN_OK)
            memcpy(work->result + size * taken++, f.data[0], size);
    }
    CHECK(taken == work->clips * work->info.clip_frames);
    vidtwin_session_close(&session);
    free_frame(&f);
    return NULL;
}

static atomic_int refused, served;

typedef struct Shared {
    vidtwin_session *session;
    vidtwin_model_info info;
} Shared;

static void *contend(void *argument) {
    Shared *shared = argument;
    vidtwin_frame f = make_frame(VIDTWIN_FORMAT_RGB24, shared->info.width, shared->info.height);
    paint(&f, 0);
    for (int i = 0; i < 2000; i++) {
        vidtwin_status status = i % 2 ? vidtwin_session_send(shared->session, &f, NULL, 0)
                                      : vidtwin_session_receive(shared->session, &f, NULL, 0);
        CHECK(status >= 0 || status == VIDTWIN_ERROR_STATE);
        if (status == VIDTWIN_ERROR_STATE) atomic_fetch_add(&refused, 1);
        else atomic_fetch_add(&served, 1);
    }
    free_frame(&f);
    return NULL;
}

static vidtwin_session *logging;
static int logged;
static void reenter(void *user, int32_t level, const char *text) {
    (void)user, (void)level, (void)text;
    logged++;
    CHECK(vidtwin_session_flush(logging, NULL, 0) == VIDTWIN_ERROR_STATE);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    vidtwin_model *model = open_model(argv[1], 2);
    vidtwin_model_info info = info_of(model);
    const size_t bytes = (size_t)info.width * info.height * 3 * info.clip_frames * 6;
    Work works[4];
    for (int i = 0; i < 4; i++) {
        works[i].model = model;
        works[i].info = info;
        works[i].first = i % 2 * 500;
        works[i].clips = 6;
        works[i].result = malloc(bytes);
    }
    reconstruct(&works[0]); /* one after the other, then both at once */
    reconstruct(&works[1]);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) CHECK(!pthread_create(&threads[i], NULL, reconstruct, &works[2 + i]));
    for (int i = 0; i < 2; i++) CHECK(!pthread_join(threads[i], NULL));
    CHECK(!memcmp(works[0].result, works[2].result, bytes));
    CHECK(!memcmp(works[1].result, works[3].result, bytes));
    CHECK(memcmp(works[0].result, works[1].result, bytes));
    for (int i = 0; i < 4; i++) free(works[i].result);

    Shared shared;
    memset(&shared, 0, sizeof shared);
    shared.info = info;
    EXPECT(VIDTWIN_OK, vidtwin_session_open(&shared.session, model, NULL, MESSAGE));
    for (int i = 0; i < 2; i++) CHECK(!pthread_create(&threads[i], NULL, contend, &shared));
    for (int i = 0; i < 2; i++) CHECK(!pthread_join(threads[i], NULL));
    CHECK(atomic_load(&served) > 0 && atomic_load(&refused) > 0);
    vidtwin_session_close(&shared.session);

    vidtwin_session_options options;
    EXPECT(VIDTWIN_OK, vidtwin_session_options_default(&options, sizeof options));
    options.log = reenter;
    EXPECT(VIDTWIN_OK, vidtwin_session_open(&logging, model, &options, MESSAGE));
    vidtwin_frame f = make_frame(VIDTWIN_FORMAT_RGB24, info.width, info.height);
    paint(&f, 0);
    EXPECT(VIDTWIN_OK, vidtwin_session_send(logging, &f, MESSAGE));
    EXPECT(VIDTWIN_OK, vidtwin_session_flush(logging, MESSAGE));
    CHECK(logged > 0);
    free_frame(&f);
    vidtwin_session_close(&logging);
    vidtwin_model_close(&model);
    puts("threads: two sessions give what one gives; a session in use refuses a second call");
    return 0;
}

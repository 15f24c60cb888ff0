/* A model that was opened before a fork: parent and child compute, and give the same frames.
 *
 *   fork_test MODEL_FOLDER
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static vidtwin_model *model;
static vidtwin_model_info info;

/* The bytes of one clip through `session`, which is at rest. */
static unsigned char *clip(vidtwin_session *session) {
    const size_t size = (size_t)info.width * info.height * 3;
    unsigned char *bytes = malloc(size * info.clip_frames);
    vidtwin_frame f = make_frame(VIDTWIN_FORMAT_RGB24, info.width, info.height);
    EXPECT(VIDTWIN_OK, vidtwin_session_reset(session, MESSAGE));
    for (int t = 0; t < info.clip_frames; t++) {
        paint(&f, t);
        EXPECT(VIDTWIN_OK, vidtwin_session_send(session, &f, MESSAGE));
    }
    for (int t = 0; t < info.clip_frames; t++) {
        EXPECT(VIDTWIN_OK, vidtwin_session_receive(session, &f, MESSAGE));
        memcpy(bytes + size * t, f.data[0], size);
    }
    free_frame(&f);
    return bytes;
}

static unsigned char *expected;
static void compare(vidtwin_session *session) {
    unsigned char *found = clip(session);
    CHECK(!memcmp(found, expected, (size_t)info.width * info.height * 3 * info.clip_frames));
    free(found);
}

static atomic_int stop, clips;
static vidtwin_session *busy;
static void *work(void *unused) {
    (void)unused;
    char text[512];
    vidtwin_frame f = make_frame(VIDTWIN_FORMAT_RGB24, info.width, info.height);
    paint(&f, 0);
    while (!atomic_load(&stop)) {
        CHECK(vidtwin_session_send(busy, &f, text, sizeof text) >= 0);
        CHECK(vidtwin_session_flush(busy, text, sizeof text) == VIDTWIN_OK);
        CHECK(vidtwin_session_reset(busy, text, sizeof text) == VIDTWIN_OK);
        atomic_fetch_add(&clips, 1);
    }
    free_frame(&f);
    return NULL;
}

/* Ends a child that hangs. */
static void await(pid_t child) {
    int status;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    if (status) fprintf(stderr, "the child ended with status %x\n", status);
    CHECK(status == 0);
}

static void *compare_in_thread(void *session) {
    compare(session);
    return NULL;
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    model = open_model(argv[1], 3);
    info = info_of(model);
    vidtwin_session *session = NULL;
    EXPECT(VIDTWIN_OK, vidtwin_session_open(&session, model, NULL, MESSAGE));

    /* Before anything was computed, and after; the child's child; a model of the child's own. */
    vidtwin_session *before = NULL;
    EXPECT(VIDTWIN_OK, vidtwin_session_open(&before, model, NULL, MESSAGE));
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        free(clip(before));
        _exit(0);
    }
    await(child);
    expected = clip(session);
    child = fork();
    if (child == 0) {
        alarm(60);
        compare(session);
        compare(before);
        pid_t own = fork();
        if (own == 0) {
            alarm(60);
            compare(session);
            _exit(0);
        }
        await(own);
        vidtwin_session *other = NULL;
        vidtwin_model *second = open_model(argv[1], 2);
        EXPECT(VIDTWIN_OK, vidtwin_session_open(&other, second, NULL, MESSAGE));
        pthread_t threads[2];
        CHECK(!pthread_create(&threads[0], NULL, compare_in_thread, session));
        CHECK(!pthread_create(&threads[1], NULL, compare_in_thread, other));
        compare(before);
        for (int i = 0; i < 2; i++) CHECK(!pthread_join(threads[i], NULL));
        vidtwin_session_close(&other);
        vidtwin_session_close(&session);
        vidtwin_session_close(&before);
        vidtwin_model_close(&second);
        vidtwin_model_close(&model);
        exit(0);
    }
    await(child);
    compare(session);

    /* While another thread computes: its session is refused in the child, the model computes. */
    EXPECT(VIDTWIN_OK, vidtwin_session_open(&busy, model, NULL, MESSAGE));
    pthread_t thread;
    CHECK(!pthread_create(&thread, NULL, work, NULL));
    int refused = 0;
    for (int i = 0; i < 60; i++) {
        usleep(1000 * (i % 7));
        child = fork();
        if (child == 0) {
            alarm(60);
            compare(session);
            vidtwin_status status = vidtwin_session_reset(busy, MESSAGE);
            CHECK(status == VIDTWIN_OK || status == VIDTWIN_ERROR_STATE);
            if (status == VIDTWIN_ERROR_STATE) CHECK(strstr(message, "fork"));
            vidtwin_session_close(&busy);
            vidtwin_session_close(&session);
            vidtwin_model_close(&model);
            _exit(status == VIDTWIN_OK ? 0 : 7);
        }
        int status;
        CHECK(child > 0 && waitpid(child, &status, 0) == child);
        if (status && WEXITSTATUS(status) != 7) fprintf(stderr, "child %d: status %x\n", i, status);
        CHECK(status == 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 7));
        refused += status != 0;
    }
    atomic_store(&stop, 1);
    CHECK(!pthread_join(thread, NULL));
    CHECK(refused > 0 && atomic_load(&clips) > 0);
    compare(session);
    vidtwin_session_close(&busy);
    vidtwin_session_close(&session);
    vidtwin_session_close(&before);
    vidtwin_model_close(&model);
    printf("forks: children compute what the parent does (%d of 60 found a session in use)\n", refused);
    return 0;
}

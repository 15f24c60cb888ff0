/* A limit on address space that comes after a model was opened: every outcome is a status.
 *
 *   memory_test MODEL_FOLDER
 */
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static size_t address_space(void) {
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file && fscanf(file, "%zu", &pages) == 1 && !fclose(file));
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* What came of a clip: 0, or 1 where there was no memory; ends the process at anything else. */
static int clip(vidtwin_model *model, vidtwin_model_info info) {
    vidtwin_session *session = NULL;
    vidtwin_frame f = make_frame(VIDTWIN_FORMAT_RGB24, info.width, info.height);
    vidtwin_status status = vidtwin_session_open(&session, model, NULL, MESSAGE);
    for (int t = 0; t < info.clip_frames && status == VIDTWIN_OK; t++) {
        paint(&f, t);
        status = vidtwin_session_send(session, &f, MESSAGE);
    }
    if (status == VIDTWIN_OK) status = vidtwin_session_receive(session, &f, MESSAGE);
    if (status != VIDTWIN_OK) {
        EXPECT(VIDTWIN_ERROR_MEMORY, status);
        CHECK(strstr(message, "no memory"));
    }
    vidtwin_session_close(&session);
    free_frame(&f);
    return status != VIDTWIN_OK;
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    int served = 0, refused = 0;
    vidtwin_model *model = open_model(argv[1], 2);
    vidtwin_model_info info = info_of(model);
    for (int used = 0; used < 2; used++) { /* at its first clip, and after one */
        if (used) CHECK(clip(model, info) == 0);
        for (int megabytes = 0; megabytes <= 160; megabytes += 4) {
            fflush(NULL);
            pid_t child = fork();
            if (child == 0) {
                struct rlimit limit;
                CHECK(!getrlimit(RLIMIT_AS, &limit));
                limit.rlim_cur = address_space() + ((size_t)megabytes << 20);
                CHECK(!setrlimit(RLIMIT_AS, &limit));
                alarm(60);
                int failed = clip(model, info);
                /* The same model goes on when there is memory again. */
                limit.rlim_cur = limit.rlim_max;
                CHECK(!setrlimit(RLIMIT_AS, &limit) && clip(model, info) == 0);
                _exit(failed);
            }
            int status;
            CHECK(child > 0 && waitpid(child, &status, 0) == child);
            if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
                fprintf(stderr, "%d MB more than after opening: status %x\n", megabytes, status);
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
            if (WEXITSTATUS(status)) refused++;
            else served++;
        }
    }
    vidtwin_model_close(&model);
    CHECK(served > 0 && refused > 0);
    printf("memory: of %d limits %d were enough, the others gave a status\n", served + refused, served);
    return 0;
}

/* Sessions abandoned half-way: what they held is given back. Run under a leak checker too.
 *
 *   abandon_test MODEL_FOLDER [rounds]
 */
#include <dirent.h>
#include <malloc.h>
#include <unistd.h>

#include "check.h"

static int tasks(void) {
    int count = 0;
    DIR *folder = opendir("/proc/self/task");
    CHECK(folder);
    for (struct dirent *entry; (entry = readdir(folder));) count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static size_t allocated(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void round_of(const char *folder, int frames) {
    vidtwin_model *model = open_model(folder, 2);
    vidtwin_model_info info = info_of(model);
    vidtwin_session *session = NULL;
    vidtwin_frame f = make_frame(VIDTWIN_FORMAT_RGB24, info.width, info.height);
    EXPECT(VIDTWIN_OK, vidtwin_session_open(&session, model, NULL, MESSAGE));
    vidtwin_model_close(&model); /* the session is its last user */
    for (int t = 0; t < frames; t++) {
        paint(&f, t);
        vidtwin_status status = vidtwin_session_send(session, &f, MESSAGE);
        CHECK(status == VIDTWIN_OK || status == VIDTWIN_AGAIN);
    }
    vidtwin_session_close(&session);
    free_frame(&f);
}

int main(int argc, char **argv) {
    CHECK(argc >= 2);
    const int rounds = argc > 2 ? atoi(argv[2]) : 20;
    const int before = tasks();
    round_of(argv[1], 7); /* compiled products are kept for the process */
    round_of(argv[1], 16);
    const size_t first = allocated();
    for (int i = 0; i < rounds; i++) round_of(argv[1], i % 2 ? 7 : 16);
    const size_t last = allocated();
    printf("abandoned %d sessions: %zu bytes allocated, %zu before, %d threads\n", rounds, last,
           first, tasks());
    CHECK(last < first + 65536); /* one clip of frames alone is more than that */
    CHECK(tasks() == before);
    return 0;
}

/* 200 times: load the library, reconstruct, unload it, as hosts of plug-ins do.
 *
 *   load_test libvidtwin.so.1 MODEL_FOLDER
 */
#include <dlfcn.h>

#include "check.h"

static void *library;
static void *symbol(const char *name) {
    void *found = dlsym(library, name);
    CHECK(found);
    return found;
}
#define FIND(name) ((__typeof__(&name))symbol(#name))

int main(int argc, char **argv) {
    CHECK(argc == 3);
    for (int i = 0; i < 200; i++) {
        library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        if (!library) fprintf(stderr, "%s\n", dlerror());
        CHECK(library);
        vidtwin_model_options options;
        vidtwin_model *model = NULL;
        vidtwin_session *session = NULL;
        CHECK(FIND(vidtwin_api_version)() == VIDTWIN_API_VERSION);
        EXPECT(VIDTWIN_OK, FIND(vidtwin_model_options_default)(&options, sizeof options));
        options.model = argv[2];
        options.threads = 2;
        EXPECT(VIDTWIN_OK, FIND(vidtwin_model_open)(&model, &options, MESSAGE));
        EXPECT(VIDTWIN_OK, FIND(vidtwin_session_open)(&session, model, NULL, MESSAGE));
        vidtwin_model_info info;
        info.struct_size = sizeof info;
        EXPECT(VIDTWIN_OK, FIND(vidtwin_model_get_info)(model, &info));
        vidtwin_frame f = make_frame(VIDTWIN_FORMAT_RGB24, info.width, info.height);
        paint(&f, i);
        EXPECT(VIDTWIN_OK, FIND(vidtwin_session_send)(session, &f, MESSAGE));
        if (i % 10 == 0) {
            EXPECT(VIDTWIN_OK, FIND(vidtwin_session_flush)(session, MESSAGE));
            EXPECT(VIDTWIN_OK, FIND(vidtwin_session_receive)(session, &f, MESSAGE));
        }
        free_frame(&f);
        FIND(vidtwin_session_close)(&session);
        FIND(vidtwin_model_close)(&model);
        CHECK(dlclose(library) == 0);
    }
    puts("loaded, used and unloaded 200 times");
    return 0;
}

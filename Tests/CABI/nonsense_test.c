/* Null and nonsense: every call gives its status and a text, and the process lives.
 *
 *   nonsense_test MODEL_FOLDER
 */
#include "check.h"

static int lines;
static void count_lines(void *user, int32_t level, const char *text) {
    CHECK(user == &lines && (level == VIDTWIN_LOG_NOTICE || level == VIDTWIN_LOG_DEBUG));
    CHECK(strlen(text) > 0);
    lines++;
}

#define REFUSED(call)                                     \
    do {                                                  \
        strcpy(message, "?");                             \
        EXPECT(VIDTWIN_ERROR_ARGUMENT, call);             \
        CHECK(strlen(message) > 10 && *message != '?');   \
    } while (0)

static void models(const char *folder) {
    vidtwin_model_options options;
    vidtwin_model *model = (vidtwin_model *)8;
    CHECK(vidtwin_model_options_default(NULL, sizeof options) == VIDTWIN_ERROR_ARGUMENT);
    /* Version 1.0 has 56 bytes, also when later ones have more. */
    EXPECT(VIDTWIN_OK, vidtwin_model_options_default(&options, 56));
    CHECK(options.struct_size == 56);
    const size_t sizes[] = {0, 1, 55, 4097, (size_t)-1, (size_t)1 << 63};
    for (int i = 0; i < 6; i++) {
        memset(&options, 0x5a, sizeof options);
        CHECK(vidtwin_model_options_default(&options, sizes[i]) == VIDTWIN_ERROR_ARGUMENT);
        memset(&options, 0, sizeof options);
        options.struct_size = sizes[i];
        model = (vidtwin_model *)8;
        REFUSED(vidtwin_model_open(&model, &options, MESSAGE));
        CHECK(!model);
    }
    REFUSED(vidtwin_model_open(NULL, NULL, MESSAGE));

    /* A caller that knows a later version: nothing set is taken, something set is not. */
    struct { vidtwin_model_options known; char later[64]; } newer;
    memset(&newer, 0x5a, sizeof newer);
    EXPECT(VIDTWIN_OK, vidtwin_model_options_default(&newer.known, sizeof newer));
    for (int i = 0; i < 64; i++) CHECK(newer.later[i] == 0);
    CHECK(newer.known.struct_size == sizeof newer);
    newer.known.model = folder;
    EXPECT(VIDTWIN_OK, vidtwin_model_open(&model, &newer.known, MESSAGE));
    vidtwin_model_close(&model);
    newer.known.copy_weights = 1;
    EXPECT(VIDTWIN_OK, vidtwin_model_open(&model, &newer.known, MESSAGE));
    vidtwin_model_close(&model);

    /* One that knows version 1.0, where there was no copy_weights. */
    memset(&options, 0x5a, sizeof options);
    EXPECT(VIDTWIN_OK, vidtwin_model_options_default(&options, 56));
    CHECK(options.struct_size == 56 && options.copy_weights == 0x5a5a5a5a);
    options.model = folder;
    EXPECT(VIDTWIN_OK, vidtwin_model_open(&model, &options, MESSAGE));
    vidtwin_model_close(&model);
    newer.later[63] = 1;
    EXPECT(VIDTWIN_ERROR_UNSUPPORTED, vidtwin_model_open(&model, &newer.known, MESSAGE));

#define OPEN_WITH(status, field, value)                                            \
    do {                                                                           \
        EXPECT(VIDTWIN_OK, vidtwin_model_options_default(&options, sizeof options)); \
        options.model = folder;                                                    \
        options.field = value;                                                     \
        model = (vidtwin_model *)8;                                                \
        EXPECT(status, vidtwin_model_open(&model, &options, MESSAGE));             \
        CHECK(!model && strlen(message) > 10);                                     \
    } while (0)
    OPEN_WITH(VIDTWIN_ERROR_ARGUMENT, threads, -1);
    OPEN_WITH(VIDTWIN_ERROR_ARGUMENT, threads, 1025);
    OPEN_WITH(VIDTWIN_ERROR_ARGUMENT, threads, INT32_MAX);
    OPEN_WITH(VIDTWIN_ERROR_ARGUMENT, threads, INT32_MIN);
    OPEN_WITH(VIDTWIN_ERROR_ARGUMENT, precision, 4);
    OPEN_WITH(VIDTWIN_ERROR_ARGUMENT, copy_weights, 2);
    OPEN_WITH(VIDTWIN_ERROR_ARGUMENT, copy_weights, -1);
    OPEN_WITH(VIDTWIN_ERROR_ARGUMENT, precision, INT32_MIN);
    OPEN_WITH(VIDTWIN_ERROR_ARGUMENT, config, "config.yaml");
    OPEN_WITH(VIDTWIN_ERROR_ARGUMENT, checkpoint, "model.ckpt");
    OPEN_WITH(VIDTWIN_ERROR_MODEL, model, "/nonexistent");
    OPEN_WITH(VIDTWIN_ERROR_MODEL, model, "no-such-model");
    OPEN_WITH(VIDTWIN_ERROR_MODEL, model, "");
    OPEN_WITH(VIDTWIN_ERROR_MODEL, model, "\xff\xfe%s%n/");
    CHECK(strstr(message, "no model"));
    char *huge = malloc(1 << 20);
    memset(huge, '/', (1 << 20) - 1);
    huge[(1 << 20) - 1] = 0;
    OPEN_WITH(VIDTWIN_ERROR_MODEL, model, huge);
    free(huge);

    /* The checkpoint as configuration and the other way round. */
    char config[4096], checkpoint[4096];
    snprintf(config, sizeof config, "%s/config.yaml", folder);
    snprintf(checkpoint, sizeof checkpoint, "%s/model.safetensors", folder);
    EXPECT(VIDTWIN_OK, vidtwin_model_options_default(&options, sizeof options));
    options.config = checkpoint;
    options.checkpoint = config;
    EXPECT(VIDTWIN_ERROR_MODEL, vidtwin_model_open(&model, &options, MESSAGE));
    options.config = config;
    EXPECT(VIDTWIN_ERROR_MODEL, vidtwin_model_open(&model, &options, MESSAGE));
    options.checkpoint = NULL;
    REFUSED(vidtwin_model_open(&model, &options, MESSAGE));
    options.checkpoint = checkpoint;
    EXPECT(VIDTWIN_OK, vidtwin_model_open(&model, &options, MESSAGE));
    vidtwin_model_close(&model);
    options.config = NULL; /* config.yaml is beside it */
    EXPECT(VIDTWIN_OK, vidtwin_model_open(&model, &options, MESSAGE));
    vidtwin_model_close(&model);
    options.config = config;

    /* Messages: cut at any length, at whole characters; no buffer is no fault. */
    options.checkpoint = "/nonexistent/\xc3\xa4\xc3\xb6\xc3\xbc";
    CHECK(vidtwin_model_open(&model, &options, NULL, 0) == VIDTWIN_ERROR_MODEL);
    CHECK(vidtwin_model_open(&model, &options, NULL, 100) == VIDTWIN_ERROR_MODEL);
    CHECK(vidtwin_model_open(&model, &options, message, 0) == VIDTWIN_ERROR_MODEL);
    CHECK(vidtwin_model_open(&model, &options, message, (size_t)-1) == VIDTWIN_ERROR_MODEL);
    for (size_t size = 1; size < 40; size++) {
        memset(message, '?', sizeof message);
        CHECK(vidtwin_model_open(&model, &options, message, size) == VIDTWIN_ERROR_MODEL);
        CHECK(strlen(message) < size && message[size] == '?');
        CHECK(strlen(message) == 0 || (message[strlen(message) - 1] & 0xc0) != 0xc0);
    }

    /* Many threads, every precision. */
    vidtwin_model_info info;
    for (int precision = 0; precision < 4; precision++) {
        EXPECT(VIDTWIN_OK, vidtwin_model_options_default(&options, sizeof options));
        options.model = folder;
        options.threads = precision == 1 ? 1024 : 3;
        options.precision = precision;
        options.log = count_lines;
        options.log_user = &lines;
        EXPECT(VIDTWIN_OK, vidtwin_model_open(&model, &options, MESSAGE));
        info = info_of(model);
        CHECK(info.threads == (precision == 1 ? 1024 : 3));
        CHECK(precision ? info.precision == precision : info.precision > 0);
        vidtwin_model_close(&model);
    }
    CHECK(lines >= 4);
    vidtwin_model_close(&model);
    vidtwin_model_close(NULL);
    vidtwin_session_close(NULL);
}

/* What latents are known by; files that are changed or gone are not taken for the model's. */
static void identity(const char *folder) {
    char copy[] = "/tmp/vidtwin-identity-XXXXXX", command[8192], checkpoint[64];
    CHECK(mkdtemp(copy));
    CHECK(!setenv("FROM", folder, 1) && !setenv("INTO", copy, 1)); /* whatever is in their names */
    FILE *pipe = popen("cp \"$FROM\"/* \"$INTO\" && sha256sum < \"$INTO/model.safetensors\"", "r");
    char expected[65];
    CHECK(pipe && fread(expected, 1, 64, pipe) == 64 && !pclose(pipe));
    expected[64] = 0;
    vidtwin_model *model = open_model(copy, 1);
    vidtwin_model_identity found;
    memset(&found, 0x5a, sizeof found);
    found.struct_size = sizeof found;
    EXPECT(VIDTWIN_OK, vidtwin_model_get_identity(model, &found, MESSAGE));
    CHECK(!strcmp(found.checkpoint_sha256, expected));
    CHECK(strspn(found.config_sha256, "0123456789abcdef") == 64 && !found.config_sha256[64]);
    REFUSED(vidtwin_model_get_identity(NULL, &found, MESSAGE));
    REFUSED(vidtwin_model_get_identity(model, NULL, MESSAGE));
    found.struct_size = 8;
    REFUSED(vidtwin_model_get_identity(model, &found, MESSAGE));
    found.struct_size = sizeof found;
    snprintf(checkpoint, sizeof checkpoint, "%s/model.safetensors", copy);
    FILE *file = fopen(checkpoint, "r+");
    CHECK(file && fputc('x', file) == 'x' && !fclose(file));
    EXPECT(VIDTWIN_ERROR_MODEL, vidtwin_model_get_identity(model, &found, MESSAGE));
    CHECK(strstr(message, "changed"));
    CHECK(!remove(checkpoint));
    EXPECT(VIDTWIN_ERROR_MODEL, vidtwin_model_get_identity(model, &found, MESSAGE));
    vidtwin_model_close(&model);
    snprintf(command, sizeof command, "rm -r %s", copy);
    CHECK(!system(command));
}

static void frames(vidtwin_session *session, vidtwin_model_info info) {
    vidtwin_frame good = make_frame(VIDTWIN_FORMAT_RGB24, info.width, info.height);
    vidtwin_frame f;
    paint(&good, 0);
    REFUSED(vidtwin_session_send(session, NULL, MESSAGE));
    REFUSED(vidtwin_session_send(NULL, &good, MESSAGE));
    REFUSED(vidtwin_session_receive(session, NULL, MESSAGE));
    REFUSED(vidtwin_session_receive(NULL, &good, MESSAGE));
    REFUSED(vidtwin_session_flush(NULL, MESSAGE));
    REFUSED(vidtwin_session_reset(NULL, MESSAGE));
    /* Each in a frame that is sent, that is received, and in clips. */
    for (int t = 0; t < info.clip_frames; t++)
        EXPECT(VIDTWIN_OK, vidtwin_session_send(session, &good, MESSAGE));
    EXPECT(VIDTWIN_AGAIN, vidtwin_session_send(session, &good, MESSAGE));
#define BAD(field, value)                                                    \
    do {                                                                     \
        f = good;                                                            \
        f.field = value;                                                     \
        REFUSED(vidtwin_session_receive(session, &f, MESSAGE));              \
        REFUSED(vidtwin_session_encode(session, &f, 1, &latents, MESSAGE));  \
        REFUSED(vidtwin_session_decode(session, &latents, &f, 1, MESSAGE));  \
        REFUSED(vidtwin_session_cross(session, &f, 1, &good, 1, &good, MESSAGE)); \
        REFUSED(vidtwin_session_cross(session, &good, 1, &f, 1, &good, MESSAGE)); \
        REFUSED(vidtwin_session_cross(session, &good, 1, &good, 1, &f, MESSAGE)); \
        REFUSED(vidtwin_session_send(fresh, &f, MESSAGE));                   \
    } while (0)
    vidtwin_latents latents;
    size_t s = 1, x = 1, y = 1;
    for (int i = 0; i < 4; i++) s *= info.structure_shape[i];
    for (int i = 0; i < 3; i++) {
        x *= info.dynamics_x_shape[i];
        y *= info.dynamics_y_shape[i];
    }
    latents.structure = calloc(latents.structure_count = s, sizeof(float));
    latents.dynamics_x = calloc(latents.dynamics_x_count = x, sizeof(float));
    latents.dynamics_y = calloc(latents.dynamics_y_count = y, sizeof(float));
    vidtwin_session *fresh = NULL;
    extern vidtwin_model *opened;
    EXPECT(VIDTWIN_OK, vidtwin_session_open(&fresh, opened, NULL, MESSAGE));
    const int32_t numbers[] = {0, -1, 1, INT32_MAX, INT32_MIN};
    for (int i = 0; i < 5; i++) {
        BAD(width, numbers[i]);
        BAD(height, numbers[i]);
        if (numbers[i] != VIDTWIN_FORMAT_RGB24) BAD(format, numbers[i]);
    }
    BAD(data[0], NULL);
    const ptrdiff_t strides[] = {0, 1, info.width * 3 - 1, -1, 1 - info.width * 3, PTRDIFF_MAX,
                                 PTRDIFF_MIN};
    for (int i = 0; i < 7; i++) BAD(stride[0], strides[i]);
    BAD(format, VIDTWIN_FORMAT_RGBF32_PLANAR); /* with one plane only */
    BAD(format, VIDTWIN_FORMAT_RGB24_PLANAR);

    /* A format other than the one that was sent. */
    vidtwin_frame planar = make_frame(VIDTWIN_FORMAT_RGBF32_PLANAR, info.width, info.height);
    REFUSED(vidtwin_session_receive(session, &planar, MESSAGE));
    for (int t = 0; t < info.clip_frames; t++)
        EXPECT(VIDTWIN_OK, vidtwin_session_receive(session, &good, MESSAGE));
    EXPECT(VIDTWIN_AGAIN, vidtwin_session_receive(session, &good, MESSAGE));

    /* Counts of frames and latents. */
    const size_t counts[] = {0, (size_t)info.clip_frames + 1, (size_t)-1, (size_t)1 << 63, (size_t)1 << 62};
    for (int i = 0; i < 5; i++) {
        REFUSED(vidtwin_session_encode(session, &good, counts[i], &latents, MESSAGE));
        REFUSED(vidtwin_session_decode(session, &latents, &good, counts[i], MESSAGE));
        REFUSED(vidtwin_session_cross(session, &good, counts[i], &good, 1, &good, MESSAGE));
        REFUSED(vidtwin_session_cross(session, &good, 1, &good, counts[i], &good, MESSAGE));
        vidtwin_latents wrong = latents;
        wrong.structure_count = counts[i];
        REFUSED(vidtwin_session_encode(session, &good, 1, &wrong, MESSAGE));
        REFUSED(vidtwin_session_decode(session, &wrong, &good, 1, MESSAGE));
        wrong = latents;
        wrong.dynamics_y_count = counts[i];
        REFUSED(vidtwin_session_encode(session, &good, 1, &wrong, MESSAGE));
        REFUSED(vidtwin_session_decode(session, &wrong, &good, 1, MESSAGE));
    }
    vidtwin_latents none = latents;
    none.dynamics_x = NULL;
    REFUSED(vidtwin_session_encode(session, &good, 1, &none, MESSAGE));
    REFUSED(vidtwin_session_decode(session, &none, &good, 1, MESSAGE));
    REFUSED(vidtwin_session_encode(session, NULL, 1, &latents, MESSAGE));
    REFUSED(vidtwin_session_encode(session, &good, 1, NULL, MESSAGE));
    REFUSED(vidtwin_session_encode(NULL, &good, 1, &latents, MESSAGE));
    REFUSED(vidtwin_session_decode(session, NULL, &good, 1, MESSAGE));
    REFUSED(vidtwin_session_decode(session, &latents, NULL, 1, MESSAGE));
    REFUSED(vidtwin_session_decode(NULL, &latents, &good, 1, MESSAGE));
    REFUSED(vidtwin_session_cross(NULL, &good, 1, &good, 1, &good, MESSAGE));
    REFUSED(vidtwin_session_cross(session, NULL, 1, &good, 1, &good, MESSAGE));
    REFUSED(vidtwin_session_cross(session, &good, 1, NULL, 1, &good, MESSAGE));
    REFUSED(vidtwin_session_cross(session, &good, 1, &good, 1, NULL, MESSAGE));
    /* Latents that no clip has. */
    for (size_t i = 0; i < s; i++) latents.structure[i] = i % 2 ? 3e38f : -3e38f;
    vidtwin_status status = vidtwin_session_decode(session, &latents, &good, 1, MESSAGE);
    CHECK(status == VIDTWIN_OK || status == VIDTWIN_ERROR_DATA);
    latents.structure[0] = NAN;
    EXPECT(VIDTWIN_ERROR_DATA, vidtwin_session_decode(session, &latents, &good, 1, MESSAGE));

    free(latents.structure);
    free(latents.dynamics_x);
    free(latents.dynamics_y);
    free_frame(&planar);
    free_frame(&good);
    vidtwin_session_close(&fresh);
}

vidtwin_model *opened;

int main(int argc, char **argv) {
    CHECK(argc == 2);
    CHECK(vidtwin_api_version() == VIDTWIN_API_VERSION);
    CHECK(strlen(vidtwin_version()) >= 5);
    for (int status = -20; status < 20; status++)
        CHECK(strlen(vidtwin_status_text((vidtwin_status)status)) > 3);
    models(argv[1]);
    identity(argv[1]);

    opened = open_model(argv[1], 2);
    vidtwin_model_info info = info_of(opened);
    CHECK(vidtwin_model_get_info(opened, NULL) == VIDTWIN_ERROR_ARGUMENT);
    CHECK(vidtwin_model_get_info(NULL, &info) == VIDTWIN_ERROR_ARGUMENT);
    vidtwin_model_info small = info;
    small.struct_size = 3;
    CHECK(vidtwin_model_get_info(opened, &small) == VIDTWIN_ERROR_ARGUMENT);

    vidtwin_session_options options;
    vidtwin_session *session = (vidtwin_session *)8;
    CHECK(vidtwin_session_options_default(NULL, 64) == VIDTWIN_ERROR_ARGUMENT);
    CHECK(vidtwin_session_options_default(&options, 3) == VIDTWIN_ERROR_ARGUMENT);
    REFUSED(vidtwin_session_open(&session, NULL, NULL, MESSAGE));
    CHECK(!session);
    REFUSED(vidtwin_session_open(NULL, opened, NULL, MESSAGE));
#define SESSION_WITH(field, value)                                                       \
    do {                                                                                 \
        EXPECT(VIDTWIN_OK, vidtwin_session_options_default(&options, sizeof options));   \
        options.field = value;                                                           \
        session = (vidtwin_session *)8;                                                  \
        REFUSED(vidtwin_session_open(&session, opened, &options, MESSAGE));              \
        CHECK(!session);                                                                 \
    } while (0)
    const int32_t numbers[] = {-1, INT32_MAX, INT32_MIN, 16};
    for (int i = 0; i < 4; i++) {
        SESSION_WITH(part, numbers[i]);
        SESSION_WITH(overlap, numbers[i]);
        SESSION_WITH(sample, numbers[i]);
    }
    SESSION_WITH(struct_size, 0);
    SESSION_WITH(struct_size, (size_t)-1);
    EXPECT(VIDTWIN_OK, vidtwin_session_open(&session, opened, NULL, MESSAGE));
    frames(session, info);
    vidtwin_session_close(&session);
    vidtwin_session_close(&session);
    vidtwin_model_close(&opened);
    vidtwin_model_close(&opened);
    puts("nonsense: refused in words");
    return 0;
}

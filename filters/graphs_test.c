/* The vidtwin filter in graphs as programs make them with libavfilter: torn down in every state, options out
 * of range, inputs that end at different times, a new graph after a seek, requests for memory that fail.
 *
 *   graphs_test MODEL_FOLDER [SHORT]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavutil/imgutils.h>
#include <libavutil/log.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>

#define CHECK(condition)                                                             \
    do {                                                                             \
        if (!(condition)) {                                                          \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);  \
            exit(1);                                                                 \
        }                                                                            \
    } while (0)

enum { SIDE = 64, MOST = 2 };

typedef struct Graph {
    AVFilterGraph *graph;
    AVFilterContext *in[MOST], *out;
} Graph;

static void close_graph(Graph *g) { avfilter_graph_free(&g->graph); }

/* Makes and links a graph of `inputs` sources, the filter and a sink; an error of libav's, or 0. Nothing is
 * configured. */
static int make(Graph *g, const char *options, int inputs) {
    char source[128];
    AVFilterContext *filter = NULL;
    memset(g, 0, sizeof *g);
    g->graph = avfilter_graph_alloc();
    if (!g->graph) return AVERROR(ENOMEM);
    snprintf(source, sizeof source, "video_size=%dx%d:pix_fmt=rgb24:time_base=1/25:frame_rate=25", SIDE, SIDE);
    int error = avfilter_graph_create_filter(&filter, avfilter_get_by_name("vidtwin"), "v", options, NULL, g->graph);
    for (int i = 0; i < inputs && error >= 0; i++) {
        char name[8] = { 'i', (char)('0' + i), 0 };
        error = avfilter_graph_create_filter(&g->in[i], avfilter_get_by_name("buffer"), name, source, NULL, g->graph);
        if (error >= 0) error = avfilter_link(g->in[i], 0, filter, (unsigned)i);
    }
    if (error >= 0)
        error = avfilter_graph_create_filter(&g->out, avfilter_get_by_name("buffersink"), "o", NULL, NULL, g->graph);
    if (error >= 0) error = avfilter_link(filter, 0, g->out, 0);
    return error < 0 ? error : 0;
}

static int open_graph(Graph *g, const char *options, int inputs) {
    int error = make(g, options, inputs);
    return error < 0 ? error : avfilter_graph_config(g->graph, NULL);
}

/* Gives input `i` its frame number t, or its end where t is negative. */
static int give(Graph *g, int i, int t) {
    if (t < 0) return av_buffersrc_add_frame(g->in[i], NULL);
    AVFrame *frame = av_frame_alloc();
    if (!frame) return AVERROR(ENOMEM);
    frame->format = AV_PIX_FMT_RGB24;
    frame->width = frame->height = SIDE;
    frame->pts = t;
    int error = av_frame_get_buffer(frame, 0);
    for (int y = 0; y < SIDE && error >= 0; y++)
        for (int x = 0; x < 3 * SIDE; x++)
            frame->data[0][y * frame->linesize[0] + x] = (uint8_t)(7 * x + 3 * y + 5 * t + 90 * i);
    if (error >= 0) error = av_buffersrc_add_frame(g->in[i], frame);
    av_frame_free(&frame);
    return error;
}

/* Takes what there is: how many frames; *error is EAGAIN, EOF or a fault. */
static int take(Graph *g, int *error, int64_t *last) {
    AVFrame *frame = av_frame_alloc();
    int count = 0;
    if (!frame) return *error = AVERROR(ENOMEM), 0;
    while ((*error = av_buffersink_get_frame(g->out, frame)) >= 0) {
        CHECK(frame->pts > *last && frame->width == SIDE);
        *last = frame->pts;
        av_frame_unref(frame);
        count++;
    }
    av_frame_free(&frame);
    return count;
}

/* All of a graph's frames with `frames[i]` of each input; an error of libav's, or their number. */
static int run(const char *options, int inputs, const int *frames) {
    Graph g;
    int count = 0, state = AVERROR(EAGAIN);
    int64_t last = -1;
    int error = open_graph(&g, options, inputs);
    for (int t = 0, open = inputs; open && error >= 0 && state == AVERROR(EAGAIN); t++) {
        for (int i = 0; i < inputs && error >= 0; i++) {
            if (t > frames[i]) continue;
            error = give(&g, i, t == frames[i] ? -1 : t);
            if (t == frames[i]) open--;
            if (error == AVERROR_EOF) error = 0; /* the graph has ended before */
        }
        if (error >= 0) count += take(&g, &state, &last);
    }
    close_graph(&g);
    if (error < 0) return error;
    return state == AVERROR_EOF || state == AVERROR(EAGAIN) ? count : state;
}

int main(int argc, char **argv) {
    CHECK(argc >= 2);
    av_log_set_level(getenv("VERBOSE") ? AV_LOG_INFO : AV_LOG_QUIET);
    char options[512], one[400], two[512];
    snprintf(one, sizeof one, "model=%s:precision=f32:threads=2", argv[1]);
    snprintf(two, sizeof two, "%s:mode=cross", one);
    int step = argc > 2 ? 9 : 1;
    Graph g;

    /* Torn down: made, linked, configured, after each number of frames, taken from or not, after the end. */
    CHECK(make(&g, one, 1) == 0);
    close_graph(&g);
    CHECK(make(&g, one, 0) == 0);
    CHECK(avfilter_graph_config(g.graph, NULL) < 0);
    close_graph(&g);
    int torn = 2;
    for (int frames = 0; frames <= 36; frames += step) {
        for (int how = 0; how < 4; how++) { /* 1: frames were taken, 2: the end was said */
            int state;
            int64_t last = -1;
            CHECK(open_graph(&g, one, 1) >= 0);
            for (int t = 0; t < frames; t++) {
                CHECK(give(&g, 0, t) >= 0);
                if (how & 1) take(&g, &state, &last);
            }
            if (how & 2) CHECK(give(&g, 0, -1) >= 0);
            close_graph(&g);
            torn++;
        }
    }

    /* As many frames out as in, and a new graph after a seek. */
    for (int frames = 0; frames <= 36; frames += step) CHECK(run(one, 1, &frames) == frames);

    /* Options out of range. */
    const char *bad[] = { "threads=-1", "threads=1025", "threads=99999999999", "overlap=-1", "overlap=16",
                          "overlap=2147483647", "seed=-2", "mode=7", "mode=nothing", "part=9", "precision=9",
                          "model=/nonexistent", "config=/nonexistent", "checkpoint=/dev/null", "nothing=1" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(options, sizeof options, "%s:%s", one, bad[i]);
        int frames = 2, error = run(options, 1, &frames);
        if (error >= 0) fprintf(stderr, "%s is taken\n", bad[i]);
        CHECK(error < 0);
    }

    /* Two inputs that end at different times. */
    int ends[][2] = { { 20, 20 }, { 0, 20 }, { 20, 0 }, { 1, 33 }, { 33, 1 }, { 16, 17 }, { 17, 16 }, { 0, 0 } };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        int shorter = ends[i][0] < ends[i][1] ? ends[i][0] : ends[i][1];
        int count = run(two, 2, ends[i]);
        if (count != shorter) fprintf(stderr, "inputs of %d and %d frames: %d\n", ends[i][0], ends[i][1], count);
        CHECK(count == shorter);
    }

    /* No memory: libav's own requests, by a limit that falls. */
    int failed = 0;
    for (size_t most = 1 << 8; most < 1 << 16; most *= 2) {
        int frames = 17;
        av_max_alloc(most);
        int count = run(one, 1, &frames);
        CHECK(count < 0 || count == frames);
        failed += count < 0;
    }
    av_max_alloc(INT32_MAX);
    CHECK(failed > 0);
    printf("graphs: %d torn down, options, ends and limits on memory as they should be\n", torn);
    return 0;
}

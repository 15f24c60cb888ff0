/*
 * FFmpeg filter "vidtwin": video through a VidTwin autoencoder, by libvidtwin (vidtwin.h).
 *
 * One file for FFmpeg 5.1 to 9, compiled inside its source tree (filters/README.md). Permission to
 * use it is the project's, MIT; see LICENSE there.
 */

#include <vidtwin.h>

#include "libavutil/avstring.h"
#include "libavutil/frame.h"
#include "libavutil/mem.h"
#include "libavutil/opt.h"
#include "libavutil/pixdesc.h"
#include "libavfilter/version.h"

#include "avfilter.h"
#include "filters.h"
#include "formats.h"
#if __has_include("internal.h")
#include "internal.h"
#endif
#include "video.h"

/* What differs between FFmpeg's versions. */
#if LIBAVFILTER_VERSION_INT >= AV_VERSION_INT(10, 4, 100) /* 7.1 */
#define FRAME_RATE(link) (ff_filter_link(link)->frame_rate)
#else
#define FRAME_RATE(link) ((link)->frame_rate)
#endif
#if LIBAVFILTER_VERSION_MAJOR >= 11 /* 8.0 */
#define FILTER_TYPE const FFFilter
#define PUBLIC(field) .p.field
#else
#define FILTER_TYPE const AVFilter
#define PUBLIC(field) .field
#endif

enum Mode { MODE_RECONSTRUCT, MODE_CROSS };

/* Frames of one input: those whose reconstruction is not out yet. */
typedef struct FrameQueue {
    AVFrame **frames;
    int count, capacity;
    int ended;
    int status;
    int64_t end_pts;
} FrameQueue;

typedef struct VidTwinContext {
    const AVClass *class;
    char *model_name, *config, *checkpoint;
    int mode, part, precision, threads, overlap;
    int64_t seed;

    vidtwin_model *model;
    vidtwin_session *session;
    vidtwin_model_info info;
    FrameQueue queue[2]; /* cross: structure, dynamics */
    int finished;
} VidTwinContext;

#define OFFSET(x) offsetof(VidTwinContext, x)
#define FLAGS (AV_OPT_FLAG_FILTERING_PARAM | AV_OPT_FLAG_VIDEO_PARAM)

static const AVOption vidtwin_options[] = {
    { "model", "folder with config.yaml and model.safetensors, or name of an installed model; "
      "default: $VIDTWIN_MODEL, else the bundled one",
      OFFSET(model_name), AV_OPT_TYPE_STRING, { .str = NULL }, 0, 0, FLAGS },
    { "config", "configuration file, where the checkpoint carries none", OFFSET(config), AV_OPT_TYPE_STRING,
      { .str = NULL }, 0, 0, FLAGS },
    { "checkpoint", "weights: .safetensors, .ckpt or .pt", OFFSET(checkpoint), AV_OPT_TYPE_STRING,
      { .str = NULL }, 0, 0, FLAGS },
    { "mode", "what is done", OFFSET(mode), AV_OPT_TYPE_INT, { .i64 = MODE_RECONSTRUCT },
      MODE_RECONSTRUCT, MODE_CROSS, FLAGS, .unit = "mode" },
    { "reconstruct", "encode and decode one video", 0, AV_OPT_TYPE_CONST,
      { .i64 = MODE_RECONSTRUCT }, 0, 0, FLAGS, .unit = "mode" },
    { "cross", "structure of the first input with the dynamics of the second", 0,
      AV_OPT_TYPE_CONST, { .i64 = MODE_CROSS }, 0, 0, FLAGS, .unit = "mode" },
    { "part", "latents that are decoded", OFFSET(part), AV_OPT_TYPE_INT,
      { .i64 = VIDTWIN_PART_ALL }, VIDTWIN_PART_ALL, VIDTWIN_PART_DYNAMICS, FLAGS, .unit = "part" },
    { "all", "structure and dynamics", 0, AV_OPT_TYPE_CONST, { .i64 = VIDTWIN_PART_ALL }, 0, 0,
      FLAGS, .unit = "part" },
    { "structure", "what stays", 0, AV_OPT_TYPE_CONST, { .i64 = VIDTWIN_PART_STRUCTURE }, 0, 0,
      FLAGS, .unit = "part" },
    { "dynamics", "what moves", 0, AV_OPT_TYPE_CONST, { .i64 = VIDTWIN_PART_DYNAMICS }, 0, 0,
      FLAGS, .unit = "part" },
    { "precision", "how weights are held and multiplied", OFFSET(precision), AV_OPT_TYPE_INT,
      { .i64 = VIDTWIN_PRECISION_AUTO }, VIDTWIN_PRECISION_AUTO, VIDTWIN_PRECISION_INT8, FLAGS,
      .unit = "precision" },
    { "auto", "bf16 where the CPU computes with it, else f32", 0, AV_OPT_TYPE_CONST,
      { .i64 = VIDTWIN_PRECISION_AUTO }, 0, 0, FLAGS, .unit = "precision" },
    { "f32", "32-bit floats", 0, AV_OPT_TYPE_CONST, { .i64 = VIDTWIN_PRECISION_F32 }, 0, 0, FLAGS,
      .unit = "precision" },
    { "bf16", "bfloat16", 0, AV_OPT_TYPE_CONST, { .i64 = VIDTWIN_PRECISION_BF16 }, 0, 0, FLAGS,
      .unit = "precision" },
    { "int8", "8-bit integers", 0, AV_OPT_TYPE_CONST, { .i64 = VIDTWIN_PRECISION_INT8 }, 0, 0,
      FLAGS, .unit = "precision" },
    { "threads", "threads that compute; 0: all CPUs", OFFSET(threads), AV_OPT_TYPE_INT,
      { .i64 = 0 }, 0, 1024, FLAGS },
    { "overlap", "frames that clips share and cross-fade", OFFSET(overlap), AV_OPT_TYPE_INT,
      { .i64 = 0 }, 0, 8191, FLAGS },
    { "seed", "seed of sampled latents; -1: their mean", OFFSET(seed), AV_OPT_TYPE_INT64,
      { .i64 = -1 }, -1, UINT32_MAX, FLAGS },
    { NULL }
};

AVFILTER_DEFINE_CLASS(vidtwin);

/* Says what went wrong; the status becomes FFmpeg's. */
static int failed(AVFilterContext *ctx, vidtwin_status status, const char *message)
{
    av_log(ctx, AV_LOG_ERROR, "%s\n", *message ? message : vidtwin_status_text(status));
    switch (status) {
    case VIDTWIN_ERROR_ARGUMENT:    return AVERROR(EINVAL);
    case VIDTWIN_ERROR_MODEL:
    case VIDTWIN_ERROR_DATA:        return AVERROR_INVALIDDATA;
    case VIDTWIN_ERROR_MEMORY:      return AVERROR(ENOMEM);
    case VIDTWIN_ERROR_UNSUPPORTED: return AVERROR(ENOSYS);
    default:                        return AVERROR_EXTERNAL;
    }
}

static void log_line(void *user, int32_t level, const char *text)
{
    av_log(user, level == VIDTWIN_LOG_NOTICE ? AV_LOG_INFO : AV_LOG_VERBOSE, "%s\n", text);
}

static av_cold int init(AVFilterContext *ctx)
{
    VidTwinContext *s = ctx->priv;
    vidtwin_model_options options;
    vidtwin_status status;
    char message[2048] = "";
    int i, ret, inputs = s->mode == MODE_CROSS ? 2 : 1;
    uint32_t version = vidtwin_api_version();

    if (version >> 16 != VIDTWIN_API_MAJOR || version < VIDTWIN_API_VERSION) {
        av_log(ctx, AV_LOG_ERROR, "libvidtwin has interface %u.%u, %d.%d is needed\n",
               version >> 16, version & 0xffff, VIDTWIN_API_MAJOR, VIDTWIN_API_MINOR);
        return AVERROR_EXTERNAL;
    }
    if (s->mode == MODE_CROSS && s->overlap) {
        av_log(ctx, AV_LOG_ERROR, "overlap %d: mode=cross has none\n", s->overlap);
        return AVERROR(EINVAL);
    }

    vidtwin_model_options_default(&options, sizeof options);
    options.model      = s->model_name;
    options.config     = s->config;
    options.checkpoint = s->checkpoint;
    options.precision  = s->precision;
    /* Some versions take "threads" for the option of that name that every filter has. */
    options.threads    = s->threads ? s->threads : ctx->nb_threads;
    options.log        = log_line;
    options.log_user   = ctx;
    status = vidtwin_model_open(&s->model, &options, message, sizeof message);
    if (status < 0)
        return failed(ctx, status, message);
    s->info.struct_size = sizeof s->info;
    status = vidtwin_model_get_info(s->model, &s->info);
    if (status < 0)
        return failed(ctx, status, "");

    for (i = 0; i < inputs; i++) {
        static const char *const names[2][2] = { { "default" }, { "structure", "dynamics" } };
        AVFilterPad pad = { .name = names[s->mode][i], .type = AVMEDIA_TYPE_VIDEO };

        if ((ret = ff_append_inpad(ctx, &pad)) < 0)
            return ret;
        /* A clip that is gathered, and one whose frames the overlap holds back. */
        s->queue[i].capacity = 2 * s->info.clip_frames;
        s->queue[i].frames   = av_calloc(s->queue[i].capacity, sizeof *s->queue[i].frames);
        if (!s->queue[i].frames)
            return AVERROR(ENOMEM);
    }
    return 0;
}

static void drop(FrameQueue *queue, int count)
{
    int i;

    for (i = 0; i < count; i++)
        av_frame_free(&queue->frames[i]);
    queue->count -= count;
    memmove(queue->frames, queue->frames + count, queue->count * sizeof *queue->frames);
}

static av_cold void uninit(AVFilterContext *ctx)
{
    VidTwinContext *s = ctx->priv;
    int i;

    vidtwin_session_close(&s->session);
    vidtwin_model_close(&s->model);
    for (i = 0; i < 2; i++) {
        drop(&s->queue[i], s->queue[i].count);
        av_freep(&s->queue[i].frames);
    }
}

static int config_output(AVFilterLink *outlink)
{
    AVFilterContext *ctx = outlink->src;
    VidTwinContext *s = ctx->priv;
    vidtwin_session_options options;
    vidtwin_status status;
    char message[512] = "";
    int i;

    for (i = 0; i < ctx->nb_inputs; i++) {
        const AVFilterLink *in = ctx->inputs[i];

        if (in->w != s->info.width || in->h != s->info.height) {
            av_log(ctx, AV_LOG_ERROR,
                   "input %d: the model's frames are %dx%d, these are %dx%d; put before this filter: "
                   "scale=%d:%d:force_original_aspect_ratio=increase,crop=%d:%d\n",
                   i, s->info.width, s->info.height, in->w, in->h, s->info.width, s->info.height,
                   s->info.width, s->info.height);
            return AVERROR(EINVAL);
        }
    }
    if (ctx->nb_inputs == 2 && av_cmp_q(FRAME_RATE(ctx->inputs[0]), FRAME_RATE(ctx->inputs[1])))
        av_log(ctx, AV_LOG_WARNING,
               "frame rates differ (%d/%d and %d/%d): frames are paired one by one\n",
               FRAME_RATE(ctx->inputs[0]).num, FRAME_RATE(ctx->inputs[0]).den,
               FRAME_RATE(ctx->inputs[1]).num, FRAME_RATE(ctx->inputs[1]).den);

    outlink->w                   = s->info.width;
    outlink->h                   = s->info.height;
    outlink->time_base           = ctx->inputs[0]->time_base;
    outlink->sample_aspect_ratio = ctx->inputs[0]->sample_aspect_ratio;
    FRAME_RATE(outlink)          = FRAME_RATE(ctx->inputs[0]);

    vidtwin_session_close(&s->session);
    vidtwin_session_options_default(&options, sizeof options);
    options.part     = s->part;
    options.overlap  = s->overlap;
    options.sample   = s->seed >= 0;
    options.seed     = s->seed >= 0 ? s->seed : 0;
    options.log      = log_line;
    options.log_user = ctx;
    status = vidtwin_session_open(&s->session, s->model, &options, message, sizeof message);
    return status < 0 ? failed(ctx, status, message) : 0;
}

/* A frame as libvidtwin sees it. */
static vidtwin_frame described(const AVFrame *frame)
{
    vidtwin_frame f = { .width = frame->width, .height = frame->height };
    int i;

    if (frame->format == AV_PIX_FMT_RGB24) {
        f.format    = VIDTWIN_FORMAT_RGB24;
        f.data[0]   = frame->data[0];
        f.stride[0] = frame->linesize[0];
    } else {
        static const int plane[3] = { 2, 0, 1 }; /* GBRP: green, blue, red */

        f.format = VIDTWIN_FORMAT_RGBF32_PLANAR;
        for (i = 0; i < 3; i++) {
            f.data[i]   = frame->data[plane[i]];
            f.stride[i] = frame->linesize[plane[i]];
        }
    }
    return f;
}

/* An empty frame with times, side data and all else of one that came in. */
static AVFrame *frame_like(AVFilterLink *outlink, const AVFrame *in)
{
    AVFrame *out = ff_get_video_buffer(outlink, outlink->w, outlink->h);

    if (out && av_frame_copy_props(out, in) < 0)
        av_frame_free(&out);
    return out;
}

/* Sends on every frame that is ready. */
static int send_ready(AVFilterContext *ctx)
{
    VidTwinContext *s = ctx->priv;
    FrameQueue *queue = &s->queue[0];
    char message[512] = "";

    while (queue->count) {
        AVFrame *out = frame_like(ctx->outputs[0], queue->frames[0]);
        vidtwin_frame frame;
        vidtwin_status status;
        int ret;

        if (!out)
            return AVERROR(ENOMEM);
        frame  = described(out);
        status = vidtwin_session_receive(s->session, &frame, message, sizeof message);
        if (status != VIDTWIN_OK) {
            av_frame_free(&out);
            return status < 0 ? failed(ctx, status, message) : 0;
        }
        drop(queue, 1);
        if ((ret = ff_filter_frame(ctx->outputs[0], out)) < 0)
            return ret;
    }
    return 0;
}

static int reconstruct(AVFilterContext *ctx)
{
    VidTwinContext *s = ctx->priv;
    FrameQueue *queue = &s->queue[0];
    char message[512] = "";
    vidtwin_status status;
    AVFrame *frame;
    int ret;

    while ((ret = ff_inlink_consume_frame(ctx->inputs[0], &frame)) > 0) {
        vidtwin_frame f = described(frame);

        if (queue->count == queue->capacity) {
            av_frame_free(&frame);
            return AVERROR_BUG;
        }
        queue->frames[queue->count++] = frame;
        status = vidtwin_session_send(s->session, &f, message, sizeof message);
        if (status != VIDTWIN_OK)
            return failed(ctx, status, message);
        if ((ret = send_ready(ctx)) < 0)
            return ret;
    }
    if (ret < 0)
        return ret;
    if (ff_inlink_acknowledge_status(ctx->inputs[0], &queue->status, &queue->end_pts)) {
        status = vidtwin_session_flush(s->session, message, sizeof message);
        if (status < 0)
            return failed(ctx, status, message);
        if ((ret = send_ready(ctx)) < 0)
            return ret;
        ff_outlink_set_status(ctx->outputs[0], queue->status, queue->end_pts);
        return 0;
    }
    FF_FILTER_FORWARD_WANTED(ctx->outputs[0], ctx->inputs[0]);
    return FFERROR_NOT_READY;
}

/* Takes what there is for the clip that an input gathers. */
static int gather(AVFilterLink *inlink, FrameQueue *queue, int clip)
{
    AVFrame *frame;
    int ret;

    while (queue->count < clip) {
        if ((ret = ff_inlink_consume_frame(inlink, &frame)) < 0)
            return ret;
        if (!ret)
            break;
        queue->frames[queue->count++] = frame;
    }
    if (!queue->ended && queue->count < clip &&
        ff_inlink_acknowledge_status(inlink, &queue->status, &queue->end_pts))
        queue->ended = 1;
    return 0;
}

/* The clips of both inputs to frames with the times of the structure's. */
static int cross_clip(AVFilterContext *ctx, int count)
{
    VidTwinContext *s = ctx->priv;
    const FrameQueue *a = &s->queue[0], *b = &s->queue[1];
    vidtwin_frame *f = av_calloc(a->count + b->count + count, sizeof *f);
    AVFrame **out    = av_calloc(count, sizeof *out);
    char message[512] = "";
    vidtwin_status status;
    int i, ret = 0;

    if (!f || !out)
        ret = AVERROR(ENOMEM);
    for (i = 0; !ret && i < count; i++) {
        if (!(out[i] = frame_like(ctx->outputs[0], a->frames[i])))
            ret = AVERROR(ENOMEM);
        else
            f[a->count + b->count + i] = described(out[i]);
    }
    if (!ret) {
        for (i = 0; i < a->count; i++)
            f[i] = described(a->frames[i]);
        for (i = 0; i < b->count; i++)
            f[a->count + i] = described(b->frames[i]);
        status = vidtwin_session_cross(s->session, f, a->count, f + a->count, b->count,
                                       f + a->count + b->count, message, sizeof message);
        if (status < 0)
            ret = failed(ctx, status, message);
    }
    for (i = 0; out && i < count; i++) {
        AVFrame *frame = out[i];

        if (!ret)
            ret = ff_filter_frame(ctx->outputs[0], frame);
        else
            av_frame_free(&frame);
    }
    av_free(out);
    av_free(f);
    return ret;
}

/* Ends the output, and what still comes in. */
static void finish_cross(AVFilterContext *ctx, int status, int64_t pts)
{
    VidTwinContext *s = ctx->priv;
    int i;

    s->finished = 1;
    if (s->queue[0].ended != s->queue[1].ended)
        av_log(ctx, AV_LOG_INFO, "%s ends first, and the output with it\n",
               s->queue[0].ended ? "structure" : "dynamics");
    ff_outlink_set_status(ctx->outputs[0], status, pts);
    for (i = 0; i < 2; i++) {
        if (!s->queue[i].ended)
            ff_inlink_set_status(ctx->inputs[i], AVERROR_EOF);
        drop(&s->queue[i], s->queue[i].count);
    }
}

static int cross(AVFilterContext *ctx)
{
    VidTwinContext *s = ctx->priv;
    FrameQueue *a = &s->queue[0], *b = &s->queue[1];
    const int clip = s->info.clip_frames;
    int i, ret, wanted = 0;

    if (s->finished)
        return FFERROR_NOT_READY;
    for (;;) {
        int count;
        int64_t pts;

        if ((ret = gather(ctx->inputs[0], a, clip)) < 0 ||
            (ret = gather(ctx->inputs[1], b, clip)) < 0)
            return ret;
        /* An input that ended between clips needs nothing of the other one any more. */
        if (!(a->ended && !a->count) && !(b->ended && !b->count) &&
            ((a->count < clip && !a->ended) || (b->count < clip && !b->ended)))
            break;
        count = FFMIN(a->count, b->count);
        if (count && (ret = cross_clip(ctx, count)) < 0)
            return ret;
        pts = a->count > count ? a->frames[count]->pts : a->ended ? a->end_pts : AV_NOPTS_VALUE;
        if (count < clip) {
            ret = a->ended && a->status != AVERROR_EOF ? a->status
                : b->ended && b->status != AVERROR_EOF ? b->status : AVERROR_EOF;
            finish_cross(ctx, ret, pts);
            return 0;
        }
        drop(a, count);
        drop(b, count);
    }
    for (i = 0; i < 2; i++) {
        if (s->queue[i].count < clip && !s->queue[i].ended &&
            ff_outlink_frame_wanted(ctx->outputs[0])) {
            ff_inlink_request_frame(ctx->inputs[i]);
            wanted = 1;
        }
    }
    return wanted ? 0 : FFERROR_NOT_READY;
}

static int activate(AVFilterContext *ctx)
{
    VidTwinContext *s = ctx->priv;

    FF_FILTER_FORWARD_STATUS_BACK_ALL(ctx->outputs[0], ctx);
    return s->mode == MODE_CROSS ? cross(ctx) : reconstruct(ctx);
}

static const AVFilterPad vidtwin_outputs[] = {
    {
        .name         = "default",
        .type         = AVMEDIA_TYPE_VIDEO,
        .config_props = config_output,
    },
};

static const enum AVPixelFormat vidtwin_formats[] = {
    AV_PIX_FMT_RGB24, AV_PIX_FMT_GBRPF32, AV_PIX_FMT_NONE
};

FILTER_TYPE ff_vf_vidtwin = {
    PUBLIC(name)        = "vidtwin",
    PUBLIC(description) = NULL_IF_CONFIG_SMALL("Reconstruct or cross-reenact video with VidTwin."),
    PUBLIC(priv_class)  = &vidtwin_class,
    PUBLIC(inputs)      = NULL,
    PUBLIC(flags)       = AVFILTER_FLAG_DYNAMIC_INPUTS,
    .priv_size          = sizeof(VidTwinContext),
    .init               = init,
    .uninit             = uninit,
    .activate           = activate,
    FILTER_OUTPUTS(vidtwin_outputs),
    FILTER_PIXFMTS_ARRAY(vidtwin_formats),
};

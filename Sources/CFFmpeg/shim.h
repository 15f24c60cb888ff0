#pragma once
#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libavutil/parseutils.h>
#include <libavutil/pixdesc.h>

// Macros that Swift does not import, as constants.
static const int64_t vt_no_pts = AV_NOPTS_VALUE;
static const int vt_error_eof = AVERROR_EOF;
static const int vt_error_exit = AVERROR_EXIT;
static const int vt_error_again = AVERROR(EAGAIN);
static const int vt_error_io = AVERROR(EIO);
static const int vt_error_access = AVERROR(EACCES);
static const int vt_error_no_memory = AVERROR(ENOMEM);
static const int vt_error_no_system_call = AVERROR(ENOSYS);

// The formats that packed RGB has here, in this machine's byte order.
static const enum AVPixelFormat vt_rgb24 = AV_PIX_FMT_RGB24;
static const enum AVPixelFormat vt_rgb48 = AV_PIX_FMT_RGB48;
static const enum AVPixelFormat vt_no_pixel_format = AV_PIX_FMT_NONE;

// Depth of a format's first component, in bits.
static inline int vt_depth(const AVPixFmtDescriptor *d) { return d->comp[0].depth; }

// An option of a filter, set before it is initialised.
static inline int vt_set_option(void *object, const char *name, const char *value) {
    return av_opt_set(object, name, value, AV_OPT_SEARCH_CHILDREN);
}

// The one list option that is needed: a sink's only pixel format.
static inline int vt_set_sink_format(AVFilterContext *sink, enum AVPixelFormat format) {
    enum AVPixelFormat formats[] = {format, AV_PIX_FMT_NONE};
    return av_opt_set_int_list(sink, "pix_fmts", formats, AV_PIX_FMT_NONE, AV_OPT_SEARCH_CHILDREN);
}

// The duration of a frame, whose name changed with FFmpeg 6.
static inline int64_t vt_frame_duration(const AVFrame *frame) {
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 30, 100)
    return frame->duration;
#else
    return frame->pkt_duration;
#endif
}

static inline void vt_set_frame_duration(AVFrame *frame, int64_t duration) {
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 30, 100)
    frame->duration = duration;
#else
    frame->pkt_duration = duration;
#endif
}

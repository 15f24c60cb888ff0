#pragma once
#include <errno.h>
#include <string.h>
#include <libavcodec/avcodec.h>
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libavutil/display.h>
#include <libavutil/hdr_dynamic_metadata.h>
#include <libavutil/mastering_display_metadata.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libavutil/parseutils.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>

// Macros that Swift does not import, as constants.
static const int64_t vt_no_pts = AV_NOPTS_VALUE;
static const int vt_error_eof = AVERROR_EOF;
static const int vt_error_data = AVERROR_INVALIDDATA;
static const int vt_error_exit = AVERROR_EXIT;
static const int vt_error_again = AVERROR(EAGAIN);
static const int vt_error_io = AVERROR(EIO);
static const int vt_error_access = AVERROR(EACCES);
static const int vt_error_no_memory = AVERROR(ENOMEM);
static const int vt_error_invalid = AVERROR(EINVAL);
static const int vt_error_external = AVERROR_EXTERNAL;
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

// Side data of a stream, whose place changed with FFmpeg 6.1: to read, and to add a copy.
static inline const uint8_t *vt_stream_side_data(
    const AVStream *stream, enum AVPacketSideDataType type, size_t *size) {
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 16, 100)
    const AVPacketSideData *found = av_packet_side_data_get(
        stream->codecpar->coded_side_data, stream->codecpar->nb_coded_side_data, type);
    *size = found ? found->size : 0;
    return found ? found->data : NULL;
#else
    return av_stream_get_side_data(stream, type, size);
#endif
}

static inline int vt_add_stream_side_data(
    AVStream *stream, enum AVPacketSideDataType type, const uint8_t *data, size_t size) {
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 16, 100)
    AVPacketSideData *made = av_packet_side_data_new(
        &stream->codecpar->coded_side_data, &stream->codecpar->nb_coded_side_data, type, size, 0);
    uint8_t *copy = made ? made->data : NULL;
#else
    uint8_t *copy = av_stream_new_side_data(stream, type, size);
#endif
    if (!copy) return AVERROR(ENOMEM);
    memcpy(copy, data, size);
    return 0;
}

// Whether a frame consists of fields, and which is first.
static inline int vt_is_interlaced(const AVFrame *frame) {
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(58, 7, 100)
    return !!(frame->flags & AV_FRAME_FLAG_INTERLACED);
#else
    return frame->interlaced_frame;
#endif
}

static inline int vt_is_top_field_first(const AVFrame *frame) {
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(58, 7, 100)
    return !!(frame->flags & AV_FRAME_FLAG_TOP_FIELD_FIRST);
#else
    return frame->top_field_first;
#endif
}

static inline void vt_set_progressive(AVFrame *frame) {
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(58, 7, 100)
    frame->flags &= ~(AV_FRAME_FLAG_INTERLACED | AV_FRAME_FLAG_TOP_FIELD_FIRST);
#else
    frame->interlaced_frame = frame->top_field_first = 0;
#endif
}

// The frame rates that an encoder takes, up to one of 0/0; NULL for all. The field is gone from
// FFmpeg 8 on.
static inline const AVRational *vt_frame_rates(const AVCodec *codec) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(61, 13, 100)
    const void *rates = NULL;
    int count = 0;
    if (avcodec_get_supported_config(NULL, codec, AV_CODEC_CONFIG_FRAME_RATE, 0, &rates, &count))
        return NULL;
    return rates;
#else
    return codec->supported_framerates;
#endif
}

// A bit field.
static inline int vt_index_entry_size(const AVIndexEntry *entry) { return entry->size; }

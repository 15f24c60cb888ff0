/* VidTwin: clips of video to structure and dynamics latents, and back.
 *
 * The C interface of libvidtwin. C99 and C++; no other header of the project is needed.
 *
 * The whole loop, for frames that come one by one and go out as many as came in (every call's
 * status is to be looked at; examples/reconstruct.c is the complete program):
 *
 *     char message[512];
 *     vidtwin_model *model = NULL;
 *     vidtwin_session *session = NULL;
 *     vidtwin_model_open(&model, NULL, message, sizeof message);
 *     vidtwin_session_open(&session, model, NULL, message, sizeof message);
 *     while (my_read(&in)) {
 *         vidtwin_session_send(session, &in, message, sizeof message);
 *         while (vidtwin_session_receive(session, &out, message, sizeof message) == VIDTWIN_OK)
 *             my_write(&out);
 *     }
 *     vidtwin_session_flush(session, message, sizeof message);
 *     while (vidtwin_session_receive(session, &out, message, sizeof message) == VIDTWIN_OK)
 *         my_write(&out);
 *     vidtwin_session_close(&session);
 *     vidtwin_model_close(&model);
 *
 * What holds for every function:
 *
 * - Statuses: 0 is success, positive ones are no errors, negative ones are. After an error nothing
 *   was written to the caller's memory but the message (and frames or latents of a computation that
 *   failed half-way, whose contents are then worthless), and a handle to be opened is NULL.
 * - Messages: `message` is a buffer of the caller's of `capacity` bytes. An error writes a text of
 *   one or more lines into it: what, where, expected, found; cut at a whole UTF-8 character where it
 *   is too long, always ended by NUL. Any other status writes an empty text. NULL or 0: no text.
 * - Pointers must be NULL or valid. NULL where something is needed, and any number, size or text
 *   that makes no sense, gives VIDTWIN_ERROR_ARGUMENT. Paths and names are UTF-8.
 * - Threads: any number of threads may use one model and different sessions of it at once. A session
 *   serves one call at a time; another thread's call gives VIDTWIN_ERROR_STATE and does nothing.
 *   `close` of a handle must be its last use.
 * - Memory: the library never keeps a pointer of the caller's after a call, but for the log callback
 *   and its user data, which are used until the handle is closed. It never gives out memory that the
 *   caller has to free; static texts say so.
 * - Computing blocks the caller; the computing threads belong to the model, sleep between calls and
 *   end when the model and its last session are closed. Sessions that compute at the same time take
 *   turns, operation by operation.
 * - fork: a model, and every session that no call was in, computes in the child as in the parent,
 *   with threads of the child's own. A session that a thread of the parent was in gives
 *   VIDTWIN_ERROR_STATE there, at once and for ever, and can be closed. Do not fork while another
 *   thread opens the process's first model, nor in a log callback. Each process closes its handles.
 * - Floating point: the caller's rounding, traps, handling of subnormals and flags do not reach the
 *   results, and are after each call what they were before. Log callbacks run in the default ones.
 * - A caller's stack of 64 kB is enough.
 * - The process is never ended by what is passed, and its signals, locale, standard streams and
 *   OpenMP settings are left alone. A clip's memory is made sure of before it is computed, and where
 *   there is none the call gives VIDTWIN_ERROR_MEMORY and the model can go on later. Beyond the
 *   library's control: a checkpoint that becomes shorter while vidtwin_model_open reads it, which is
 *   SIGBUS unless `copy_weights` is set (a model that is open needs its files no more), a system that
 *   gives address space and then has no memory for it, and objects of less than a page that find
 *   none.
 */
#ifndef VIDTWIN_H
#define VIDTWIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Version of this interface. Within a major version, functions and options are only added: a program
 *  that was built against an older minor version goes on as it is, and options that it does not have
 *  are the defaults. */
#define VIDTWIN_API_MAJOR 1
#define VIDTWIN_API_MINOR 2
#define VIDTWIN_API_VERSION ((VIDTWIN_API_MAJOR << 16) | VIDTWIN_API_MINOR)

/** A loaded model: weights and computing threads. Never changes; shared by any number of sessions. */
typedef struct vidtwin_model vidtwin_model;

/** One stream through a model. Keeps its model alive. */
typedef struct vidtwin_session vidtwin_session;

/** What came of a call. */
typedef enum vidtwin_status {
    /** Done. */
    VIDTWIN_OK = 0,
    /** No error: `send` wants `receive` to be called first, or `receive` wants `send`. */
    VIDTWIN_AGAIN = 1,
    /** No error: the stream was flushed and its last frame was received. */
    VIDTWIN_END = 2,
    /** A NULL pointer, or a number, size, stride or text that makes no sense. */
    VIDTWIN_ERROR_ARGUMENT = -1,
    /** No such model, or its configuration or checkpoint is damaged or does not fit. */
    VIDTWIN_ERROR_MODEL = -2,
    /** Frames or latents that hold NaN or infinity, or for which the model's result does. */
    VIDTWIN_ERROR_DATA = -3,
    /** Not enough memory. */
    VIDTWIN_ERROR_MEMORY = -4,
    /** The call does not fit the session's state: after a flush, after a failure, or in use. */
    VIDTWIN_ERROR_STATE = -5,
    /** What this version does not have. */
    VIDTWIN_ERROR_UNSUPPORTED = -6,
    /** A fault of the library. */
    VIDTWIN_ERROR_INTERNAL = -7
} vidtwin_status;

/** How weights are held and multiplied: vidtwin_model_options.precision. */
enum {
    /** bf16 where the CPU computes with it, else f32. */
    VIDTWIN_PRECISION_AUTO = 0,
    /** 32-bit floating point: the reference. */
    VIDTWIN_PRECISION_F32 = 1,
    /** Products in bfloat16; slow where the CPU has no instructions for it. */
    VIDTWIN_PRECISION_BF16 = 2,
    /** Products in 8-bit integers where most of the work is. */
    VIDTWIN_PRECISION_INT8 = 3
};

/** Which latents the decoder gets: vidtwin_session_options.part. */
enum {
    /** Structure and dynamics. */
    VIDTWIN_PART_ALL = 0,
    /** Structure alone: what stays. */
    VIDTWIN_PART_STRUCTURE = 1,
    /** Dynamics alone: what moves. */
    VIDTWIN_PART_DYNAMICS = 2
};

/** How a frame's samples are laid out: vidtwin_frame.format. */
enum {
    /** One plane, R, G and B of a pixel side by side, a byte each, 0 to 255. */
    VIDTWIN_FORMAT_RGB24 = 1,
    /** Three planes, R, G, B, of 32-bit floats: 0 is black, 1 is full. Input beyond is taken as it
     *  is, output is limited to 0...1. */
    VIDTWIN_FORMAT_RGBF32_PLANAR = 2,
    /** Three planes, R, G, B, a byte a sample, 0 to 255. Since 1.2. */
    VIDTWIN_FORMAT_RGB24_PLANAR = 3
};

/** Importance of a log line. */
enum {
    /** Something was done differently from what one may expect. */
    VIDTWIN_LOG_NOTICE = 1,
    /** Of use to developers. */
    VIDTWIN_LOG_DEBUG = 2
};

/**
 * Takes a log line, which is `text` without a newline and valid during the call only.
 *
 * Called on the thread that calls the library, during that call. It may call the library, but not
 * with the handle that it is called for.
 */
typedef void (*vidtwin_log_callback)(void *user, int32_t level, const char *text);

/** How a model is opened. Filled by vidtwin_model_options_default. */
typedef struct vidtwin_model_options {
    /** sizeof this structure, for versions of it with more members. */
    size_t struct_size;
    /** A configuration file, together with `checkpoint`. NULL: the one that the checkpoint carries, or
     *  that has its name or is config.yaml beside it. */
    const char *config;
    /** Weights: .safetensors, .ckpt or .pt. */
    const char *checkpoint;
    /** A folder with both files, or the name of an installed model. All three NULL: the
     *  environment variable VIDTWIN_MODEL, or where that is not set the bundled model. Installed
     *  models are looked for beside this library (PREFIX/share/vidtwin/models), then beside the
     *  program. */
    const char *model;
    /** Threads that compute, 1 to 1024; 0 takes every CPU that the process may use. Results do not
     *  depend on it. */
    int32_t threads;
    /** VIDTWIN_PRECISION_... */
    int32_t precision;
    /** Takes log lines of this model; NULL for none. */
    vidtwin_log_callback log;
    /** Given to `log`. */
    void *log_user;
    /** 1 reads the checkpoint into memory before anything of it is used, so that a file that becomes
     *  shorter meanwhile is an error; 0 maps it, which takes less memory. Since 1.1. */
    int32_t copy_weights;
    /** 0. */
    int32_t reserved;
} vidtwin_model_options;

/** What a model is. */
typedef struct vidtwin_model_info {
    /** sizeof this structure, set by the caller. */
    size_t struct_size;
    /** Size of its frames in pixels. */
    int32_t width, height;
    /** Frames of a clip. */
    int32_t clip_frames;
    /** Threads that compute. */
    int32_t threads;
    /** VIDTWIN_PRECISION_... in use, never AUTO. */
    int32_t precision;
    /** Always 0 in this version. */
    int32_t reserved;
    /** Number of weights. */
    int64_t weights;
    /** Shapes of the latents of one clip, slowest axis first: queries, rows, columns, channels. */
    int32_t structure_shape[4];
    /** Channels, frames, columns. */
    int32_t dynamics_x_shape[3];
    /** Channels, frames, rows. */
    int32_t dynamics_y_shape[3];
} vidtwin_model_info;

/** What a model's latents are known by: the names under which `vtfilter encode` stores them. Since 1.2. */
typedef struct vidtwin_model_identity {
    /** sizeof this structure, set by the caller. */
    size_t struct_size;
    /** SHA-256 of everything in the configuration that makes the model what it is, whatever words say
     *  it: 64 hexadecimal digits and NUL. */
    char config_sha256[72];
    /** SHA-256 of the checkpoint, or of the one that it was converted from. */
    char checkpoint_sha256[72];
} vidtwin_model_identity;

/** How a stream is reconstructed. Filled by vidtwin_session_options_default. */
typedef struct vidtwin_session_options {
    /** sizeof this structure, for versions of it with more members. */
    size_t struct_size;
    /** VIDTWIN_PART_... */
    int32_t part;
    /** Frames that clips share and cross-fade, 0 (the published protocol) to clip_frames - 1. */
    int32_t overlap;
    /** 0: latents are the mean of their distribution. 1: they are sampled, beginning with `seed`. */
    int32_t sample;
    /** Always 0 in this version. */
    int32_t reserved;
    /** Seed of the sampling; its low 32 bits matter, as in PyTorch, whose CPU noise this is. */
    uint64_t seed;
    /** Takes log lines of this session; NULL for none. */
    vidtwin_log_callback log;
    /** Given to `log`. */
    void *log_user;
} vidtwin_session_options;

/**
 * One frame: a description of memory that is the caller's.
 *
 * Frames that are given are only read, frames that are asked for are written: `data`, `stride`,
 * `format`, `width` and `height` are always the caller's to set, and `width` and `height` are always
 * the model's. Rows may be anywhere: a stride may be negative (`data` is the first row then, the one
 * with the highest address) and needs no alignment, but must not be shorter than a row. This
 * structure does not change within a major version.
 */
typedef struct vidtwin_frame {
    /** VIDTWIN_FORMAT_... */
    int32_t format;
    /** In pixels. */
    int32_t width, height;
    /** 0. */
    int32_t reserved;
    /** The first row of each plane; NULL for planes that the format lacks. */
    void *data[3];
    /** Bytes from one row to the next, for each plane. */
    ptrdiff_t stride[3];
    /** Any number; what was sent with a frame is received with its reconstruction. */
    int64_t pts;
} vidtwin_frame;

/**
 * The latents of one clip: memory that is the caller's, dense arrays of floats with the shapes of
 * vidtwin_model_info. Each count is that of the array's elements, and must be the shape's. This
 * structure does not change within a major version.
 */
typedef struct vidtwin_latents {
    /** [queries, rows, columns, channels] */
    float *structure;
    /** Elements of `structure`. */
    size_t structure_count;
    /** [channels, frames, columns] */
    float *dynamics_x;
    /** Elements of `dynamics_x`. */
    size_t dynamics_x_count;
    /** [channels, frames, rows] */
    float *dynamics_y;
    /** Elements of `dynamics_y`. */
    size_t dynamics_y_count;
} vidtwin_latents;

/**
 * The interface version of the library that is running: (major << 16) | minor, to be compared with
 * VIDTWIN_API_VERSION: equal majors, and a minor that is not smaller, fit. Never blocks or fails.
 */
uint32_t vidtwin_api_version(void);

/** The product's version, as in "0.1.0": a static text. Never blocks or fails. */
const char *vidtwin_version(void);

/** What a status means, in a few words: a static text, also for unknown values. Never blocks or
 *  fails. */
const char *vidtwin_status_text(vidtwin_status status);

/**
 * Fills `options` with the defaults: the bundled model, all CPUs, precision auto, no log. Sets
 * struct_size.
 *
 * `struct_size` is sizeof *options. Never blocks. Errors: ARGUMENT for NULL or a size that no version
 * of the structure has.
 */
vidtwin_status vidtwin_model_options_default(vidtwin_model_options *options, size_t struct_size);

/**
 * Reads a model and starts its threads.
 *
 * On success `*model` is a handle that the caller has to close, otherwise NULL. `options` NULL means
 * the defaults; texts in it are copied. Blocks while the weights are read (0.4 s for 1.25 GB in the
 * page cache). Errors: ARGUMENT; MODEL with everything that does not fit; MEMORY; UNSUPPORTED
 * for an option of a later version that is set.
 */
vidtwin_status vidtwin_model_open(vidtwin_model **model, const vidtwin_model_options *options,
                                  char *message, size_t capacity);

/**
 * Gives a model back and sets `*model` to NULL; nothing where it, or `model`, is NULL.
 *
 * Sessions that are open keep what they need: models and sessions may be closed in any order. Waits
 * for the computing threads to end where this was the last user. Never fails.
 */
void vidtwin_model_close(vidtwin_model **model);

/**
 * Says what a model is: sizes, shapes of its latents, threads, precision.
 *
 * The caller sets info->struct_size to sizeof *info first; as much as that is written. Never blocks.
 * Errors: ARGUMENT.
 */
vidtwin_status vidtwin_model_get_info(const vidtwin_model *model, vidtwin_model_info *info);

/**
 * Says what a model's latents are known by, so that those of another model are not taken for them.
 *
 * The caller sets identity->struct_size to sizeof *identity first; as much as that is written. Blocks
 * while the checkpoint is read once more (its size is taken in memory meanwhile), at each call. Errors:
 * ARGUMENT; MODEL where the files are not what the model was opened from any more; MEMORY. Since 1.2.
 */
vidtwin_status vidtwin_model_get_identity(const vidtwin_model *model,
                                          vidtwin_model_identity *identity, char *message,
                                          size_t capacity);

/**
 * Fills `options` with the defaults: all latents, their mean, no overlap, no log. Sets struct_size.
 *
 * `struct_size` is sizeof *options. Never blocks. Errors: ARGUMENT for NULL or a size that no version
 * of the structure has.
 */
vidtwin_status vidtwin_session_options_default(vidtwin_session_options *options,
                                               size_t struct_size);

/**
 * Begins a stream.
 *
 * On success `*session` is a handle that the caller has to close, otherwise NULL. It keeps the model
 * alive. `options` NULL means the defaults. Never blocks. Errors: ARGUMENT;
 * UNSUPPORTED for an option of a later version that is set.
 */
vidtwin_status vidtwin_session_open(vidtwin_session **session, const vidtwin_model *model,
                                    const vidtwin_session_options *options, char *message,
                                    size_t capacity);

/**
 * Gives a session back, with all frames that wait in it, and sets `*session` to NULL; nothing where
 * it, or `session`, is NULL. Possible at any time between calls. Never fails.
 */
void vidtwin_session_close(vidtwin_session **session);

/**
 * Gives the next frame of the stream to a session. The frame is copied.
 *
 * The frame that completes a clip blocks until the clip is computed; its frames can be received then.
 * AGAIN: frames are ready and have to be received first; this frame was not taken. Errors: ARGUMENT
 * for a frame that is not of the model's size, and DATA for NaN or infinity in it: the frame was not
 * taken and the stream can go on. DATA or MEMORY from the computation, and from then on for every
 * send, receive and flush, with the same message, until the session is reset. STATE: the stream was
 * flushed, or the session is in use.
 */
vidtwin_status vidtwin_session_send(vidtwin_session *session, const vidtwin_frame *frame,
                                    char *message, size_t capacity);

/**
 * Writes the next reconstructed frame into the memory that `frame` describes, and sets its pts.
 *
 * Frames come in the order, and in the formats, in which they were sent; bytes are received packed or
 * in planes, as is asked. Never blocks. AGAIN: none is ready; send more, or flush. END: the stream was
 * flushed and all was received. Errors: ARGUMENT for a frame of another size or format: it can be
 * asked for again. DATA, MEMORY: a computation
 * failed (see vidtwin_session_send). STATE: the session is in use.
 */
vidtwin_status vidtwin_session_receive(vidtwin_session *session, vidtwin_frame *frame,
                                       char *message, size_t capacity);

/**
 * Ends the stream: the clip that is not full is filled by repeating its last frame, computed, and
 * its frames, without the filling, can be received. Flushing again does nothing.
 *
 * Blocks while a clip is computed. Errors: DATA or MEMORY from the computation. STATE: the session is
 * in use.
 */
vidtwin_status vidtwin_session_flush(vidtwin_session *session, char *message, size_t capacity);

/**
 * Drops everything that waits in a session and begins a new stream with the same options, also after
 * a flush or a failure. Sampling begins with the seed again.
 *
 * Never blocks. Errors: ARGUMENT; STATE: the session is in use.
 */
vidtwin_status vidtwin_session_reset(vidtwin_session *session, char *message, size_t capacity);

/**
 * Encodes one clip: `count` frames, 1 to clip_frames, of which the last one fills the clip, to
 * latents in the caller's memory.
 *
 * `part` of the session is not looked at: all three arrays are written. Sampled where the session
 * samples, each clip after the one before. The stream of send and receive is not touched. Blocks
 * while the clip is encoded. Errors: ARGUMENT, DATA, MEMORY; STATE: the session is in use.
 */
vidtwin_status vidtwin_session_encode(vidtwin_session *session, const vidtwin_frame *frames,
                                      size_t count, vidtwin_latents *latents, char *message,
                                      size_t capacity);

/**
 * The distributions of one clip's latents, from `count` frames as in vidtwin_session_encode: their
 * means, which are what a session that does not sample encodes to, and the logarithms of their
 * variances, -30 to 20.
 *
 * All six arrays are written; `part` and `sample` of the session are not looked at, and what it samples
 * next does not change. The stream of send and receive is not touched. Blocks while the clip is
 * encoded. Errors: ARGUMENT, DATA, MEMORY; STATE: the session is in use. Since 1.2.
 */
vidtwin_status vidtwin_session_moments(vidtwin_session *session, const vidtwin_frame *frames,
                                       size_t count, vidtwin_latents *mean,
                                       vidtwin_latents *log_variance, char *message,
                                       size_t capacity);

/**
 * Decodes the latents of one clip to its first `count` frames, 1 to clip_frames, in the caller's
 * memory, each in its format. `pts` of the frames is left as it is.
 *
 * Of the latents, those that `part` of the session names are looked at; arrays of the others may be
 * NULL. Cross-reenactment is decoding the structure of one clip with the dynamics of another. The
 * stream of send and receive is not touched. Blocks while the clip is decoded. Errors: ARGUMENT,
 * DATA, MEMORY; STATE: the session is in use.
 */
vidtwin_status vidtwin_session_decode(vidtwin_session *session, const vidtwin_latents *latents,
                                      vidtwin_frame *frames, size_t count, char *message,
                                      size_t capacity);

/**
 * Cross-reenactment of two clips of 1 to clip_frames frames each, of which the last one fills the
 * clip: encodes both, and decodes the structure of the first with the dynamics of the second.
 *
 * Writes as many frames as the shorter clip has, min(structure_count, dynamics_count), into the
 * caller's memory, each in its format, with the pts of the structure's. `part` of the session holds
 * here too. The stream of send and receive is not touched. Blocks for two encodings and a decoding.
 * Errors: ARGUMENT, DATA, MEMORY; STATE: the session is in use.
 */
vidtwin_status vidtwin_session_cross(vidtwin_session *session, const vidtwin_frame *structure,
                                     size_t structure_count, const vidtwin_frame *dynamics,
                                     size_t dynamics_count, vidtwin_frame *frames, char *message,
                                     size_t capacity);

#ifdef __cplusplus
}
#endif

#endif

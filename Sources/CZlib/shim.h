#pragma once
#include <zlib.h>

/// `inflateInit2`, a macro of zlib, for a gzip stream.
static inline int vt_inflate_gzip(z_stream *stream) { return inflateInit2(stream, 15 + 16); }

import CFFmpeg

/// The versions of libav that are loaded, which need not be those this was built with.
package enum LibraryVersions {
    /// The name of each library and its version.
    package static var all: [(name: String, version: String)] {
        [
            ("libavformat", avformat_version()), ("libavcodec", avcodec_version()),
            ("libavfilter", avfilter_version()), ("libswscale", swscale_version()),
            ("libavutil", avutil_version()),
        ].map { ($0, "\($1 >> 16).\($1 >> 8 & 0xff).\($1 & 0xff)") }
    }
}

import CFFmpeg

/// Which pixel format an output has where none is asked for.
enum OutputPixelFormat {
    /// For players, who want 4:2:0, with as many bits as the input has and the encoder takes.
    static func file(_ stream: VideoStreamInfo, _ codec: UnsafePointer<AVCodec>) -> AVPixelFormat {
        let taken = encodable(codec)
        let depths = [8, 9, 10, 12, 14, 16]
        let deep = depths.filter { $0 >= stream.bitDepth } + depths.reversed()
        for depth in deep {
            let format = av_get_pix_fmt(depth == 8 ? "yuv420p" : "yuv420p\(depth)")
            if taken?.contains(where: { $0.rawValue == format.rawValue }) ?? true { return format }
        }
        return av_get_pix_fmt(stream.bitDepth > 8 ? "yuv420p10" : "yuv420p")
    }

    /// For y4m, which has no RGB.
    static func y4m(_ depth: Int) -> AVPixelFormat {
        let deep = [9, 10, 12, 14].first { $0 >= depth } ?? 16
        return av_get_pix_fmt(depth <= 8 ? "yuv444p" : "yuv444p\(deep)")
    }

    /// The same format with as many samples of colour as of light.
    static func full(
        _ format: AVPixelFormat, _ codec: UnsafePointer<AVCodec>
    ) -> AVPixelFormat? {
        let depth = depth(format)
        let full = av_get_pix_fmt(depth > 8 ? "yuv444p\(depth)" : "yuv444p")
        return encodable(codec)?.contains { $0.rawValue == full.rawValue } ?? false ? full : nil
    }

    /// Whether two or more pixels of a row or of a column share their colour.
    static func subsampling(_ format: AVPixelFormat) -> (x: Int, y: Int) {
        av_pix_fmt_desc_get(format).map {
            (1 << Int($0.pointee.log2_chroma_w), 1 << Int($0.pointee.log2_chroma_h))
        } ?? (1, 1)
    }

    /// Bits of a sample.
    static func depth(_ format: AVPixelFormat) -> Int {
        av_pix_fmt_desc_get(format).map { Int(vt_depth($0)) } ?? 8
    }

    /// What an encoder takes; nil where it does not say.
    static func encodable(_ codec: UnsafePointer<AVCodec>) -> [AVPixelFormat]? {
        guard var entry = codec.pointee.pix_fmts else { return nil }
        var formats: [AVPixelFormat] = []
        while entry.pointee.rawValue != vt_no_pixel_format.rawValue {
            formats.append(entry.pointee)
            entry += 1
        }
        return formats
    }
}

import CFFmpeg

/// Container, codec and pixel format of an output, from what is asked for, the file name and the
/// input.
struct OutputTarget {
    let container: OutputContainer
    let format: UnsafePointer<AVOutputFormat>
    let codec: UnsafePointer<AVCodec>
    let pixelFormat: AVPixelFormat
    private(set) var notes: [String] = []

    /// The container's name.
    var name: String { String(cString: format.pointee.name) }

    init(_ options: OutputOptions, like stream: VideoStreamInfo) throws(VideoIOError) {
        let container = try OutputContainer(options, stream)
        (self.container, format) = (container, container.format)
        let name = String(cString: format.pointee.name)
        let isRaw = ["rawvideo", "nut"].contains(name)
        var id = isRaw ? AV_CODEC_ID_RAWVIDEO : format.pointee.video_codec
        if container.isPictures { id = container.pictureCodec(options.url) }
        if id == AV_CODEC_ID_H263 { id = AV_CODEC_ID_H264 }  // which takes any size
        // Where the default is H.264, the one encoder whose quality setting is known.
        var preferred = id == AV_CODEC_ID_H264 ? avcodec_find_encoder_by_name("libx264") : nil
        if container.isPictures, id == AV_CODEC_ID_WEBP {
            preferred = avcodec_find_encoder_by_name("libwebp")  // not all frames in one file
        }
        if let asked = options.codec {
            let named = avcodec_descriptor_get_by_name(asked).flatMap {
                avcodec_find_encoder($0.pointee.id)
            }
            preferred = avcodec_find_encoder_by_name(asked) ?? named
            guard let found = preferred, found.pointee.type == AVMEDIA_TYPE_VIDEO else {
                throw .usage("--vcodec \(asked): no such video encoder")
            }
            if avformat_query_codec(format, found.pointee.id, -1) == 0 {
                throw .usage("--vcodec \(asked): \(name) cannot hold it")
            }
        }
        guard id != AV_CODEC_ID_NONE, let codec = preferred ?? avcodec_find_encoder(id) else {
            throw .usage("\(options.url): \(name) holds no video that can be written")
        }
        self.codec = codec
        let wanted = options.pixelFormat.map { av_get_pix_fmt($0) }
        if let wanted, let asked = options.pixelFormat,
            wanted.rawValue == vt_no_pixel_format.rawValue
        {
            throw .usage("--output-pix-fmt \(asked): no such pixel format")
        }
        let isFile = !isRaw && name != "yuv4mpegpipe"
        let follow =
            container.isPictures
            ? OutputTarget.picture(stream, codec)
            : isFile ? OutputPixelFormat.file(stream, codec) : stream.pixelFormatID
        pixelFormat = try OutputTarget.supported(
            wanted ?? follow, asked: wanted != nil, codec, name, stream.bitDepth)
        if stream.hasAlpha {
            // An opaque channel written in its place would be wrong without a word.
            if OutputTarget.hasAlpha(pixelFormat) {
                throw .usage(
                    "\(stream.pixelFormat) has an alpha channel, which is not reconstructed; "
                        + "--output-pix-fmt rgb24 (or another format without alpha) leaves it out")
            }
            notes.append("the input's alpha channel is left out")
        }
    }

    /// What pictures are made of: RGB, but where the codec has none.
    private static func picture(
        _ stream: VideoStreamInfo, _ codec: UnsafePointer<AVCodec>
    ) -> AVPixelFormat {
        switch codec.pointee.id {
        case AV_CODEC_ID_MJPEG: av_get_pix_fmt("yuvj444p")
        case AV_CODEC_ID_WEBP: av_get_pix_fmt("yuv420p")
        default: stream.bitDepth > 8 ? vt_rgb48 : vt_rgb24
        }
    }

    private static func hasAlpha(_ format: AVPixelFormat) -> Bool {
        av_pix_fmt_desc_get(format).map {
            $0.pointee.flags & UInt64(AV_PIX_FMT_FLAG_ALPHA) != 0
        } ?? false
    }

    /// The format itself where codec and container take it, else the nearest that they do.
    private static func supported(
        _ wanted: AVPixelFormat, asked: Bool, _ codec: UnsafePointer<AVCodec>, _ container: String,
        _ depth: Int
    ) throws(VideoIOError) -> AVPixelFormat {
        if container == "yuv4mpegpipe" {
            let name = av_get_pix_fmt_name(wanted).map { String(cString: $0) } ?? ""
            if y4mFormats.contains(name.replacing(suffix: ["le", "be"])) { return wanted }
            if asked { throw .usage("--output-pix-fmt \(name): y4m cannot hold it") }
            return OutputPixelFormat.y4m(depth)
        }
        guard let list = OutputPixelFormat.encodable(codec) else { return wanted }
        if list.contains(where: { $0.rawValue == wanted.rawValue }) { return wanted }
        if asked {
            let name = av_get_pix_fmt_name(wanted).map { String(cString: $0) } ?? "?"
            throw .usage("--output-pix-fmt \(name): \(container)'s encoder cannot hold it")
        }
        return avcodec_find_best_pix_fmt_of_list(codec.pointee.pix_fmts, wanted, 0, nil)
    }

    /// Pixel formats of y4m, byte order apart.
    private static let y4mFormats: Set<String> = [
        "gray", "gray9", "gray10", "gray12", "gray16", "yuv411p", "yuv420p", "yuv422p", "yuv444p",
        "yuv420p9", "yuv422p9", "yuv444p9", "yuv420p10", "yuv422p10", "yuv444p10", "yuv420p12",
        "yuv422p12", "yuv444p12", "yuv420p14", "yuv422p14", "yuv444p14", "yuv420p16", "yuv422p16",
        "yuv444p16",
    ]
}

extension String {
    /// The text without one of these endings.
    fileprivate func replacing(suffix endings: [String]) -> String {
        endings.first { hasSuffix($0) }.map { String(dropLast($0.count)) } ?? self
    }
}

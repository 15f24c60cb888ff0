import CFFmpeg

/// The encoder of an output, opened for frames of one size and of the input's colours.
final class VideoEncoder {
    private(set) var context: UnsafeMutablePointer<AVCodecContext>?
    /// The pixel format that it takes.
    private(set) var pixelFormat: AVPixelFormat
    /// What was decided, one sentence each.
    private(set) var notes: [String] = []

    private let target: OutputTarget
    private let options: OutputOptions
    private let stream: VideoStreamInfo
    private let size: PictureSize
    private let aspect: Rational
    private let rate: Rational

    init(
        _ target: OutputTarget, _ options: OutputOptions, like stream: VideoStreamInfo,
        size: PictureSize, aspect: Rational, rate: Rational
    ) throws(VideoIOError) {
        (self.target, self.options, self.stream) = (target, options, stream)
        (self.size, self.aspect, self.rate) = (size, aspect, rate)
        pixelFormat = target.pixelFormat
        var (code, cause) = try LibavMessages.cause { () throws(VideoIOError) in try open() }
        let chroma = OutputPixelFormat.subsampling(pixelFormat)
        let isOdd = size.width % chroma.x != 0 || size.height % chroma.y != 0
        if code < 0, isOdd, options.pixelFormat == nil,
            let full = OutputPixelFormat.full(pixelFormat, target.codec)
        {
            let refused = pixelFormat
            pixelFormat = full
            code = try open()
            if code >= 0 {
                notes.append(
                    "frames of \(size) are odd: \(name) takes no \(VideoEncoder.name(refused)) of "
                        + "that size, so they are written as \(VideoEncoder.name(full)), which not "
                        + "every player shows")
            } else {
                pixelFormat = refused
            }
        }
        if code < 0 { throw refusal(code, cause, isOdd: isOdd) }
        let depth = OutputPixelFormat.depth(pixelFormat)
        if options.pixelFormat == nil, depth < stream.bitDepth {
            notes.append(
                "the input's \(stream.bitDepth) bits a sample become \(depth): \(name) takes no "
                    + "more as \(VideoEncoder.name(pixelFormat)) (--output-pix-fmt, --vcodec)")
        }
        noteLight()
    }

    deinit { avcodec_free_context(&context) }

    private var name: String { String(cString: target.codec.pointee.name) }

    private static func name(_ format: AVPixelFormat) -> String {
        av_get_pix_fmt_name(format).map { String(cString: $0) } ?? "?"
    }

    private func refusal(_ code: Int32, _ cause: String?, isOdd: Bool) -> VideoIOError {
        if code == vt_error_no_memory { return .failure(url: options.url, problem: "no memory") }
        if isOdd, code == vt_error_external || code == vt_error_invalid {
            return .usage(
                "\(name) takes no frames of the odd size \(size) as "
                    + "\(VideoEncoder.name(pixelFormat)): expected even sides, or another "
                    + "--output-pix-fmt (yuv444p), --vcodec or --output-format")
        }
        if target.codec.pointee.id == AV_CODEC_ID_DVVIDEO {
            return .usage(
                "\(options.url): DV has frames of 720x576 at 25 frames/s or 720x480 at 30000/1001, "
                    + "found \(size) at \(rate)")
        }
        let cause = cause.map { " (\($0))" } ?? ""
        return .failure(
            url: options.url == "-" ? "standard output" : options.url,
            problem:
                "opening the encoder \(name) for frames of \(size) at \(rate) frames/s failed: "
                + "\(libavMessage(code).lowercased())\(cause)")
    }

    private func open() throws(VideoIOError) -> Int32 {
        avcodec_free_context(&context)
        guard let encoder = avcodec_alloc_context3(target.codec) else {
            throw .failure(url: options.url, problem: "no memory")
        }
        context = encoder
        encoder.pointee.width = Int32(size.width)
        encoder.pointee.height = Int32(size.height)
        encoder.pointee.pix_fmt = pixelFormat
        encoder.pointee.framerate = rate.av
        encoder.pointee.time_base = av_inv_q(counted)
        encoder.pointee.sample_aspect_ratio = aspect.av
        describeColours(encoder)
        encoder.pointee.thread_count = 2
        let id = target.codec.pointee.id
        let isMPEG = id == AV_CODEC_ID_MPEG1VIDEO || id == AV_CODEC_ID_MPEG2VIDEO
        // libav's other rates of MPEG are nobody else's.
        encoder.pointee.strict_std_compliance = isMPEG ? 0 : -1
        if target.format.pointee.flags & AVFMT_GLOBALHEADER != 0 {
            encoder.pointee.flags |= AV_CODEC_FLAG_GLOBAL_HEADER
        }
        if isMPEG || VideoEncoder.quantised.contains(where: { $0.rawValue == id.rawValue }) {
            // Without it they have 200 kilobits a second, whatever the size.
            encoder.pointee.flags |= AV_CODEC_FLAG_QSCALE
            encoder.pointee.global_quality = 3 * FF_QP2LAMBDA
        }
        if id == AV_CODEC_ID_THEORA {  // with a bit rate it leaves frames out; 10 is the best
            encoder.pointee.flags |= AV_CODEC_FLAG_QSCALE
            encoder.pointee.global_quality = 8 * FF_QP2LAMBDA
        }
        var settings: OpaquePointer?
        defer { av_dict_free(&settings) }
        let crf = options.crf ?? (name == "libx264" ? 18 : nil)
        if let crf { av_dict_set(&settings, "crf", "\(crf)", 0) }
        if name == "libx265" {
            let light = stream.traits.light.x265Parameters.map { ":\($0)" } ?? ""
            av_dict_set(&settings, "x265-params", "log-level=0\(light)", 0)
        }
        let code = avcodec_open2(encoder, target.codec, &settings)
        if code >= 0, options.crf != nil, av_dict_get(settings, "crf", nil, 0) != nil {
            throw .usage("--crf: the encoder \(name) has no such quality")
        }
        return code
    }

    /// Encoders that take one quantiser for all frames.
    private static let quantised = [
        AV_CODEC_ID_MPEG4, AV_CODEC_ID_MSMPEG4V2, AV_CODEC_ID_MSMPEG4V3, AV_CODEC_ID_MJPEG,
        AV_CODEC_ID_H263, AV_CODEC_ID_H263P, AV_CODEC_ID_FLV1, AV_CODEC_ID_WMV1,
        AV_CODEC_ID_WMV2, AV_CODEC_ID_RV10, AV_CODEC_ID_RV20,
    ]

    /// The rate at which the encoder counts: MPEG-4 has 16 bits for it.
    private var counted: AVRational {
        guard target.codec.pointee.id == AV_CODEC_ID_MPEG4 else { return rate.av }
        var reduced = AVRational()
        av_reduce(
            &reduced.num, &reduced.den, Int64(rate.numerator), Int64(rate.denominator), 65535)
        return reduced.num > 0 && reduced.den > 0 ? reduced : rate.av
    }

    private func describeColours(_ encoder: UnsafeMutablePointer<AVCodecContext>) {
        let isRGB =
            av_pix_fmt_desc_get(pixelFormat).map {
                $0.pointee.flags & UInt64(AV_PIX_FMT_FLAG_RGB) != 0
            } ?? false
        if !isRGB {
            encoder.pointee.colorspace =
                stream.colorSpace == AVCOL_SPC_RGB ? AVCOL_SPC_UNSPECIFIED : stream.colorSpace
            encoder.pointee.color_range = stream.colorRange
        }
        encoder.pointee.color_primaries = stream.colorPrimaries
        encoder.pointee.color_trc = stream.colorTransfer
        let chroma = OutputPixelFormat.subsampling(pixelFormat)
        if !isRGB, chroma.x > 1 || chroma.y > 1 {
            encoder.pointee.chroma_sample_location = stream.traits.chromaLocation
        }
    }

    /// Containers that hold metadata of high dynamic range.
    private static let bright: Set<String> = ["mp4", "mov", "matroska", "webm", "ismv", "ipod"]

    private func noteLight() {
        let light = stream.traits.light
        if !light.isEmpty, name != "libx265", !VideoEncoder.bright.contains(target.name) {
            notes.append(
                "the mastering display and light levels of the input are left out: \(target.name) "
                    + "cannot hold them")
        }
        if light.isDynamic {
            notes.append("Dolby Vision and HDR10+ metadata of the input are left out")
        }
    }
}

import CFFmpeg
import TensorFiles

/// Finds out what an input is and opens a decoder for its video.
struct InputOpener {
    struct Opened {
        let context: UnsafeMutablePointer<AVFormatContext>
        let decoder: UnsafeMutablePointer<AVCodecContext>
        let videoIndex: Int32
        var info: VideoStreamInfo
        /// Whether the header alone said everything.
        let isDescribed: Bool
        let packets: PacketReader
    }

    private let options: InputOptions
    private let source: ByteSource

    init(_ options: InputOptions, _ source: ByteSource) {
        self.options = options
        self.source = source
    }

    static let indexAdvice =
        "the index of this mp4 is at its end, which a pipe cannot reach; give the file by name, or "
        + "put the index first: ffmpeg -i in.mp4 -c copy -movflags +faststart out.mp4"

    /// Formats that are lists of other files, or turn any text into pictures.
    private static let refused: Set<String> = [
        "hls", "concat", "dash", "tty", "lavfi", "image2", "imf", "webm_dash_manifest", "rtsp",
        "sdp",
    ]

    private func bad(_ problem: String) -> VideoIOError {
        .badInput(url: options.url, problem: problem)
    }

    func open() throws(VideoIOError) -> Opened {
        var context = try openContainer()
        var succeeded = false
        defer { if !succeeded { avformat_close_input(&context) } }
        guard let open = context else { throw .failure(url: options.url, problem: "no memory") }
        let format = String(cString: open.pointee.iformat.pointee.name)
        let isDescribed = isDescribed(open)
        if !isDescribed {
            let code = avformat_find_stream_info(open, nil)
            if let failure = source.failure { throw failure }
            if code < 0 { throw unreadable(format, code) }
        }
        var codec: UnsafePointer<AVCodec>?
        let video = av_find_best_stream(open, AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0)
        guard video >= 0, let codec, let stream = open.pointee.streams[Int(video)] else {
            if format.contains("mp4"), !source.isSeekable { throw bad(InputOpener.indexAdvice) }
            throw bad("expected video, found \(format) without a video stream that can be decoded")
        }
        if stream.pointee.disposition & AV_DISPOSITION_ATTACHED_PIC != 0 {
            throw bad("expected video, found \(format) with the picture of a cover only")
        }
        let copied = options.copiesTracks ? CopiedTracks(open, video: video) : nil
        let wanted = Set((copied?.tracks ?? []).filter(\.hasPackets).map(\.index) + [video])
        for index in 0..<Int32(clamping: open.pointee.nb_streams) where !wanted.contains(index) {
            open.pointee.streams[Int(index)]?.pointee.discard = AVDISCARD_ALL
        }
        var info = try describe(
            format, open, stream, copied: copied)
        let packets = PacketReader(open)
        if measuresRates { try findRate(&info, open, stream, video, packets) }
        let decoder = try openDecoder(codec, stream)
        succeeded = true
        return Opened(
            context: open, decoder: decoder, videoIndex: video,
            info: info, isDescribed: isDescribed, packets: packets)
    }

    /// Whether packets are looked at to find the rate.
    var measuresRates = true

    /// The rate that the first packets have: what a header says may be an encoder's, or a field's.
    private func findRate(
        _ info: inout VideoStreamInfo, _ context: UnsafeMutablePointer<AVFormatContext>,
        _ stream: UnsafeMutablePointer<AVStream>, _ index: Int32, _ packets: PacketReader
    ) throws(VideoIOError) {
        // One tick is one frame there.
        if info.format == "rawvideo" || info.format == "yuv4mpegpipe" { return }
        let times = packets.times(
            of: index, count: source.isSeekable ? 50 : 17, most: 64 << 20)
        if case .cancelled? = source.failure { throw .cancelled }
        let rates = try FrameRates(
            said: [
                Rational(av_guess_frame_rate(context, stream, nil)),
                Rational(stream.pointee.avg_frame_rate), Rational(stream.pointee.r_frame_rate),
            ], times: times.settled, timeBase: info.timeBase
        ) { () throws(VideoIOError) in
            guard source.isSeekable else { return nil }
            return try FrameRates.mean(of: options, cancellation: source.cancellation)
        }
        (info.frameRate, info.isVariable) = (rates.rate ?? info.frameRate, rates.isVariable)
    }

    private func openContainer() throws(VideoIOError) -> UnsafeMutablePointer<AVFormatContext>? {
        var format: UnsafePointer<AVInputFormat>?
        if let name = options.format, !options.isPictures {
            format = av_find_input_format(name)
            if format == nil { throw .usage("-f \(name): no such input format") }
        } else {
            let code = av_probe_input_buffer2(source.context, &format, "", nil, 0, 0)
            if let failure = source.failure { throw failure }
            if source.position == 0 { throw bad("expected video, found no data") }
            if code < 0 || format == nil { throw unreadable(nil, code) }
        }
        let formatName = format.map { String(cString: $0.pointee.name) } ?? ""
        if formatName.split(separator: ",").contains(where: {
            InputOpener.refused.contains(String($0))
        }) {
            throw bad("expected video, found a list or text (\(formatName)), which is not read")
        }
        var context = avformat_alloc_context()
        guard let allocated = context else {
            throw .failure(url: options.url, problem: "no memory")
        }
        allocated.pointee.pb = source.context
        // Whatever the content says, no other file or address is opened.
        allocated.pointee.io_open = { _, _, _, _, _ in vt_error_access }
        allocated.pointee.protocol_whitelist = av_strdup("none")
        allocated.pointee.max_streams = 256
        var settings: OpaquePointer?
        defer { av_dict_free(&settings) }
        func set(_ key: String, _ value: String?) {
            if let value { av_dict_set(&settings, key, value, 0) }
        }
        if options.isRaw {
            set("video_size", options.size?.description)
            set("pixel_format", options.pixelFormat)
            set("framerate", options.frameRate?.description)
        } else if options.isPictures {
            set("framerate", (options.frameRate ?? Rational(25, 1)).description)
        }
        let code = avformat_open_input(&context, "", format, &settings)
        if code < 0 {  // libav has freed the context
            if let failure = source.failure { throw failure }
            if source.position == 0 { throw bad("expected video, found no data") }
            throw unreadable(formatName, code)
        }
        return context
    }

    /// Whether the header alone says everything, so that no frame need be read to find out more.
    private func isDescribed(_ context: UnsafeMutablePointer<AVFormatContext>) -> Bool {
        for index in 0..<Int(context.pointee.nb_streams) {
            guard let parameters = context.pointee.streams[index]?.pointee.codecpar else {
                return false
            }
            switch parameters.pointee.codec_type {
            case AVMEDIA_TYPE_VIDEO:
                if parameters.pointee.codec_id != AV_CODEC_ID_RAWVIDEO { return false }
                if parameters.pointee.width <= 0 || parameters.pointee.format < 0 { return false }
            case AVMEDIA_TYPE_AUDIO:
                if parameters.pointee.sample_rate <= 0 { return false }
            default: break
            }
        }
        return context.pointee.nb_streams > 0
    }

    private func unreadable(_ format: String?, _ code: Int32) -> VideoIOError {
        if code == vt_error_no_memory { return .failure(url: options.url, problem: "no memory") }
        guard let format else {
            return bad(
                "expected video that libav knows (raw frames need -f rawvideo -s WxH --pix-fmt FMT "
                    + "-r RATE), found an unknown format")
        }
        if format.contains("mp4"), !source.isSeekable { return bad(InputOpener.indexAdvice) }
        return bad("expected a readable \(format) header, found an invalid one")
    }

    /// Whether a decoder tells of damage on the frame alone, when it has gone over all of it.
    ///
    /// With a thread a frame, libavcodec before 6.1 may hand such a frame out before that: the same
    /// file is then whole at one time and damaged at another. A thread a slice waits for the frame.
    private func coversDamageUp(_ codec: AVCodecID) -> Bool {
        codec == AV_CODEC_ID_H264 || codec == AV_CODEC_ID_MPEG4 || codec == AV_CODEC_ID_H263
    }

    private func openDecoder(
        _ codec: UnsafePointer<AVCodec>, _ stream: UnsafeMutablePointer<AVStream>
    ) throws(VideoIOError) -> UnsafeMutablePointer<AVCodecContext> {
        var decoder = avcodec_alloc_context3(codec)
        guard let open = decoder else { throw .failure(url: options.url, problem: "no memory") }
        var code = avcodec_parameters_to_context(open, stream.pointee.codecpar)
        open.pointee.pkt_timebase = stream.pointee.time_base
        open.pointee.thread_count = 2
        if coversDamageUp(codec.pointee.id) { open.pointee.thread_type = FF_THREAD_SLICE }
        open.pointee.max_pixels =
            Int64(PictureSize.maximumSide) * Int64(PictureSize.maximumSide)
        if code >= 0 { code = avcodec_open2(open, codec, nil) }
        if code < 0 {
            avcodec_free_context(&decoder)
            // EAGAIN: no thread for the decoder.
            if code == vt_error_no_memory || code == vt_error_again {
                throw .failure(
                    url: options.url, problem: "no memory or no thread to decode with")
            }
            throw bad("cannot be decoded: \(libavMessage(code).lowercased())")
        }
        return open
    }

    private func describe(
        _ format: String, _ context: UnsafeMutablePointer<AVFormatContext>,
        _ stream: UnsafeMutablePointer<AVStream>, copied: CopiedTracks?
    ) throws(VideoIOError) -> VideoStreamInfo {
        guard let parameters = stream.pointee.codecpar else {
            throw .failure(url: options.url, problem: "no memory")
        }
        let size = PictureSize(
            width: Int(parameters.pointee.width), height: Int(parameters.pointee.height))
        guard size.isSensible else {
            throw bad(
                "expected frames of 1x1 to \(PictureSize.maximumSide)x\(PictureSize.maximumSide) "
                    + "pixels, found \(size)")
        }
        let pixelFormat = AVPixelFormat(rawValue: parameters.pointee.format)
        guard let description = av_pix_fmt_desc_get(pixelFormat) else {
            if format.contains("mp4"), !source.isSeekable { throw bad(InputOpener.indexAdvice) }
            throw bad("expected frames of a known pixel format, found none")
        }
        var rate = av_guess_frame_rate(context, stream, nil)
        if rate.num <= 0 || rate.den <= 0 { rate = stream.pointee.avg_frame_rate }
        let timeBase = stream.pointee.time_base
        if rate.num <= 0 || rate.den <= 0, format == "rawvideo" || format == "yuv4mpegpipe" {
            rate = AVRational(num: timeBase.den, den: timeBase.num)  // one tick is one frame
        }
        let known = rate.num > 0 && rate.den > 0
        let traits = PictureTraits(stream)
        let aspect = Rational(av_guess_sample_aspect_ratio(context, stream, nil))
        var info = VideoStreamInfo(
            format: format, size: traits.orientation.upright(size),
            pixelFormat: String(cString: description.pointee.name),
            bitDepth: Int(vt_depth(description)),
            hasAlpha: description.pointee.flags & UInt64(AV_PIX_FMT_FLAG_ALPHA) != 0,
            timeBase: Rational(timeBase), frameRate: known ? Rational(rate) : nil,
            sampleAspect: traits.orientation.upright(aspect),
            frameCount: frameCount(stream, parameters),
            copied: copied, pixelFormatID: pixelFormat,
            colorSpace: options.matrix.map {
                AVColorSpace(rawValue: UInt32(max(av_color_space_from_name($0), 0)))
            } ?? parameters.pointee.color_space,
            colorRange: options.range.map {
                AVColorRange(rawValue: UInt32(max(av_color_range_from_name($0), 0)))
            } ?? parameters.pointee.color_range,
            colorPrimaries: parameters.pointee.color_primaries,
            colorTransfer: parameters.pointee.color_trc, identity: source.identity)
        info.traits = traits
        info.pictures = source.identities
        return info
    }

    /// Frames in the stream: as its container says, or by the size of a file of raw frames.
    private func frameCount(
        _ stream: UnsafeMutablePointer<AVStream>,
        _ parameters: UnsafeMutablePointer<AVCodecParameters>
    ) -> Int? {
        if stream.pointee.nb_frames > 0 { return Int(stream.pointee.nb_frames) }
        guard options.isRaw, let size = source.size else { return nil }
        let bytes = av_image_get_buffer_size(
            AVPixelFormat(rawValue: parameters.pointee.format), parameters.pointee.width,
            parameters.pointee.height, 1)
        return bytes > 0 ? Int(size) / Int(bytes) : nil
    }
}

extension InputOptions {
    var isRaw: Bool { format == "rawvideo" }

    /// Whether the input is pictures in files of their own, by the format or by a name with a number
    /// in it that is no file's.
    var isPictures: Bool {
        format == "image2"
            || format == nil && opened == nil && PicturePattern(url) != nil
                && FileIdentity(path: url) == nil
    }

    /// Options that go together, and values that mean something.
    func check() throws(VideoIOError) {
        if isRaw {
            var missing: [String] = []
            if size == nil { missing.append("-s WxH") }
            if pixelFormat == nil { missing.append("--pix-fmt FMT") }
            if frameRate == nil { missing.append("-r RATE") }
            if !missing.isEmpty {
                throw .usage(
                    "raw frames are never guessed: -f rawvideo needs \(missing.joined(separator: ", "))"
                )
            }
        } else if size != nil || pixelFormat != nil || frameRate != nil && !isPictures {
            throw .usage(
                "-s, --pix-fmt and -r describe raw frames and need -f rawvideo; other input "
                    + "describes itself")
        }
        if let size, !size.isSensible {
            throw .usage(
                "-s \(size): expected 1x1 to \(PictureSize.maximumSide)x\(PictureSize.maximumSide)")
        }
        if let pixelFormat, av_get_pix_fmt(pixelFormat).rawValue == vt_no_pixel_format.rawValue {
            throw .usage("--pix-fmt \(pixelFormat): no such pixel format")
        }
        if let matrix, av_color_space_from_name(matrix) < 0 {
            throw .usage(
                "--matrix \(matrix): no such colour matrix (bt709, smpte170m, bt2020nc, ...)")
        }
        if let range, av_color_range_from_name(range) < 0 {
            throw .usage("--range \(range): expected tv or pc")
        }
        if skip < 0 || (frames ?? 0) < 0 { throw .usage("--skip and --frames count from 0") }
    }
}

import CFFmpeg

/// Writes RGB frames, and copied audio, as a video like the one they came from.
///
/// One thread at a time. A file appears under its name only when `finish` returns.
public final class VideoWriter {
    /// What was decided on the way, one sentence each.
    public private(set) var notes: [String] = []

    private let options: OutputOptions
    private let stream: VideoStreamInfo
    private let size: PictureSize
    private let outputSize: PictureSize
    private let restoring: String?
    private let sink: ByteSink
    private let pixelFormat: AVPixelFormat
    private var context: UnsafeMutablePointer<AVFormatContext>?
    private var encoder: UnsafeMutablePointer<AVCodecContext>?
    private var packet: UnsafeMutablePointer<AVPacket>?
    private var picture: UnsafeMutablePointer<AVFrame>?
    private var converter: PixelConverter?
    private var durations: [Int64: Int64] = [:]
    private var hasAudio = false

    /// Opens an output for frames of `size` and writes its header. Format, rate, colours and audio
    /// are those of `stream`, the input's video, where `options` say nothing else. With `undoing`,
    /// frames are brought back to the size that the fit changed.
    public init(
        _ options: OutputOptions, like stream: VideoStreamInfo, size: PictureSize,
        undoing fit: Fit = .crop
    ) throws(VideoIOError) {
        let inverse = fit.inverseFilters(from: size, to: stream.size)
        let restored = inverse == nil ? size : stream.size
        outputSize = options.size ?? restored
        let scaling =
            outputSize == restored ? nil : "scale=\(outputSize.width):\(outputSize.height)"
        let filters = [inverse, scaling].compactMap(\.self)
        restoring = filters.isEmpty ? nil : filters.joined(separator: ",")
        (self.options, self.stream, self.size) = (options, stream, size)
        let target = try OutputTarget(options, like: stream)
        pixelFormat = target.pixelFormat
        sink = try ByteSink(options, input: stream.identity)
        notes = target.notes
        packet = av_packet_alloc()
        picture = av_frame_alloc()
        context = avformat_alloc_context()
        guard let context, packet != nil, picture != nil else { throw noMemory }
        context.pointee.oformat = target.format
        context.pointee.pb = sink.context
        context.pointee.strict_std_compliance = -1  // y4m with more than 8 bits
        context.pointee.flags |= AVFMT_FLAG_FLUSH_PACKETS | AVFMT_FLAG_BITEXACT
        try openVideo(target)
        if let audio = stream.audio { openAudio(audio, target) }
        try check(avformat_write_header(context, nil), "writing the header")
    }

    deinit {
        avcodec_free_context(&encoder)
        avformat_free_context(context)
        av_frame_free(&picture)
        av_packet_free(&packet)
    }

    private var noMemory: VideoIOError { .failure(url: options.url, problem: "no memory") }

    private func check(_ code: Int32, _ what: String) throws(VideoIOError) {
        if code >= 0 { return }
        if let failure = sink.failure { throw failure }
        let name = options.url == "-" ? "standard output" : options.url
        throw .failure(url: name, problem: "\(what) failed: \(libavMessage(code).lowercased())")
    }

    private func openVideo(_ target: OutputTarget) throws(VideoIOError) {
        guard let context, let encoder = avcodec_alloc_context3(target.codec),
            let output = avformat_new_stream(context, nil)
        else { throw noMemory }
        self.encoder = encoder
        encoder.pointee.width = Int32(outputSize.width)
        encoder.pointee.height = Int32(outputSize.height)
        encoder.pointee.pix_fmt = pixelFormat
        encoder.pointee.time_base = stream.timeBase.av
        encoder.pointee.sample_aspect_ratio = stream.sampleAspect.av
        if let rate = stream.frameRate { encoder.pointee.framerate = rate.av }
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
        encoder.pointee.thread_count = 2
        encoder.pointee.strict_std_compliance = -1
        if target.format.pointee.flags & AVFMT_GLOBALHEADER != 0 {
            encoder.pointee.flags |= AV_CODEC_FLAG_GLOBAL_HEADER
        }
        var settings: OpaquePointer?
        defer { av_dict_free(&settings) }
        let codecName = String(cString: target.codec.pointee.name)
        let crf = options.crf ?? (codecName == "libx264" ? 18 : nil)
        if let crf { av_dict_set(&settings, "crf", "\(crf)", 0) }
        try check(avcodec_open2(encoder, target.codec, &settings), "opening the encoder")
        if options.crf != nil, av_dict_count(settings) > 0 {
            throw .usage("--crf: the encoder \(codecName) has no such quality")
        }
        output.pointee.time_base = stream.timeBase.av
        output.pointee.sample_aspect_ratio = stream.sampleAspect.av
        if let rate = stream.frameRate { output.pointee.avg_frame_rate = rate.av }
        try check(
            avcodec_parameters_from_context(output.pointee.codecpar, encoder),
            "preparing the output")
    }

    private func openAudio(_ audio: AudioStreamInfo, _ target: OutputTarget) {
        guard let context, let parameters = audio.parameters.pointee as AVCodecParameters?,
            avformat_query_codec(target.format, parameters.codec_id, -1) == 1,
            let output = avformat_new_stream(context, nil)
        else {
            notes.append(
                "the input's audio is left out: \(target.name) cannot hold it as it is")
            return
        }
        avcodec_parameters_copy(output.pointee.codecpar, audio.parameters)
        output.pointee.codecpar.pointee.codec_tag = 0
        output.pointee.time_base = audio.timeBase
        hasAudio = true
    }

    // MARK: - Writing

    /// Writes one frame of the size given at the start.
    ///
    /// - Throws: `.usage` for another size, `.brokenPipe` when the reader has gone.
    public func write(_ frame: RGBFrame) throws(VideoIOError) {
        guard frame.width == size.width, frame.height == size.height,
            frame.bytes.count == size.width * size.height * 3 * frame.depth.byteCount
        else {
            throw .usage(
                "expected a frame of \(size), found \(frame.width)x\(frame.height) with "
                    + "\(frame.bytes.count) bytes")
        }
        guard let picture else { throw noMemory }
        let rgb = frame.depth == .eight ? vt_rgb24 : vt_rgb48
        try check(RGBPicture.fill(picture, frame), "taking a frame")
        if rgb.rawValue != pixelFormat.rawValue || restoring != nil {
            let input = PixelConverter.Input(size: size, format: rgb)
            if converter?.input != input {
                converter = try PixelConverter(
                    input, timeBase: stream.timeBase, filters: colourFilter, output: pixelFormat,
                    url: options.url)
            }
            guard let converter else { throw noMemory }
            try encode(try converter.convert(picture, url: options.url), frame)
        } else {
            try encode(picture, frame)
        }
    }

    /// Back to the input's own matrix and range, so that colours return as they came.
    private var colourFilter: String {
        var settings: [String] = []
        if stream.colorSpace != AVCOL_SPC_UNSPECIFIED, stream.colorSpace != AVCOL_SPC_RGB,
            let name = av_color_space_name(stream.colorSpace)
        {
            settings.append("out_color_matrix=\(String(cString: name))")
        }
        if stream.colorRange != AVCOL_RANGE_UNSPECIFIED,
            let name = av_color_range_name(stream.colorRange)
        {
            settings.append("out_range=\(String(cString: name))")
        }
        let colours = settings.isEmpty ? "scale" : "scale=\(settings.joined(separator: ":"))"
        return restoring.map { "\($0),\(colours)" } ?? colours
    }

    private func encode(
        _ picture: UnsafeMutablePointer<AVFrame>, _ frame: RGBFrame
    ) throws(VideoIOError) {
        picture.pointee.pts = frame.pts
        vt_set_frame_duration(picture, frame.duration)
        picture.pointee.pict_type = AV_PICTURE_TYPE_NONE
        picture.pointee.sample_aspect_ratio = stream.sampleAspect.av
        durations[frame.pts] = frame.duration
        try check(avcodec_send_frame(encoder, picture), "encoding")
        try writePackets()
    }

    private func writePackets() throws(VideoIOError) {
        guard let encoder, let packet, let context,
            let output = context.pointee.streams[0]
        else { return }
        while true {
            let code = avcodec_receive_packet(encoder, packet)
            if code == vt_error_again || code == vt_error_eof { return }
            try check(code, "encoding")
            if let duration = durations.removeValue(forKey: packet.pointee.pts), duration > 0 {
                packet.pointee.duration = duration
            }
            av_packet_rescale_ts(packet, encoder.pointee.time_base, output.pointee.time_base)
            packet.pointee.stream_index = 0
            try check(av_interleaved_write_frame(context, packet), "writing a frame")
        }
    }

    /// Writes audio as it came.
    public func write(_ audio: [AudioPacket]) throws(VideoIOError) {
        guard hasAudio, let context, let info = stream.audio,
            let output = context.pointee.streams[1]
        else { return }
        for packet in audio {
            let raw = packet.packet
            av_packet_rescale_ts(raw, info.timeBase, output.pointee.time_base)
            raw.pointee.stream_index = 1
            raw.pointee.pos = -1
            try check(av_interleaved_write_frame(context, raw), "writing audio")
        }
    }

    /// Writes what is left, ends the file and gives it its name.
    public func finish() throws(VideoIOError) {
        avcodec_send_frame(encoder, nil)
        try writePackets()
        try check(av_write_trailer(context), "ending the output")
        try sink.finish()
    }

    /// Removes an unfinished file.
    public func abandon() { sink.abandon() }
}

import CFFmpeg

/// Writes RGB frames, and what is copied beside them, as a video like the one they came from.
///
/// One thread at a time. A file appears under its name only when `finish` returns.
public final class VideoWriter {
    /// What was decided on the way, one sentence each.
    public private(set) var notes: [String] = []
    /// Whether it writes a regular file, which is left out where it cannot be whole.
    public var isFile: Bool { sink.isSeekable }
    /// Whether a frame was written.
    public var hasFrames: Bool { written > 0 }
    /// Where it writes to, for messages.
    public var url: String { options.url }
    /// What is said of a file without frames.
    public static let nothing = "no frames came, so nothing is written"

    private let options: OutputOptions
    private let stream: VideoStreamInfo
    private let size: PictureSize
    private let outputSize: PictureSize
    private let restoredSize: PictureSize
    private let restoring: String?
    private let sink: ByteSink
    private var clock: FrameClock
    private var encoding: VideoEncoder?
    private var held: UnsafeMutablePointer<AVFrame>?  // shown until the next one comes
    private var early: [CopiedPacket] = []  // that came before the first frame's time was known
    private var written = 0
    private var context: UnsafeMutablePointer<AVFormatContext>?
    private var packet: UnsafeMutablePointer<AVPacket>?
    private var picture: UnsafeMutablePointer<AVFrame>?
    private var converter: PixelConverter?
    private var tracks: TrackCopier?
    private var pictures: PictureFiles?

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
        restoredSize = restored
        let scaling =
            outputSize == restored ? nil : "scale=\(outputSize.width):\(outputSize.height)"
        let filters = [inverse, scaling].compactMap(\.self)
        restoring = filters.isEmpty ? nil : filters.joined(separator: ",")
        (self.options, self.size) = (options, size)
        let target = try OutputTarget(options, like: stream)
        var stream = stream
        if target.container.isPictures {  // as JFIF and WebP have it
            stream.colorSpace = AVCOL_SPC_SMPTE170M
            stream.colorRange =
                target.codec.pointee.id == AV_CODEC_ID_MJPEG ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG
        }
        self.stream = stream
        clock = FrameClock(stream, target, gap: options.maximumGap, url: options.url)
        pictures = target.container.isPictures ? try PictureFiles(options, stream) : nil
        if let pictures {
            sink = try pictures.first()
        } else {
            sink = try ByteSink(options, input: stream.identity)
        }
        notes = target.notes + clock.notes
        packet = av_packet_alloc()
        picture = av_frame_alloc()
        context = avformat_alloc_context()
        guard let context, packet != nil, picture != nil else { throw noMemory }
        // Pictures one after the other, in the files that `PictureFiles` makes.
        context.pointee.oformat =
            pictures == nil ? target.format : av_guess_format("image2pipe", nil, nil)
        context.pointee.pb = sink.context
        // Whatever the format, no other file or address is opened.
        context.pointee.io_open = { _, _, _, _, _ in vt_error_access }
        context.pointee.strict_std_compliance = -1  // y4m with more than 8 bits
        context.pointee.flags |= AVFMT_FLAG_FLUSH_PACKETS | AVFMT_FLAG_BITEXACT
        try openVideo(target)
        let tracks = try TrackCopier(
            stream.copied, context, target.container, options, isCut: options.isCut)
        self.tracks = tracks
        notes += tracks.notes
        try writeHeader(target)
        try check(tracks.writeCovers(), "writing the cover")
    }

    deinit {
        avformat_free_context(context)
        av_frame_free(&held)
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
        let encoding = try VideoEncoder(
            target, options, like: stream, size: outputSize, aspect: aspect, rate: clock.rate)
        self.encoding = encoding
        notes += encoding.notes
        guard let context, let output = avformat_new_stream(context, nil) else { throw noMemory }
        output.pointee.time_base = clock.timeBase.av
        output.pointee.sample_aspect_ratio = aspect.av
        output.pointee.avg_frame_rate = clock.rate.av
        try check(
            avcodec_parameters_from_context(output.pointee.codecpar, encoding.context),
            "preparing the output")
        try check(stream.traits.light.add(to: output), "preparing the output")
    }

    /// The shape of pixels: where a size is asked for, that which keeps the picture's.
    private var aspect: Rational {
        let own = stream.sampleAspect
        guard own.numerator > 0, own.denominator > 0, outputSize != restoredSize else { return own }
        var shape = AVRational()
        av_reduce(
            &shape.num, &shape.den,
            Int64(own.numerator) * Int64(restoredSize.width) * Int64(outputSize.height),
            Int64(own.denominator) * Int64(restoredSize.height) * Int64(outputSize.width),
            Int64(Int32.max))
        return shape.num > 0 && shape.den > 0 ? Rational(shape) : own
    }

    private func writeHeader(_ target: OutputTarget) throws(VideoIOError) {
        var settings: OpaquePointer?
        defer { av_dict_free(&settings) }
        if target.container.isMP4, !sink.isSeekable {
            // What stands at the beginning otherwise, and is known at the end.
            av_dict_set(&settings, "movflags", "frag_keyframe+empty_moov+default_base_moof", 0)
            notes.append("\(target.name) is written in fragments, as a pipe cannot go back")
        }
        if options.url.hasSuffix(".m2ts") || options.url.hasSuffix(".mts") {
            av_dict_set(&settings, "mpegts_m2ts_mode", "1", 0)
        }
        let (code, cause) = try LibavMessages.cause { () throws(VideoIOError) in
            avformat_write_header(context, &settings)
        }
        if code < 0, sink.failure == nil, let cause {
            throw .failure(
                url: options.url == "-" ? "standard output" : options.url,
                problem: "writing the header of \(target.name) failed: "
                    + "\(libavMessage(code).lowercased()) (\(cause))")
        }
        try check(code, "writing the header")
    }

    private func writeEarly() throws(VideoIOError) {
        let packets = early
        early = []
        try write(packets)
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
        guard let pixelFormat = encoding?.pixelFormat else { throw noMemory }
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
        let isFirst = !clock.hasBegun
        let repeats = try clock.take(frame.pts, frame.duration)
        if isFirst { try writeEarly() }
        written += 1
        if !clock.isSampled { return try send(picture) }
        try hold(repeats)
        av_frame_free(&held)
        held = av_frame_clone(picture)
        if held == nil { throw noMemory }
    }

    /// Shows the frame that is held again.
    private func hold(_ count: Int) throws(VideoIOError) {
        guard let held else { return }
        for _ in 0..<count { try send(held) }
    }

    private func send(_ picture: UnsafeMutablePointer<AVFrame>) throws(VideoIOError) {
        picture.pointee.pts = clock.number()
        vt_set_frame_duration(picture, 1)
        vt_set_progressive(picture)
        picture.pointee.pict_type = AV_PICTURE_TYPE_NONE
        picture.pointee.sample_aspect_ratio = aspect.av
        picture.pointee.chroma_location = stream.traits.chromaLocation
        try check(avcodec_send_frame(encoding?.context, picture), "encoding")
        try writePackets()
    }

    private func writePackets() throws(VideoIOError) {
        guard let encoder = encoding?.context, let packet, let context,
            let output = context.pointee.streams[0]
        else { return }
        while true {
            let code = avcodec_receive_packet(encoder, packet)
            if code == vt_error_again || code == vt_error_eof { return }
            try check(code, "encoding")
            clock.stamp(packet)
            av_packet_rescale_ts(packet, clock.timeBase.av, output.pointee.time_base)
            packet.pointee.stream_index = 0
            try pictures?.begin(sink)
            try check(av_interleaved_write_frame(context, packet), "writing a frame")
        }
    }

    /// Writes packets of other tracks as they came.
    public func write(_ packets: [CopiedPacket]) throws(VideoIOError) {
        if !clock.hasBegun {  // its shift is not known yet
            early += packets
            return
        }
        let clock = clock
        for packet in packets {
            let code = try tracks?.write(packet, clock) ?? 0
            try check(code, "writing audio or subtitles")
        }
    }

    /// Writes what is left, ends the file and gives it its name.
    ///
    /// - Returns: what came out at the end only, one sentence each.
    /// - Throws: `.badInput` for a file without frames, which nothing could play; it is left out.
    @discardableResult public func finish() throws(VideoIOError) -> [String] {
        if written == 0, sink.isSeekable {
            sink.abandon()
            throw .badInput(url: options.url, problem: VideoWriter.nothing)
        }
        let known = clock.notes.count
        try hold(try clock.finish())
        let ended = avcodec_send_frame(encoding?.context, nil)
        if ended != vt_error_eof { try check(ended, "encoding") }
        try writePackets()
        try check(try tracks?.finish() ?? 0, "writing audio")
        try check(av_write_trailer(context), "ending the output")
        try sink.finish()
        return Array(clock.notes.dropFirst(known))
    }

    /// Removes an unfinished file.
    public func abandon() { sink.abandon() }
}

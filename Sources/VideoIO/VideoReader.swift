import CFFmpeg

/// Reads the frames of a video as RGB of one size, and its audio as it is.
///
/// One thread at a time. Whole frames before a fault are delivered before the fault is thrown.
public final class VideoReader {
    /// What the input's video is.
    public private(set) var stream: VideoStreamInfo
    /// What was decided on the way, one sentence each.
    public private(set) var notes: [String] = []

    private let options: InputOptions
    private let source: ByteSource
    private let fit: Fit
    private var size: PictureSize
    private let depth: SampleDepth

    private var context: UnsafeMutablePointer<AVFormatContext>?
    private var decoder: UnsafeMutablePointer<AVCodecContext>?
    private var packet: UnsafeMutablePointer<AVPacket>?
    private var frame: UnsafeMutablePointer<AVFrame>?
    private let videoIndex: Int32
    private let timeBases: [Int32: Rational]  // of the tracks that are copied
    private let packets: PacketReader
    private var first: UnsafeMutablePointer<AVFrame>?  // looked at, and not yet given
    private var deinterlacer: Deinterlacer?
    private var converter: PixelConverter?
    private var copied: [CopiedPacket] = []
    private var copiedBytes = 0

    private var read = 0  // frames decoded
    private var delivered = 0
    private var draining = false
    private var pending: VideoIOError?
    private var hasGoodFrame = false
    private var damagedFirst = false
    private var wholeUntil: Int64 = 0  // where the last whole packet ended
    private var lastPTS: Int64?
    private var nextPTS: Int64 = 0
    private var shift: Int64 = 0  // with --skip, the first frame's time becomes 0
    private var firstSeconds = -Double.infinity
    private var lastSeconds = Double.infinity

    /// Opens an input, whose frames `next` will bring to `size` (nil keeps the input's) as `fit`
    /// says. `cancellation` ends waiting for input.
    public init(
        _ options: InputOptions, fit: Fit, size: PictureSize?, cancellation: Cancellation
    ) throws(VideoIOError) {
        self.options = options
        self.fit = fit
        try options.check()
        let source = try ByteSource(
            url: options.url, cancellation: cancellation, opened: options.opened,
            pictures: options.isPictures ? try PictureSequence(options.url) : nil)
        self.source = source
        let opened = try InputOpener(options, source).open()
        context = opened.context
        decoder = opened.decoder
        videoIndex = opened.videoIndex
        let tracks = opened.info.copied?.tracks.filter(\.hasPackets) ?? []
        timeBases = Dictionary(tracks.map { ($0.index, $0.timeBase) }) { first, _ in first }
        stream = opened.info
        packets = opened.packets
        self.size = size ?? opened.info.size
        depth = opened.info.bitDepth > 8 ? .sixteen : .eight
        packet = av_packet_alloc()
        frame = av_frame_alloc()
        guard packet != nil, frame != nil else {
            throw .failure(url: options.url, problem: "no memory")
        }
        wholeUntil = avio_tell(source.context)
        if !opened.isDescribed { try lookAtFirst() }
        if size == nil { self.size = stream.size }
        if options.deinterlaces {
            deinterlacer = Deinterlacer(fields: stream.traits.fields, url: options.url)
        }
        note()
    }

    /// What the first frame says of itself, and no header does: how it lies, fields, light.
    private func lookAtFirst() throws(VideoIOError) {
        // A fault comes again where the frame is asked for.
        guard let frame = try? decodeNext(), let copy = av_frame_clone(frame) else {
            if case .cancelled? = source.failure { throw .cancelled }
            return
        }
        first = copy
        let coded = stream.traits.orientation
        stream.traits.refine(copy)
        let turned = stream.traits.orientation
        if turned.transposed != coded.transposed {
            stream.size = PictureSize(width: stream.size.height, height: stream.size.width)
        }
        if let context, let codec = context.pointee.streams[Int(videoIndex)] {
            let aspect = av_guess_sample_aspect_ratio(context, codec, copy)
            stream.sampleAspect = turned.upright(Rational(aspect))
        }
    }

    private func note() {
        if stream.traits.isAskew {
            notes.append(
                "the display matrix turns pictures by another angle than a quarter's multiple: they "
                    + "are taken as they are stored")
        }
        if stream.isInterlaced, !options.deinterlaces {
            notes.append(
                "interlaced video: frames of two fields are taken as whole ones, and written as "
                    + "progressive (--deinterlace makes whole frames of them)")
        }
    }

    deinit {
        av_frame_free(&first)
        av_frame_free(&frame)
        av_packet_free(&packet)
        avcodec_free_context(&decoder)
        avformat_close_input(&context)
    }

    /// The next frame, or nil at the end.
    public func next() throws(VideoIOError) -> RGBFrame? {
        if let limit = options.frames, delivered >= limit { return nil }
        while let decoded = try nextDecoded() {
            read += 1
            let pts = timestamp(decoded)
            if read <= options.skip { continue }
            let seconds = Double(pts) * stream.timeBase.value
            if delivered == 0, options.skip > 0 {
                shift = pts
                firstSeconds = seconds
            }
            let duration = max(vt_frame_duration(decoded), 0)
            let result = try rgb(decoded, pts: pts &- shift, duration: duration)
            delivered += 1
            if let limit = options.frames, delivered >= limit {
                let step =
                    duration > 0 ? duration : Int64(0.04 / max(stream.timeBase.value, 1e-9))
                lastSeconds = seconds + Double(step) * stream.timeBase.value
            }
            return result
        }
        return nil
    }

    /// Why no frame was delivered, where options are the reason.
    public var emptiness: VideoIOError? {
        guard delivered == 0, options.skip > 0, options.frames != 0, pending == nil else {
            return nil
        }
        return .badInput(
            url: options.url,
            problem: "--skip \(options.skip) leaves nothing: found \(read) "
                + "frame\(read == 1 ? "" : "s")")
    }

    /// The packets of other tracks that came up since the last call, in their order.
    public func takeCopied() -> [CopiedPacket] {
        defer {
            copied.removeAll(keepingCapacity: true)
            copiedBytes = 0
        }
        return copied.filter(isKept)
    }

    /// Where it reads from, for messages.
    var url: String { options.url }

    // MARK: - Packets and frames

    /// The next whole frame, valid until the next call.
    private func nextDecoded() throws(VideoIOError) -> UnsafeMutablePointer<AVFrame>? {
        guard let deinterlacer else { return try decodeNext() }
        return try deinterlacer.next { () throws(VideoIOError) in try decodeNext() }
    }

    /// The next frame as the decoder gives it, valid until the next call.
    private func decodeNext() throws(VideoIOError) -> UnsafeMutablePointer<AVFrame>? {
        guard let frame else { return nil }
        if let first {
            av_frame_unref(frame)
            av_frame_move_ref(frame, first)
            av_frame_free(&self.first)
            return frame
        }
        while true {
            av_frame_unref(frame)
            let code = avcodec_receive_frame(decoder, frame)
            if code == 0 {
                look(frame)
                return frame
            }
            if code == vt_error_eof {
                if damagedFirst, !hasGoodFrame { fail("no frame is whole") }
                if let pending { throw pending }
                if read == 0 { try checkEmpty() }
                return nil
            }
            if code != vt_error_again { fail("decoding failed: \(libavMessage(code))") }
            try feed()
        }
    }

    /// Gives the decoder the next packet, or tells it that there is none.
    private func feed() throws(VideoIOError) {
        guard let packet, !draining else {
            if let pending { throw pending }
            return drain()
        }
        av_packet_unref(packet)
        let (code, words) = LibavMessages.words { packets.read(into: packet) }
        if let failure = source.failure, code < 0 {
            if case .cancelled = failure { throw failure }
            pending = failure
            return drain()
        }
        if code == vt_error_eof {
            checkEnd(words)
            return drain()
        }
        if code < 0 {
            fail("expected a packet, found \(libavMessage(code).lowercased())")
            return drain()
        }
        if timeBases[packet.pointee.stream_index] != nil {
            return try keep(packet)
        }
        guard packet.pointee.stream_index == videoIndex else { return }
        let expected = rawFrameBytes
        if let expected, Int(packet.pointee.size) != expected {
            pending = truncated(expected: expected, found: Int(packet.pointee.size))
            return drain()
        }
        wholeUntil = avio_tell(source.context)
        let isCut = packet.pointee.flags & AV_PKT_FLAG_CORRUPT != 0
        let sent = avcodec_send_packet(decoder, packet)
        if isCut, hasGoodFrame || sent < 0 { fail("the next packet is damaged or cut off") }
        if sent < 0 {
            fail("decoding failed: \(libavMessage(sent).lowercased())")
            if sent != vt_error_data { drain() }  // what follows may be whole
        }
    }

    /// Damage that the decoder has covered up; not that before the first whole frame of a video,
    /// whose beginning may be missing.
    private func look(_ frame: UnsafeMutablePointer<AVFrame>) {
        let isDamaged =
            frame.pointee.decode_error_flags != 0
            || frame.pointee.flags & AV_FRAME_FLAG_CORRUPT != 0
        if !isDamaged {
            hasGoodFrame = true
        } else if hasGoodFrame {
            fail("the next frame is damaged")
        } else {
            damagedFirst = true
        }
    }

    private func drain() {
        draining = true
        avcodec_send_packet(decoder, nil)
    }

    private func fail(_ problem: String) {
        if pending == nil {
            let advice =
                !source.isSeekable && stream.format.contains("mp4")
                ? "; " + InputOpener.indexAdvice : ""
            pending = .badInput(
                url: options.url, problem: "after frame \(read): \(problem)\(advice)")
        }
    }

    /// Bytes of a frame, where frames are stored as they are.
    private var rawFrameBytes: Int? {
        guard let decoder, decoder.pointee.codec_id == AV_CODEC_ID_RAWVIDEO else { return nil }
        let bytes = av_image_get_buffer_size(
            stream.pixelFormatID, decoder.pointee.width, decoder.pointee.height, 1)
        return bytes > 0 ? Int(bytes) : nil
    }

    private func truncated(expected: Int, found: Int) -> VideoIOError {
        .badInput(
            url: options.url,
            problem: "truncated: frame \(read + 1) is cut off: expected \(expected) bytes, found "
                + "\(found)")
    }

    /// libav's y4m reader takes a cut-off last frame for the end: what it left tells.
    private func checkEnd(_ words: String?) {
        guard stream.format == "yuv4mpegpipe", let expected = rawFrameBytes else {
            pending = pending ?? source.ending
            let end = InputEnd(source: source, format: stream.format)
            if pending == nil, let context,
                let problem = end.problem(context, complaint: words)
            {
                pending = .badInput(
                    url: options.url,
                    problem: read == 0 ? problem : "after frame \(read): \(problem)")
            }
            return
        }
        let header = 6  // "FRAME\n"; frame headers with parameters only make the remainder longer
        let rest = Int(source.position - wholeUntil)
        if rest > 0 { pending = truncated(expected: expected, found: max(rest - header, 0)) }
    }

    /// No frame came: an index at the end of a pipe, or nothing at all.
    private func checkEmpty() throws(VideoIOError) {
        if !source.isSeekable, stream.format.contains("mp4") {
            throw .badInput(url: options.url, problem: InputOpener.indexAdvice)
        }
        if stream.format == "yuv4mpegpipe" || stream.format == "nut" { return }
        throw .badInput(
            url: options.url,
            problem: source.position == 0 ? "expected frames, found no data" : "found no frames")
    }

    /// The time of a frame; where the stream gives none, one frame after the last.
    private func timestamp(_ frame: UnsafeMutablePointer<AVFrame>) -> Int64 {
        let given = frame.pointee.best_effort_timestamp
        var pts = given == vt_no_pts ? nextPTS : given
        if let lastPTS, pts <= lastPTS { pts = nextPTS }
        let rate = stream.frameRate ?? Rational(25, 1)
        let step = av_rescale_q(
            1, AVRational(num: rate.denominator, den: rate.numerator), stream.timeBase.av)
        let duration = vt_frame_duration(frame)
        lastPTS = pts
        nextPTS = pts.addingReportingOverflow(max(duration > 0 ? duration : step, 1)).partialValue
        return pts
    }

    private func rgb(
        _ decoded: UnsafeMutablePointer<AVFrame>, pts: Int64, duration: Int64
    ) throws(VideoIOError) -> RGBFrame {
        if let matrix = options.matrix {
            decoded.pointee.colorspace = AVColorSpace(
                rawValue: UInt32(max(av_color_space_from_name(matrix), 0)))
        }
        if let range = options.range {
            decoded.pointee.color_range = AVColorRange(
                rawValue: UInt32(max(av_color_range_from_name(range), 0)))
        }
        let notFinite = FloatSamples.notFinite(decoded)
        if notFinite > 0 {
            throw .badInput(
                url: options.url,
                problem: "frame \(read): expected numbers, found \(notFinite) samples that are NaN "
                    + "or infinite")
        }
        let input = PixelConverter.Input(decoded)
        let turned = stream.traits.orientation
        let wanted = depth == .eight ? vt_rgb24 : vt_rgb48
        var picture = decoded
        if input.size != size || input.format.rawValue != wanted.rawValue || turned != .upright {
            if converter?.input != input {
                let fitting = fit.filters(from: turned.upright(input.size), to: size)
                converter = try PixelConverter(
                    input, timeBase: stream.timeBase,
                    filters: (turned.filters + [fitting]).joined(separator: ","),
                    output: wanted, url: options.url, readsInput: true)
            }
            guard let converter else { throw .failure(url: options.url, problem: "no memory") }
            picture = try converter.convert(decoded, url: options.url)
        }
        let row = size.width * 3 * depth.byteCount
        guard let first = picture.pointee.data.0 else {
            throw .failure(url: options.url, problem: "a frame without pixels")
        }
        let stride = Int(picture.pointee.linesize.0)
        let height = size.height
        let bytes = [UInt8](unsafeUninitializedCapacity: row * height) { buffer, count in
            guard let base = buffer.baseAddress else { return }
            for y in 0..<height { (base + y * row).update(from: first + y * stride, count: row) }
            count = row * height
        }
        return RGBFrame(
            width: size.width, height: size.height, depth: depth, bytes: bytes, pts: pts,
            duration: duration)
    }

    // MARK: - Other tracks

    private static let maximumCopiedBytes = 256 << 20

    private func keep(_ packet: UnsafeMutablePointer<AVPacket>) throws(VideoIOError) {
        guard let kept = CopiedPacket(moving: packet) else {
            throw .failure(url: options.url, problem: "no memory")
        }
        copied.append(kept)
        copiedBytes += kept.byteCount
        if copiedBytes > VideoReader.maximumCopiedBytes {
            throw .badInput(
                url: options.url,
                problem: "expected video and audio side by side, found more than "
                    + "\(VideoReader.maximumCopiedBytes >> 20) MB of audio before the next frame")
        }
    }

    /// Whether a packet plays while frames are shown; with --skip it is moved like the frames.
    private func isKept(_ kept: CopiedPacket) -> Bool {
        guard let timeBase = timeBases[kept.track], options.skip > 0 || options.frames != nil else {
            return true
        }
        let (packet, base) = (kept.packet, timeBase.value)
        if packet.pointee.pts == vt_no_pts { return false }
        let start = Double(packet.pointee.pts) * base
        let end = start + Double(packet.pointee.duration) * base
        if options.skip > 0, delivered == 0 || end <= firstSeconds { return false }
        if start >= lastSeconds { return false }
        let moved = av_rescale_q(shift, stream.timeBase.av, timeBase.av)
        packet.pointee.pts &-= moved
        packet.pointee.dts &-= moved
        return true
    }
}

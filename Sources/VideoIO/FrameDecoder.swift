import CFFmpeg

/// Demultiplexes and decodes one video: frames as they are stored, the packets of other tracks beside
/// them, and what is wrong with either.
///
/// One thread at a time. Whole frames before a fault come before the fault is thrown.
final class FrameDecoder {
    /// How many of its frames were taken: for messages.
    var taken = 0
    /// When frames are shown that must come; others may be left out where no other frame is made from them.
    /// Nil wants all.
    var wanted: Set<Int64>?

    private let url: String
    private let source: ByteSource
    /// The container's format, and how pixels lie.
    private let format: String
    private let pixelFormat: AVPixelFormat
    private var context: UnsafeMutablePointer<AVFormatContext>?
    private var decoder: UnsafeMutablePointer<AVCodecContext>?
    private var packet: UnsafeMutablePointer<AVPacket>?
    private var frame: UnsafeMutablePointer<AVFrame>?
    private let videoIndex: Int32
    /// Time bases of the tracks that are copied.
    let timeBases: [Int32: Rational]
    private let packets: PacketReader
    private var first: UnsafeMutablePointer<AVFrame>?  // looked at, and not yet given
    private var copied: [CopiedPacket] = []
    private var copiedBytes = 0

    private var draining = false
    private var pending: VideoIOError?
    private var hasGoodFrame = false
    private var damagedFirst = false
    /// When the last packet is decoded.
    private var lastTime = vt_no_pts
    /// A packet that may be cut off: how many frames were taken, and how many packets are to be waited for.
    private var cut: (taken: Int, wait: Int)?
    private var wholeUntil: Int64 = 0  // where the last whole packet ended

    /// Goes on where an input was opened.
    init(_ opened: InputOpener.Opened, _ source: ByteSource, url: String) throws(VideoIOError) {
        (self.url, self.source) = (url, source)
        context = opened.context
        decoder = opened.decoder
        videoIndex = opened.videoIndex
        (format, pixelFormat) = (opened.info.format, opened.info.pixelFormatID)
        let tracks = opened.info.copied?.tracks.filter(\.hasPackets) ?? []
        timeBases = Dictionary(tracks.map { ($0.index, $0.timeBase) }) { first, _ in first }
        packets = opened.packets
        packet = av_packet_alloc()
        frame = av_frame_alloc()
        guard packet != nil, frame != nil else {
            throw .failure(url: url, problem: "no memory")
        }
        wholeUntil = avio_tell(source.context)
    }

    deinit {
        av_frame_free(&first)
        av_frame_free(&frame)
        av_packet_free(&packet)
        avcodec_free_context(&decoder)
        avformat_close_input(&context)
    }

    /// Whether something was found wrong that is yet to be thrown.
    var hasFault: Bool { pending != nil }

    /// The first frame, which `next` gives all the same; nil where there is none.
    ///
    /// - Throws: `VideoIOError.cancelled`; another fault comes again where the frame is asked for.
    func peek() throws(VideoIOError) -> UnsafeMutablePointer<AVFrame>? {
        guard let frame = try? next(), let copy = av_frame_clone(frame) else {
            if case .cancelled? = source.failure { throw .cancelled }
            return nil
        }
        first = copy
        return copy
    }

    /// Goes to the key frame that is decoded at `time`, or one before it.
    ///
    /// - Returns: false where that cannot be; nothing is to be read any more then.
    func seek(to time: Int64) -> Bool {
        guard source.isSeekable, let context, let decoder,
            av_seek_frame(context, videoIndex, time, AVSEEK_FLAG_BACKWARD) >= 0
        else { return false }
        packets.forget()
        avcodec_flush_buffers(decoder)
        av_frame_free(&first)
        (draining, pending, cut, lastTime) = (false, nil, nil, vt_no_pts)
        return true
    }

    /// The shape of pixels of a frame.
    func sampleAspect(_ frame: UnsafeMutablePointer<AVFrame>) -> Rational? {
        guard let context, let codec = context.pointee.streams[Int(videoIndex)] else { return nil }
        return Rational(av_guess_sample_aspect_ratio(context, codec, frame))
    }

    /// The packets of other tracks that came up since the last call, in their order.
    func takeCopied() -> [CopiedPacket] {
        defer {
            copied.removeAll(keepingCapacity: true)
            copiedBytes = 0
        }
        return copied
    }

    /// The next frame, valid until the next call; nil at the end.
    func next() throws(VideoIOError) -> UnsafeMutablePointer<AVFrame>? {
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
                if taken == 0 { try checkEmpty() }
                return nil
            }
            if code != vt_error_again { fail("decoding failed: \(libavMessage(code))", code) }
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
            fail("expected a packet, found \(libavMessage(code).lowercased())", code)
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
        if let wanted, let decoder, FrameDecoder.leavesOut(decoder.pointee.codec_id) {
            let isWanted = packet.pointee.pts == vt_no_pts || wanted.contains(packet.pointee.pts)
            decoder.pointee.skip_frame = isWanted ? AVDISCARD_DEFAULT : AVDISCARD_NONREF
        }
        let sent = avcodec_send_packet(decoder, packet)
        judgeCut(before: packet.pointee.dts)
        if isCut, sent < 0 {
            fail("the next packet is damaged or cut off")
        } else if isCut, hasGoodFrame, !beginsAnew(packet.pointee.dts, after: lastTime) {
            cut = (taken, 2)  // parsers mark the packet before the one at the seam
        }
        lastTime = packet.pointee.dts
        if sent < 0 {
            fail("decoding failed: \(libavMessage(sent).lowercased())", sent)
            if sent != vt_error_data { drain() }  // what follows may be whole
        }
    }

    /// Decoders that are known to leave the right frames out.
    private static func leavesOut(_ codec: AVCodecID) -> Bool {
        codec == AV_CODEC_ID_H264 || codec == AV_CODEC_ID_HEVC
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

    /// Where one transport stream follows another, a packet beside the seam is taken for a cut one, since
    /// the second does not count on from the first; times that begin anew tell (nil: the end).
    private func judgeCut(before next: Int64?) {
        guard let cut else { return }
        if let next, beginsAnew(next, after: lastTime) {
            self.cut = nil
        } else if next != nil, cut.wait > 1 {
            self.cut = (cut.taken, cut.wait - 1)
        } else {
            self.cut = nil
            fail("the next packet is damaged or cut off", after: cut.taken)
        }
    }

    private func beginsAnew(_ time: Int64, after last: Int64) -> Bool {
        time != vt_no_pts && last != vt_no_pts && time < last
    }

    private func drain() {
        judgeCut(before: nil)
        draining = true
        avcodec_send_packet(decoder, nil)
    }

    private func fail(_ problem: String, _ code: Int32 = 0, after count: Int? = nil) {
        if code == vt_error_no_memory {  // that is not the input's fault
            pending = pending ?? .failure(url: url, problem: "no memory to decode with")
        } else if pending == nil {
            let advice =
                !source.isSeekable && format.contains("mp4")
                ? "; " + InputOpener.indexAdvice : ""
            pending = .badInput(
                url: url, problem: "after frame \(count ?? taken): \(problem)\(advice)")
        }
    }

    /// Bytes of a frame, where frames are stored as they are.
    private var rawFrameBytes: Int? {
        guard let decoder, decoder.pointee.codec_id == AV_CODEC_ID_RAWVIDEO else { return nil }
        let bytes = av_image_get_buffer_size(
            pixelFormat, decoder.pointee.width, decoder.pointee.height, 1)
        return bytes > 0 ? Int(bytes) : nil
    }

    private func truncated(expected: Int, found: Int) -> VideoIOError {
        .badInput(
            url: url,
            problem: "truncated: frame \(taken + 1) is cut off: expected \(expected) bytes, found "
                + "\(found)")
    }

    /// libav's y4m reader takes a cut-off last frame for the end: what it left tells.
    private func checkEnd(_ words: String?) {
        guard format == "yuv4mpegpipe", let expected = rawFrameBytes else {
            pending = pending ?? source.ending
            let end = InputEnd(source: source, format: format)
            if pending == nil, let context,
                let problem = end.problem(context, complaint: words)
            {
                pending = .badInput(
                    url: url,
                    problem: taken == 0 ? problem : "after frame \(taken): \(problem)")
            }
            return
        }
        let header = 6  // "FRAME\n"; frame headers with parameters only make the remainder longer
        let rest = Int(source.position - wholeUntil)
        if rest > 0 { pending = truncated(expected: expected, found: max(rest - header, 0)) }
    }

    /// No frame came: an index at the end of a pipe, or nothing at all.
    private func checkEmpty() throws(VideoIOError) {
        if !source.isSeekable, format.contains("mp4") {
            throw .badInput(url: url, problem: InputOpener.indexAdvice)
        }
        if format == "yuv4mpegpipe" || format == "nut" { return }
        throw .badInput(
            url: url,
            problem: source.position == 0 ? "expected frames, found no data" : "found no frames")
    }

    private static let maximumCopiedBytes = 256 << 20

    private func keep(_ packet: UnsafeMutablePointer<AVPacket>) throws(VideoIOError) {
        guard let kept = CopiedPacket(moving: packet) else {
            throw .failure(url: url, problem: "no memory")
        }
        copied.append(kept)
        copiedBytes += kept.byteCount
        if copiedBytes > FrameDecoder.maximumCopiedBytes {
            throw .badInput(
                url: url,
                problem: "expected video and audio side by side, found more than "
                    + "\(FrameDecoder.maximumCopiedBytes >> 20) MB of audio before the next frame")
        }
    }
}

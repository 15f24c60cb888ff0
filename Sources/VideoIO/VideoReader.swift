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
    private let fit: Fit
    private var size: PictureSize
    private let depth: SampleDepth
    private let decoder: FrameDecoder
    private var deinterlacer: Deinterlacer?
    private var converter: PixelConverter?

    private var sought: Int64?  // the first frame to deliver, after a seek
    private var delivered = 0
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
        let opened = try InputOpener(options, source).open()
        stream = opened.info
        self.size = size ?? opened.info.size
        depth = opened.info.bitDepth > 8 ? .sixteen : .eight
        decoder = try FrameDecoder(opened, source, url: options.url)
        if !opened.isDescribed, let first = try decoder.peek() { describe(by: first) }
        if size == nil { self.size = stream.size }
        if options.deinterlaces {
            deinterlacer = Deinterlacer(fields: stream.traits.fields, url: options.url)
        }
        note()
    }

    /// What the first frame says of itself, and no header does: how it lies, fields, light.
    private func describe(by first: UnsafeMutablePointer<AVFrame>) {
        let coded = stream.traits.orientation
        stream.traits.refine(first)
        let turned = stream.traits.orientation
        if turned.transposed != coded.transposed {
            stream.size = PictureSize(width: stream.size.height, height: stream.size.width)
        }
        if let aspect = decoder.sampleAspect(first) { stream.sampleAspect = turned.upright(aspect) }
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

    /// The next frame, or nil at the end.
    public func next() throws(VideoIOError) -> RGBFrame? {
        guard let (decoded, pts, duration) = try advance() else { return nil }
        return try rgb(decoded, pts: pts, duration: duration)
    }

    /// The next frame as it is stored, or nil at the end: for who looks at a few of many.
    package func nextStored() throws(VideoIOError) -> StoredFrame? {
        guard let (decoded, pts, duration) = try advance() else { return nil }
        guard let stored = StoredFrame(decoded, pts: pts, duration: duration) else {
            throw .failure(url: options.url, problem: "no memory")
        }
        return stored
    }

    /// The picture of one of this reader's stored frames.
    package func picture(of stored: StoredFrame) throws(VideoIOError) -> RGBFrame {
        try rgb(stored.frame, pts: stored.pts, duration: stored.duration)
    }

    /// The next frame that is delivered, valid until the next call, and its times.
    private func advance() throws(VideoIOError) -> (
        frame: UnsafeMutablePointer<AVFrame>, pts: Int64, duration: Int64
    )? {
        if let limit = options.frames, delivered >= limit { return nil }
        while let decoded = try nextDecoded() {
            decoder.taken += 1
            let pts = timestamp(decoded)
            if decoder.taken <= options.skip { continue }
            if let sought {
                if pts < sought { continue }
                if pts > sought {
                    throw .badInput(url: options.url, problem: "a frame is not where it was")
                }
                self.sought = nil
            }
            let seconds = Double(pts) * stream.timeBase.value
            if delivered == 0, options.skip > 0 {
                shift = pts
                firstSeconds = seconds
            }
            let duration = max(vt_frame_duration(decoded), 0)
            delivered += 1
            if let limit = options.frames, delivered >= limit {
                let step =
                    duration > 0 ? duration : Int64(0.04 / max(stream.timeBase.value, 1e-9))
                lastSeconds = seconds + Double(step) * stream.timeBase.value
            }
            return (decoded, pts &- shift, duration)
        }
        return nil
    }

    /// Goes to a frame by the key frame before it; the next frame is then that one, or an error where
    /// the way does not lead to it.
    ///
    /// Of the frames on the way and behind it, those that are not `wanted` and that no other frame is made
    /// from may be left out.
    ///
    /// - Returns: false where the container knows no such way: nothing can be read any more then.
    package func seek(to place: VideoTimeline.KeyFrame, wanted: Set<Int64>) -> Bool {
        guard deinterlacer == nil, options.skip == 0, delivered == 0,
            decoder.seek(to: place.decoded)
        else { return false }
        sought = place.wanted
        decoder.wanted = wanted
        return true
    }

    /// Why no frame was delivered, where options are the reason.
    public var emptiness: VideoIOError? {
        guard delivered == 0, options.skip > 0, options.frames != 0, !decoder.hasFault else {
            return nil
        }
        let found = decoder.taken
        return .badInput(
            url: options.url,
            problem: "--skip \(options.skip) leaves nothing: found \(found) "
                + "frame\(found == 1 ? "" : "s")")
    }

    /// The packets of other tracks that came up since the last call, in their order.
    public func takeCopied() -> [CopiedPacket] { decoder.takeCopied().filter(isKept) }

    /// Where it reads from, for messages.
    package var url: String { options.url }

    /// The next whole frame, valid until the next call.
    private func nextDecoded() throws(VideoIOError) -> UnsafeMutablePointer<AVFrame>? {
        guard let deinterlacer else { return try decoder.next() }
        return try deinterlacer.next { () throws(VideoIOError) in try decoder.next() }
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
                problem:
                    "frame \(decoder.taken): expected numbers, found \(notFinite) samples that are NaN "
                    + "or infinite")
        }
        let input = PixelConverter.Input(decoded)
        let turned = stream.traits.orientation
        let wanted = depth == .eight ? vt_rgb24 : vt_rgb48
        var picture = decoded
        if input.size != size || input.format.rawValue != wanted.rawValue || turned != .upright {
            if converter?.input != input {
                let fitting = fit.filters(
                    from: turned.upright(input.size), to: size, at: options.cropPlace)
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

    /// Whether a packet plays while frames are shown; with --skip it is moved like the frames.
    private func isKept(_ kept: CopiedPacket) -> Bool {
        guard let timeBase = decoder.timeBases[kept.track],
            options.skip > 0 || options.frames != nil
        else {
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

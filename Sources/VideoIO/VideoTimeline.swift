import CFFmpeg

/// When the frames of a video file are shown, found without decoding it.
package struct VideoTimeline: Sendable {
    /// What the video is.
    package let stream: VideoStreamInfo
    /// Seconds after the first frame, in the order of showing.
    package let seconds: [Double]
    /// How long the last frame is shown, in seconds.
    package let lastDuration: Double

    /// A way to a frame: when the key frame before it is decoded, and when it is shown itself, in the
    /// stream's time base.
    package struct KeyFrame: Sendable {
        let decoded, wanted: Int64
    }

    /// When frames are shown, in the stream's time base; none where packets do not say.
    private let shown: [Int64]
    /// Of key frames, by when they are shown.
    private let keys: [(shown: Int64, decoded: Int64)]

    /// The last key frame that is shown no later than a frame, where the container has an index to find it
    /// by.
    package func keyFrame(before index: Int) -> KeyFrame? {
        let isIndexed = ["mp4", "matroska"].contains { stream.format.contains($0) }
        guard isIndexed, shown.indices.contains(index), index > 0, shown[index - 1] < shown[index],
            let key = keys.last(where: { $0.shown <= shown[index] })
        else { return nil }
        return KeyFrame(decoded: key.decoded, wanted: shown[index])
    }

    /// When a frame is shown, in the stream's time base; nil where packets do not say.
    package func shown(_ index: Int) -> Int64? {
        shown.indices.contains(index) ? shown[index] : nil
    }

    /// Most frames that are looked at: a day at 25 a second.
    private static let maximumFrames = 1 << 21

    /// Looks through a file.
    ///
    /// - Throws: `VideoIOError` where it is no video that is read, or a day of it.
    package init(path: String, cancellation: Cancellation) throws(VideoIOError) {
        var options = InputOptions(url: path)
        options.copiesTracks = false
        let source = try ByteSource(url: path, cancellation: cancellation, opened: nil)
        var opener = InputOpener(options, source)
        opener.measuresRates = false  // which looks at packets
        let opened = try opener.open()
        var context: UnsafeMutablePointer<AVFormatContext>? = opened.context
        var decoder: UnsafeMutablePointer<AVCodecContext>? = opened.decoder
        var packet = av_packet_alloc()
        defer {
            av_packet_free(&packet)
            avcodec_free_context(&decoder)
            avformat_close_input(&context)
        }
        guard let packet else { throw .failure(url: path, problem: "no memory") }
        let info = opened.info
        let rate = info.frameRate ?? Rational(25, 1)
        let step = max(
            av_rescale_q(
                1, AVRational(num: rate.denominator, den: rate.numerator), info.timeBase.av), 1)
        var (times, duration): ([Int64], Int64) = ([], 0)
        var (isTimed, last) = (true, Int64.min)
        var keys: [(shown: Int64, decoded: Int64)] = []
        while av_read_frame(context, packet) >= 0 {
            defer { av_packet_unref(packet) }
            // Packets that only prepare the decoder are not shown.
            guard packet.pointee.stream_index == opened.videoIndex,
                packet.pointee.flags & AV_PKT_FLAG_DISCARD == 0
            else { continue }
            if packet.pointee.pts == vt_no_pts { isTimed = false }
            times.append(packet.pointee.pts)
            if packet.pointee.flags & AV_PKT_FLAG_KEY != 0 {
                let decoded = packet.pointee.dts
                keys.append(
                    (packet.pointee.pts, decoded == vt_no_pts ? packet.pointee.pts : decoded))
            }
            if packet.pointee.pts > last, packet.pointee.duration > 0 {
                duration = packet.pointee.duration
            }
            last = max(last, packet.pointee.pts)
            if times.count > VideoTimeline.maximumFrames {
                throw .badInput(
                    url: path, problem: "expected at most \(VideoTimeline.maximumFrames) frames")
            }
        }
        if let failure = source.failure, case .cancelled = failure { throw failure }
        if times.isEmpty { throw .badInput(url: path, problem: "found no frames") }
        if !isTimed { times = times.indices.map { Int64($0) &* step } }
        times.sort()
        shown = isTimed ? times : []
        self.keys = keys.sorted { $0.shown < $1.shown }
        let (first, base) = (times[0], info.timeBase.value)
        seconds = times.map { Double($0 &- first) * base }
        lastDuration = Double(duration > 0 ? duration : step) * base
        stream = info
    }
}

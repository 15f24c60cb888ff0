import CFFmpeg
import Glibc

/// The rate of a video, found from what its headers say and from when its frames are shown.
///
/// Headers lie: a Matroska file names the rate of an encoder whose frames were thinned out, a NUT
/// stream may name none, field rates stand where frame rates should.
struct FrameRates {
    /// Frames a second; the mean where they come at variable times. Nil where nothing tells.
    let rate: Rational?
    /// Whether frames come at variable times.
    let isVariable: Bool

    /// - Parameters:
    ///   - said: Rates that headers name, the likeliest first.
    ///   - times: When the first frames are shown.
    ///   - timeBase: The unit of the times, in seconds.
    ///   - mean: The mean rate of the whole stream, asked for where frames come at variable times.
    /// - Throws: What `mean` throws.
    init(
        said: [Rational], times: [Int64], timeBase: Rational,
        mean: () throws(VideoIOError) -> Rational?
    ) throws(VideoIOError) {
        let said = said.filter { $0.numerator > 0 && $0.denominator > 0 }
        let seconds = times.map { Double($0 &- times[0]) * timeBase.value }
        guard let span = seconds.last, span > 0 else {
            (rate, isVariable) = (said.first, false)
            return
        }
        if let regular = said.first(where: { FrameRates.isRegular(seconds, at: $0, within: 0.3) }) {
            (rate, isVariable) = (regular, false)
            return
        }
        let measured = Double(seconds.count - 1) / span
        if let near = FrameRates.standard(near: measured, within: timeBase.value / span + 1e-4),
            FrameRates.isRegular(seconds, at: near, within: 0.3)
        {
            (rate, isVariable) = (near, false)
            return
        }
        let estimate = FrameRates.approximate(measured)
        let rounding = timeBase.value * measured
        if let estimate, FrameRates.isRegular(seconds, at: estimate, within: 0.05 + rounding) {
            (rate, isVariable) = (estimate, false)
        } else {
            (rate, isVariable) = (try mean() ?? estimate ?? said.first, true)
        }
    }

    /// Whether frames are shown one interval after the other, give or take a part of one.
    private static func isRegular(
        _ seconds: [Double], at rate: Rational, within part: Double
    ) -> Bool {
        seconds.enumerated().allSatisfy { abs($1 * rate.value - Double($0)) < part }
    }

    /// A rate that cameras and broadcasters use, at most a part `within` away.
    static func standard(near rate: Double, within: Double) -> Rational? {
        let rates: [Rational] = [
            Rational(24000, 1001), Rational(24, 1), Rational(25, 1), Rational(30000, 1001),
            Rational(30, 1), Rational(48, 1), Rational(50, 1), Rational(60000, 1001),
            Rational(60, 1), Rational(100, 1), Rational(120000, 1001), Rational(120, 1),
            Rational(5, 1), Rational(10, 1), Rational(12, 1), Rational(25, 2), Rational(15, 1),
            Rational(15000, 1001), Rational(20, 1), Rational(8, 1), Rational(1, 1),
        ]
        let near = rates.min { abs($0.value - rate) < abs($1.value - rate) }
        return near.flatMap { abs($0.value - rate) <= within * $0.value ? $0 : nil }
    }

    /// A ratio of small numbers near a rate.
    static func approximate(_ rate: Double) -> Rational? {
        guard rate.isFinite, rate > 1e-6, rate < 1e6 else { return nil }
        let ratio = av_d2q(rate, 1_001_000)
        return ratio.num > 0 && ratio.den > 0 ? Rational(ratio) : nil
    }
}

extension FrameRates {
    /// Frames by seconds over a whole file, counted in its packets.
    static func mean(
        of options: InputOptions, cancellation: Cancellation
    ) throws(VideoIOError) -> Rational? {
        var options = options
        // A name of its own for what is open: the file's place in reading is left alone.
        if let number = options.opened?.descriptor ?? (options.url == "-" ? 0 : nil) {
            options.opened = nil
            options.url = "/proc/self/fd/\(number)"
            guard access(options.url, R_OK) == 0 else { return nil }  // a root without /proc
        }
        let source = try ByteSource(url: options.url, cancellation: cancellation)
        guard source.isSeekable else { return nil }
        var opener = InputOpener(options, source)
        opener.measuresRates = false
        let opened = try opener.open()
        var context: UnsafeMutablePointer<AVFormatContext>? = opened.context
        var decoder: UnsafeMutablePointer<AVCodecContext>? = opened.decoder
        var packet = av_packet_alloc()
        defer {
            av_packet_free(&packet)
            avcodec_free_context(&decoder)
            avformat_close_input(&context)
        }
        guard let packet, let stream = context?.pointee.streams[Int(opened.videoIndex)] else {
            return nil
        }
        var (count, first, last, end) = (0, Int64.max, Int64.min, Int64.min)
        while av_read_frame(context, packet) >= 0 {
            defer { av_packet_unref(packet) }
            let pts = packet.pointee.pts
            guard packet.pointee.stream_index == opened.videoIndex, pts != vt_no_pts,
                packet.pointee.flags & AV_PKT_FLAG_DISCARD == 0
            else { continue }
            count += 1
            (first, last) = (min(first, pts), max(last, pts))
            end = max(end, pts.addingReportingOverflow(packet.pointee.duration).partialValue)
        }
        if case .cancelled? = source.failure { throw .cancelled }
        guard count > 1, last > first else { return nil }
        let base = av_q2d(stream.pointee.time_base)
        // Without the duration of the last frame, one interval fewer than frames.
        return end > last
            ? approximate(Double(count) / (Double(end &- first) * base))
            : approximate(Double(count - 1) / (Double(last &- first) * base))
    }
}

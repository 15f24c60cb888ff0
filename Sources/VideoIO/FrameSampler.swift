import CFFmpeg

/// Frames at a constant rate, chosen by time: at each moment the frame that is shown then.
///
/// The published protocol, without its faults: no interval is rounded, timestamps count, and a
/// stream slower than the rate repeats frames rather than failing.
public struct FrameSampler {
    private let reader: VideoReader
    private let rate: Rational?
    private var current: RGBFrame?
    private var upcoming: RGBFrame?
    private var start: Int64 = 0
    private var index: Int64 = 0

    /// Highest rate, in frames a second.
    public static let maximumRate = 1000.0

    /// Samples a reader's frames at a rate; nil passes all of them.
    public init(_ reader: VideoReader, rate: Rational?) {
        self.reader = reader
        self.rate = rate
    }

    /// The next frame, or nil at the end. At a rate, timestamps count samples: the time base is the
    /// rate's inverse (`VideoStreamInfo.resampled`).
    public mutating func next() throws(VideoIOError) -> RGBFrame? {
        guard let rate else { return try reader.next() }
        if current == nil {
            current = try reader.next()
            start = current?.pts ?? 0
            upcoming = try reader.next()
        }
        while let later = upcoming, isDue(later.pts, rate) {
            current = later
            upcoming = try reader.next()
        }
        guard let current else { return nil }
        if upcoming == nil, !isShown(current, rate) { return nil }
        defer { index += 1 }
        return RGBFrame(
            width: current.width, height: current.height, depth: current.depth,
            bytes: current.bytes, pts: index, duration: 1)
    }

    /// Whether a time has come at the sample's moment, give or take a twentieth of the interval:
    /// containers round timestamps.
    private func isDue(_ pts: Int64, _ rate: Rational) -> Bool {
        av_compare_ts(
            pts &- start, reader.stream.timeBase.av, 20 * index + 1,
            AVRational(num: rate.denominator, den: rate.numerator * 20)) <= 0
    }

    /// Whether the last frame is still shown.
    private func isShown(_ frame: RGBFrame, _ rate: Rational) -> Bool {
        let timeBase = reader.stream.timeBase.av
        var duration = frame.duration
        if duration <= 0, let own = reader.stream.frameRate {
            duration = av_rescale_q(
                1, AVRational(num: own.denominator, den: own.numerator), timeBase)
        }
        return !isDue(frame.pts &+ max(duration, 1), rate)
    }
}

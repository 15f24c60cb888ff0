import CFFmpeg

/// Frames at a constant rate, chosen by time: at each moment the frame that is shown then.
///
/// The published protocol, without its faults: no interval is rounded, timestamps count, and a
/// stream slower than the rate repeats frames rather than failing.
public struct FrameSampler {
    private let reader: VideoReader
    private let rate: Rational?
    private let gap: Double
    private var fault: VideoIOError?
    private var current: RGBFrame?
    private var upcoming: RGBFrame?
    private var start: Int64 = 0
    private var index: Int64 = 0

    /// Highest rate, in frames a second.
    public static let maximumRate = 1000.0

    /// Longest time between two frames, in seconds, where nothing else is asked for.
    public static let maximumGap = 60.0

    /// Samples a reader's frames at a rate; nil passes all of them. `gap` is the longest time, in
    /// seconds, that one frame is repeated for: a file of two frames may say that they are a century
    /// apart.
    public init(_ reader: VideoReader, rate: Rational?, gap: Double = FrameSampler.maximumGap) {
        self.reader = reader
        self.rate = rate
        self.gap = gap
    }

    /// The next frame, or nil at the end. At a rate, timestamps count samples: the time base is the
    /// rate's inverse (`VideoStreamInfo.resampled`).
    public mutating func next() throws(VideoIOError) -> RGBFrame? {
        guard let rate else { return try reader.next() }
        if current == nil {
            current = try reader.next()
            start = current?.pts ?? 0
            try readUpcoming()
        }
        while let later = upcoming, isDue(later.pts, rate) {
            current = later
            try readUpcoming()
        }
        guard let current else { return nil }
        if upcoming == nil, !isShown(current, rate) {
            if let fault { throw fault }
            return nil
        }
        defer { index += 1 }
        return RGBFrame(
            width: current.width, height: current.height, depth: current.depth,
            bytes: current.bytes, pts: index, duration: 1)
    }

    /// Reads the frame after the current one; a gap before it is too long, or time to show it.
    private mutating func readUpcoming() throws(VideoIOError) {
        upcoming = try reader.next()
        guard let current else { return }
        let length = upcoming.map { $0.pts &- current.pts } ?? shownLength(current)
        let seconds = Double(length) * reader.stream.timeBase.value
        if seconds <= gap { return }
        fault = .badInput(
            url: reader.url,
            problem: "expected at most \(gap) s from one frame to the next (--max-gap), found "
                + "\(seconds.rounded())")
        // It is shown for one sample.
        let interval = rate.map { AVRational(num: $0.denominator, den: $0.numerator) }
        let sample = interval.map { av_rescale_q(1, $0, reader.stream.timeBase.av) } ?? 1
        (upcoming, self.current) = (nil, current.shown(for: max(sample, 1)))
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
        !isDue(frame.pts &+ shownLength(frame), rate)
    }

    /// How long a frame without one behind it is shown.
    private func shownLength(_ frame: RGBFrame) -> Int64 {
        if frame.duration > 0 { return frame.duration }
        guard let own = reader.stream.frameRate else { return 1 }
        let interval = AVRational(num: own.denominator, den: own.numerator)
        return max(av_rescale_q(1, interval, reader.stream.timeBase.av), 1)
    }
}

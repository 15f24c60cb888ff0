import CFFmpeg

/// When an output's frames are shown: from the times of the frames that come in, as far as the
/// container can hold them.
///
/// An encoder counts frames, at the stream's rate; the clock gives its packets their times. So what
/// encoders write into the stream is the real rate, whatever unit the input counts time in.
struct FrameClock {
    /// Frames a second.
    let rate: Rational
    /// What was decided, one sentence each.
    private(set) var notes: [String] = []
    /// Unit of the times that packets get.
    let timeBase: Rational
    /// Whether frames are repeated and left out to come at the rate.
    let isSampled: Bool

    private let stream: VideoStreamInfo
    private let holder: String?  // what holds no times of its own
    private let gap: Double
    private let url: String
    private var times: [Int64: Time] = [:]
    private var origin: Int64?
    private var last = Int64.min
    private var count: Int64 = 0
    private var lastEnd = 0.0
    private var isUneven = false
    private var said = false

    private struct Time {
        let pts: Int64
        let duration: Int64
    }

    /// The clock of an output; `gap` is the longest time, in seconds, that is filled with frames.
    init(_ stream: VideoStreamInfo, _ target: OutputTarget, gap: Double, url: String) {
        (self.stream, self.url) = (stream, url)
        self.gap = gap
        let rates = OutputRates(target)
        let own = stream.frameRate ?? Rational(25, 1)
        let found = rates.nearest(own)
        holder = rates.constant
        rate = found.rate
        isSampled = found.note != nil
        if holder != nil {
            timeBase = Rational(rate.denominator, rate.numerator)
        } else {
            timeBase = FrameClock.unit(stream, rate)
        }
        if let note = found.note {
            notes = [note]
        } else if stream.isVariable, let holder {
            notes = [FrameClock.lost(holder, rate)]
            said = true
        }
    }

    private static func lost(_ holder: String, _ rate: Rational) -> String {
        "the times of frames are lost: they come at a variable rate, and \(holder) has one rate: "
            + "\(rate) frames/s, their mean (--sample-fps RATE chooses frames by time)"
    }

    /// The input's own unit where it counts whole frames, else a fine one that does.
    private static func unit(_ stream: VideoStreamInfo, _ rate: Rational) -> Rational {
        let (base, perFrame) = (stream.timeBase, Int64(rate.denominator))
        let isExact =
            perFrame * Int64(base.denominator) % (Int64(rate.numerator) * Int64(base.numerator))
            == 0
        if isExact || stream.isVariable { return base }
        var ticks = rate.numerator
        while ticks < 10000 { ticks *= 2 }
        return Rational(1, ticks)
    }

    // MARK: - Frames

    /// A frame comes.
    ///
    /// - Returns: how often the frame before is shown again, where frames are repeated and left out.
    mutating func take(_ pts: Int64, _ duration: Int64) throws(VideoIOError) -> Int {
        let start = origin ?? pts
        origin = start
        let (base, interval) = (stream.timeBase.av, av_inv_q(rate.av))
        let passed = pts &- start
        let seconds = Double(passed) * stream.timeBase.value
        defer {
            let known = duration > 0 ? Double(duration) * stream.timeBase.value : 0
            lastEnd = seconds + (known > 0 ? known : 1 / (stream.frameRate ?? rate).value)
        }
        if isSampled { return try slots(until: seconds) }
        let index = count
        count += 1
        if holder != nil {
            if abs(seconds * rate.value - Double(index)) > 0.5 { isUneven = true }
            return 0
        }
        let unit = timeBase.av
        var time = av_rescale_q(pts, base, unit)
        var length = av_rescale_q(duration, base, unit)
        if !stream.isVariable {
            // Containers round times to their unit: what lies a tick beside its place is put there.
            let frames = av_rescale_q(passed, base, interval)
            if abs(av_rescale_q(frames, interval, base) &- passed) <= 1 {
                time = av_rescale_q(start, base, unit) &+ av_rescale_q(frames, interval, unit)
            }
            if duration <= 0 || abs(av_rescale_q(1, interval, base) &- duration) <= 1 {
                length = av_rescale_q(1, interval, unit)
            }
        }
        if time <= last { time = last &+ 1 }
        last = time
        times[index] = Time(pts: time, duration: max(length, 0))
        return 0
    }

    /// The frame before is shown until a moment, a twentieth of an interval early: containers round.
    private mutating func slots(until seconds: Double) throws(VideoIOError) -> Int {
        let wanted = (seconds * rate.value - 0.05).rounded(.up) - Double(count)
        if wanted > gap * rate.value + 1 {
            throw .badInput(
                url: url,
                problem: "expected at most \(gap) s from one frame to the next (--max-gap), which "
                    + "frames are repeated for, found \((wanted / rate.value).rounded())")
        }
        return Int(max(wanted, 0))
    }

    /// How often the last frame is shown again at the end.
    mutating func finish() throws(VideoIOError) -> Int {
        if isSampled { return try max(slots(until: lastEnd), count == 0 ? 1 : 0) }
        if isUneven, !said, let holder { notes.append(FrameClock.lost(holder, rate)) }
        return 0
    }

    /// The number of the next frame that is encoded.
    mutating func number() -> Int64 {
        if !isSampled { return count - 1 }
        defer { count += 1 }
        return count
    }

    /// Whether anything was taken.
    var hasBegun: Bool { origin != nil }

    /// How far a container without times moves the start: what runs beside the frames moves with it.
    func shift(in unit: AVRational) -> Int64 {
        guard holder != nil, let origin else { return 0 }
        return av_rescale_q(origin, stream.timeBase.av, unit)
    }

    /// Where a container counts from the first frame: what ends before it is left out, and what
    /// begins before it begins with it.
    func keep(_ packet: UnsafeMutablePointer<AVPacket>) -> Bool {
        guard holder != nil, packet.pointee.pts != vt_no_pts, packet.pointee.pts < 0 else {
            return true
        }
        if packet.pointee.pts &+ packet.pointee.duration <= 0 { return false }
        (packet.pointee.pts, packet.pointee.dts) = (0, 0)
        return true
    }

    // MARK: - Packets

    /// Gives a packet, numbered by its encoder, its times in `timeBase`.
    mutating func stamp(_ packet: UnsafeMutablePointer<AVPacket>) {
        let number = packet.pointee.pts
        let decoded = packet.pointee.dts == vt_no_pts ? number : packet.pointee.dts
        if holder != nil {
            packet.pointee.duration = 1
            packet.pointee.dts = decoded
            return
        }
        packet.pointee.pts = time(number)
        packet.pointee.dts = time(decoded)
        packet.pointee.duration = times[number]?.duration ?? 0
        forget(before: decoded)
    }

    private var oldest: Int64 = 0

    /// When a frame is shown; before the first, as much earlier as its number says.
    private func time(_ number: Int64) -> Int64 {
        if let known = times[number] { return known.pts }
        let interval = av_rescale_q(1, av_inv_q(rate.av), timeBase.av)
        if let first = times[oldest], number < oldest {
            return first.pts &- (oldest - number) * max(interval, 1)
        }
        return last
    }

    private mutating func forget(before number: Int64) {
        while oldest < number, times[oldest + 1] != nil {
            times[oldest] = nil
            oldest += 1
        }
    }
}

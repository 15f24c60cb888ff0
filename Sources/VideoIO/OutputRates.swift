import CFFmpeg

/// The frame rates that a container and its encoder take.
struct OutputRates {
    /// What holds frames at one rate only, for messages; nil where each frame has its own time.
    let constant: String?
    private let allowed: [Rational]?  // all where nil
    private let fractions: Bool  // with MPEG-2's extension: up to 4/32 of each
    private let holder: String

    init(_ target: OutputTarget) {
        let id = target.codec.pointee.id
        let codecName = avcodec_get_name(id).map { String(cString: $0) } ?? "?"
        let name = target.name
        let isMPEG = id == AV_CODEC_ID_MPEG1VIDEO || id == AV_CODEC_ID_MPEG2VIDEO
        let fixedCodec = isMPEG || id == AV_CODEC_ID_DVVIDEO
        if fixedCodec {
            constant = codecName
        } else if OutputRates.timed.contains(name)
            || target.format.pointee.flags & AVFMT_VARIABLE_FPS != 0
        {
            constant = nil
        } else {
            constant = name
        }
        if OutputRates.broadcast.contains(name) {
            (allowed, fractions, holder) = (OutputRates.mpeg, false, name)
        } else if isMPEG {
            (allowed, fractions) = (OutputRates.mpeg, id == AV_CODEC_ID_MPEG2VIDEO)
            holder = codecName
        } else {
            allowed = OutputRates.list(target.codec)
            (fractions, holder) = (false, codecName)
        }
    }

    /// Containers that give each frame its time, though their flags do not say so.
    private static let timed: Set<String> = [
        "mp4", "mov", "3gp", "3g2", "ipod", "psp", "ismv", "f4v", "asf", "asf_stream", "ivf",
    ]

    /// Containers that take broadcasters' rates only.
    private static let broadcast: Set<String> = ["mxf", "mxf_d10", "mxf_opatom", "gxf"]

    /// MPEG's table.
    private static let mpeg: [Rational] = [
        Rational(24000, 1001), Rational(24, 1), Rational(25, 1), Rational(30000, 1001),
        Rational(30, 1), Rational(50, 1), Rational(60000, 1001), Rational(60, 1),
    ]

    private static func list(_ codec: UnsafePointer<AVCodec>) -> [Rational]? {
        guard var entry = vt_frame_rates(codec) else { return nil }
        var rates: [Rational] = []
        while entry.pointee.num > 0, entry.pointee.den > 0 {
            rates.append(Rational(entry.pointee))
            entry += 1
        }
        return rates.isEmpty ? nil : rates
    }

    /// The rate for frames that come at `rate`: it, or a multiple, or the nearest.
    ///
    /// - Returns: the rate, and a sentence where frames are repeated or left out for it.
    func nearest(_ rate: Rational) -> (rate: Rational, note: String?) {
        guard let allowed else { return (rate, nil) }
        let candidates =
            fractions
            ? allowed.flatMap { base in
                (1...4).flatMap { n in
                    (1...32).map { d in base.times(Int32(n), Int32(d)) }
                }
            } : allowed
        // A ten-thousandth is rounding: 23.976 for 24000/1001.
        let own = candidates.min { abs($0.value - rate.value) < abs($1.value - rate.value) }
        if let own, abs(own.value - rate.value) < 5e-5 * rate.value { return (own, nil) }
        let multiples = allowed.filter {
            let factor = $0.value / rate.value
            return factor > 1 && abs(factor - factor.rounded()) < 1e-4
        }
        let higher = allowed.filter { $0.value > rate.value }
        let best =
            multiples.min { $0.value < $1.value } ?? higher.min { $0.value < $1.value }
            ?? allowed.max { $0.value < $1.value } ?? rate
        let what = best.value > rate.value ? "repeated" : "left out"
        return (
            best,
            "\(holder) has no \(rate) frames/s: written at \(best), for which frames are \(what)"
        )
    }
}

extension Rational {
    fileprivate func times(_ numerator: Int32, _ denominator: Int32) -> Rational {
        Rational(
            av_mul_q(av, AVRational(num: numerator, den: denominator)))
    }
}

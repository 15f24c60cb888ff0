import LatentIO
import VideoIO

extension LatentInfo {
    /// The rate that the times of the clip have.
    private func meanRate(_ base: Rational) -> Rational? {
        guard let first = pts.first, let last = pts.last, last > first else { return nil }
        return Rational(
            frameRate: "\(Double(pts.count - 1) / (Double(last - first) * base.value))")
    }

    /// The video that the latents are of, in the model's size.
    func stream(_ modelSize: PictureSize, place: String) throws -> VideoStreamInfo {
        let source = PictureSize(width: width, height: height)
        guard let fit = Fit(rawValue: fit), fit != .tile else {
            throw LatentError.malformed(
                place: place, expected: "fit crop, pad or stretch", found: String(fit.prefix(60)))
        }
        let size = fit.restoredSize(of: source, model: modelSize)
        func malformed(_ expected: String, _ found: String) -> LatentError {
            .malformed(place: place, expected: expected, found: String(found.prefix(60)))
        }
        guard let base = Rational(timeBase), base.numerator > 0 else {
            throw malformed("timeBase as a ratio above 0", timeBase)
        }
        guard let aspect = Rational(sampleAspect), aspect.numerator >= 0 else {
            throw malformed("sampleAspect as a ratio", sampleAspect)
        }
        let frameRate = rate.flatMap { Rational($0) }
        if let rate, frameRate.map({ $0.numerator <= 0 }) ?? true {
            throw malformed("rate as a ratio above 0, or null", rate)
        }
        do {
            var stream = try VideoStreamInfo(
                format: "yuv4mpegpipe", size: size, pixelFormat: pixelFormat, timeBase: base,
                frameRate: frameRate ?? meanRate(base), sampleAspect: aspect,
                colors: (colorSpace, colorRange))
            (stream.marks.chromaLocation, stream.marks.primaries) = (chromaLocation, colorPrimaries)
            (stream.marks.transfer, stream.marks.masteringDisplay) = (
                colorTransfer, masteringDisplay
            )
            stream.marks.contentLight = contentLight
            return stream
        } catch {  // sizes and pixel formats that are none
            throw malformed("a video's size, pixel format and times", "\(error)")
        }
    }
}

package import VidTwin
package import VideoIO

/// Clips side by side as a video, one clip after the other.
package enum ComparisonVideo {
    /// Writes what is shown from left to right: clips `[B, T, H, W, 3]` in −1…1, all of one shape.
    ///
    /// - Throws: `VideoIOError`; no file is left then.
    package static func write(
        _ sides: [Tensor], rate: Rational, to path: String
    ) throws(VideoIOError) {
        guard let first = sides.first else { return }
        let (B, T, H, W, _) = first.shape5
        let size = PictureSize(width: sides.count * W, height: H)
        let stream = try VideoStreamInfo(
            format: "rawvideo", size: size,
            pixelFormat: size.width % 2 + H % 2 == 0 ? "yuv420p" : "yuv444p",
            timeBase: Rational(rate.denominator, rate.numerator), frameRate: rate,
            sampleAspect: Rational(1, 1), colors: (space: 2, range: 1))
        var options = OutputOptions(url: path)
        options.format = "mp4"
        options.overwrite = true
        let writer = try VideoWriter(options, like: stream, size: size)
        let values = sides.map(\.values)
        do {
            for frame in 0..<B * T {
                var bytes: [UInt8] = []
                bytes.reserveCapacity(H * size.width * 3)
                for y in 0..<H {
                    for side in values {
                        let row = (frame * H + y) * W * 3
                        for value in side[row..<row + W * 3] { bytes.append(shownSample(value)) }
                    }
                }
                try writer.write(
                    RGBFrame(
                        width: size.width, height: H, depth: .eight, bytes: bytes,
                        pts: Int64(frame), duration: 1))
            }
            try writer.finish()
        } catch {
            writer.abandon()
            throw error
        }
    }
}

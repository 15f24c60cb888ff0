import LatentIO

/// Whether the clips of a stream of latents follow each other as those of one video do.
struct ClipOrder {
    private var next: Int?  // index of the next frame of the video
    private var nextTime = Int64.min

    /// - Throws: `LatentError.malformed` for more frames than a clip has, or times that go back.
    func check(_ sample: LatentSample, frames: Int) throws {
        let info = sample.info
        func malformed(_ expected: String, _ found: String) -> LatentError {
            .malformed(place: sample.key, expected: expected, found: found)
        }
        if info.validFrames > frames {
            throw malformed("at most \(frames) frames, as a clip has", "\(info.validFrames)")
        }
        let known = self.known(info)
        if known < info.validFrames, info.pts[known] < nextTime {
            throw malformed("a time after that of the frame before", "\(info.pts[known])")
        }
    }

    /// How many frames of a clip the clips before had.
    func known(_ info: LatentInfo) -> Int { max((next ?? info.firstFrame) - info.firstFrame, 0) }

    /// A clip was taken. Frames that are missing before it are said.
    mutating func took(_ sample: LatentSample) {
        let info = sample.info
        if let next, info.firstFrame > next {
            Log.warning(
                "\(sample.key): frames \(next) to \(info.firstFrame - 1) are missing before it")
        }
        next = max(next ?? 0, info.firstFrame + info.validFrames)
        nextTime = max(nextTime, (info.pts.last ?? nextTime - 1) + 1)
    }
}

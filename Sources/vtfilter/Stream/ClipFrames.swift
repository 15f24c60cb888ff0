import LatentIO
import VidTwin
import VideoIO

/// Decoded clips as frames with the times that their latents remember. Where clips share frames
/// (`encode --stride`), one fades into the next as `reconstruct --overlap` does it.
struct ClipFrames {
    /// A frame that was not given yet.
    private struct Time {
        let index: Int
        let pts: Int64
        var duration: Int64
    }

    private let depth: SampleDepth
    private let constantRate: Bool
    private var order = ClipOrder()
    private var fade = CrossFade()
    private var times: [Time] = []
    private var given = 0
    private var next = Int.min  // index of the first frame of the video that was not given

    /// Frames of a depth; with a constant rate, their times count them.
    init(depth: SampleDepth, constantRate: Bool) {
        (self.depth, self.constantRate) = (depth, constantRate)
    }

    /// Takes a clip `[1, frames, height, width, 3]` and returns the frames that no further clip has.
    ///
    /// - Throws: `LatentError.malformed` for a clip that does not follow the one before.
    mutating func take(_ clip: Tensor, _ sample: LatentSample) throws -> [RGBFrame] {
        let info = sample.info
        try order.check(sample, frames: clip.dim(1))
        order.took(sample)
        for t in 0..<info.validFrames where info.firstFrame + t >= next {
            let index = info.firstFrame + t
            let isLast = t == info.validFrames - 1
            let duration = isLast ? info.lastDuration : info.pts[t + 1] - info.pts[t]
            if let known = times.firstIndex(where: { $0.index == index }) {
                times[known].duration = duration
            } else {
                times.append(Time(index: index, pts: info.pts[t], duration: duration))
            }
        }
        return frames(
            fade.take(
                clip, first: info.firstFrame, valid: info.validFrames, stride: info.stride))
    }

    /// The frames that were held for a clip that did not come.
    mutating func finish() -> [RGBFrame] { frames(fade.finish()) }

    private mutating func frames(_ runs: [CrossFade.Run]) -> [RGBFrame] {
        var frames: [RGBFrame] = []
        for run in runs {
            let depths = Array(repeating: depth.samples, count: run.frames.count)
            for (picture, time) in zip(run.pictures(depths: depths), times) {
                frames.append(
                    RGBFrame(
                        picture, pts: constantRate ? Int64(given) : time.pts,
                        duration: constantRate ? 1 : time.duration))
                given += 1
                next = time.index + 1
            }
            times.removeFirst(min(run.frames.count, times.count))
        }
        return frames
    }
}

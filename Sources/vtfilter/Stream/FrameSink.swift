import LatentIO
import VidTwin
import VideoIO

/// Writes decoded clips with the times that their latents remember. Where clips share frames
/// (`encode --stride`), one fades into the next as `reconstruct --overlap` does it.
final class FrameSink {
    /// A frame that the next clip may have too.
    private struct Held {
        let index: Int
        let pts: Int64
        var duration: Int64
        var values: [Float]
    }

    let writer: VideoWriter
    private let depth: SampleDepth
    private let constantRate: Bool
    private var order = ClipOrder()
    private var held: [Held] = []
    private var written = 0
    private var next = Int.min  // index of the first frame of the video that is not written

    init(writer: VideoWriter, depth: SampleDepth, constantRate: Bool) {
        (self.writer, self.depth, self.constantRate) = (writer, depth, constantRate)
    }

    /// Takes a clip `[1, frames, height, width, 3]`, writes the frames that no further clip has, and
    /// returns how many.
    func write(_ clip: Tensor, _ sample: LatentSample, _ model: VidTwinModel) throws -> Int {
        let info = sample.info
        try order.check(sample, frames: model.configuration.frames)
        order.took(sample)
        var count = try flush(before: info.firstFrame, model)
        let frame = clip.count / clip.dim(1)
        let shared = held.count
        for t in 0..<info.validFrames where info.firstFrame + t >= next {
            let index = info.firstFrame + t
            let isLast = t == info.validFrames - 1
            let duration = isLast ? info.lastDuration : info.pts[t + 1] - info.pts[t]
            clip.withPointer { values in
                let new = UnsafeBufferPointer(start: values + t * frame, count: frame)
                if let k = held.firstIndex(where: { $0.index == index }) {
                    let weight = Float(k + 1) / Float(shared + 1)
                    for i in 0..<frame {
                        held[k].values[i] += weight * (new[i] - held[k].values[i])
                    }
                    held[k].duration = duration
                } else {
                    held.append(
                        Held(
                            index: index, pts: info.pts[t], duration: duration,
                            values: Array(new)))
                }
            }
        }
        count += try flush(before: info.firstFrame + info.stride, model)
        return count
    }

    /// Writes what was held for a clip that did not come, and returns how many frames.
    func finish(_ model: VidTwinModel) throws -> Int { try flush(before: Int.max, model) }

    private func flush(before index: Int, _ model: VidTwinModel) throws -> Int {
        let ready = held.prefix { $0.index < index }
        guard let last = ready.last else { return 0 }
        let c = model.configuration
        let pictures = try model.pictures(
            Tensor(
                [1, ready.count, c.height, c.width, 3], ready.flatMap(\.values), on: model.device),
            count: ready.count,
            depths: Array(repeating: depth == .eight ? .eight : .sixteen, count: ready.count))
        for (frame, picture) in zip(ready, pictures) {
            try writer.write(
                RGBFrame(
                    width: c.width, height: c.height, depth: depth, bytes: picture.bytes,
                    pts: constantRate ? Int64(written) : frame.pts,
                    duration: constantRate ? 1 : frame.duration))
            written += 1
        }
        held.removeFirst(ready.count)
        next = last.index + 1
        return ready.count
    }
}

/// Puts the frames of decoded clips in a row. Where clips share frames, the end of one fades into
/// the beginning of the next; nothing is copied for that.
package struct CrossFade {
    /// Frames of one clip, side by side.
    package struct Run {
        /// `[1, T, height, width, 3]`, not limited.
        let clip: Tensor
        /// Which of its frames.
        package let frames: Range<Int>
        /// The number of the first of them in the stream.
        let first: Int
        var end: Int { first + frames.count }

        /// The frames as pictures, of these depths.
        package func pictures(depths: [Picture.Depth]) -> [Picture] {
            clip.pictures(frames, depths: depths)
        }

        /// The frames before one of the stream, and the others.
        func parted(at index: Int) -> (before: Run, after: Run) {
            let count = min(max(index - first, 0), frames.count)
            let middle = frames.lowerBound + count
            return (
                Run(clip: clip, frames: frames.lowerBound..<middle, first: first),
                Run(clip: clip, frames: middle..<frames.upperBound, first: first + count)
            )
        }
    }

    /// Frames that the next clip may have too, without a gap.
    private var held: [Run] = []
    /// The number behind the last frame that was given.
    private var next = Int.min

    /// At the start of a stream.
    package init() {}

    /// Takes a clip `[1, T, height, width, 3]` and blends its beginning in place. It has `valid`
    /// frames, from number `first` of the stream on; the clip after it begins `stride` frames later.
    ///
    /// - Returns: the frames that no further clip has.
    package mutating func take(
        _ clip: Tensor, first: Int, valid: Int, stride: Int
    ) -> [Run] {
        let missed = give(before: first)
        let start = max(next, first)
        if start - first < valid {
            let new = Run(clip: clip, frames: start - first..<valid, first: start)
            fade(into: new)
            held = [new] + held.map { $0.parted(at: new.end).after }.filter { !$0.frames.isEmpty }
        }
        return missed + give(before: first + stride)
    }

    /// The frames that were held for a clip that does not come.
    package mutating func finish() -> [Run] { give(before: .max) }

    private mutating func give(before index: Int) -> [Run] {
        let parts = held.map { $0.parted(at: index) }
        let ready = parts.map(\.before).filter { !$0.frames.isEmpty }
        held = parts.map(\.after).filter { !$0.frames.isEmpty }
        next = ready.last?.end ?? next
        return ready
    }

    /// Blends the frames that are held into those of the same number.
    private func fade(into new: Run) {
        let frame = new.clip.count / new.clip.dim(1)
        let shared = held.reduce(0) { $0 + $1.frames.count }
        var place = 0
        for old in held {
            for t in old.frames {
                place += 1
                let target =
                    new.frames.lowerBound + old.first + t - old.frames.lowerBound - new.first
                guard new.frames.contains(target) else { continue }
                let weight = Float(place) / Float(shared + 1)
                old.clip.withPointer { old in
                    new.clip.withPointer { new in
                        let (before, values) = (old + t * frame, new + target * frame)
                        for i in 0..<frame {
                            values[i] = before[i] + weight * (values[i] - before[i])
                        }
                    }
                }
            }
        }
    }
}

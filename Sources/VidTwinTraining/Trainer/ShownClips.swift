package import VidTwin

/// A clip of a validation, for people to look at.
package struct ShownClip {
    /// The video's name.
    package let name: String
    /// Means over its frames.
    package let psnr, ssim: Double
    /// `[1, T, H, W, 3]` in −1…1: the input, and what the model makes of it.
    package let pictures: [(name: String, clips: Tensor)]
}

/// The clips of a validation that came out best and worst.
package struct ShownClips {
    /// From the lowest PSNR on.
    package var worst: [ShownClip] = []
    /// From the highest PSNR on.
    package var best: [ShownClip] = []

    package init() {}
}

/// Keeps the clips of a validation with the highest and the lowest PSNR while they come.
package struct ClipExtremes {
    private struct Candidate {
        let name: String
        let psnr, ssim: Double
        let clip: Tensor
    }

    /// How many of each are kept.
    package static let shown = 2

    private var seen = 0
    private var worst: [Candidate] = []
    private var best: [Candidate] = []

    package init() {}

    /// Looks at a clip of a batch `[B, T, H, W, 3]`, whose frames have these scores.
    package mutating func look(
        at index: Int, of batch: Tensor, name: String, _ scores: some Collection<FrameScore>
    ) {
        guard !scores.isEmpty else { return }
        let psnr = scores.reduce(0) { $0 + $1.psnr } / Double(scores.count)
        let ssim = scores.reduce(0) { $0 + $1.ssim } / Double(scores.count)
        if psnr.isNaN { return }
        seen += 1
        let isWorse = worst.count < ClipExtremes.shown || psnr < worst[worst.count - 1].psnr
        let isBetter = best.count < ClipExtremes.shown || psnr > best[best.count - 1].psnr
        guard isWorse || isBetter else { return }
        let shape = [1] + batch.shape.dropFirst()
        let count = shape.reduce(1, *)
        let clip = Tensor(
            shape, Array(batch.values[index * count..<(index + 1) * count]), on: batch.device)
        let candidate = Candidate(name: name, psnr: psnr, ssim: ssim, clip: clip)
        func put(_ list: inout [Candidate], _ isBefore: (Double, Double) -> Bool) {
            let place = list.firstIndex { isBefore(candidate.psnr, $0.psnr) } ?? list.count
            list.insert(candidate, at: place)
            list = Array(list.prefix(ClipExtremes.shown))
        }
        if isWorse { put(&worst) { $0 < $1 } }
        if isBetter { put(&best) { $0 > $1 } }
    }

    /// The kept clips with what the model makes of them now; of few clips each is shown once.
    ///
    /// - Throws: what the computation throws.
    package func shown(by computation: any BatchComputation) throws -> ShownClips {
        func show(_ candidates: some Sequence<Candidate>) throws -> [ShownClip] {
            try candidates.map { one in
                ShownClip(
                    name: one.name, psnr: one.psnr, ssim: one.ssim,
                    pictures: try computation.samples(of: one.clip).clips.map {
                        ($0.name, $0.values)
                    }
                )
            }
        }
        var clips = ShownClips()
        let (low, high) = (min(seen / 2, worst.count), min((seen + 1) / 2, best.count))
        clips.worst = try show(worst.prefix(low))
        clips.best = try show(best.prefix(high))
        return clips
    }
}

package import VidTwin

/// Means of a validation's terms over its clips.
package struct ValidationResult {
    /// By names of the log, without what stands before them.
    package var terms: [String: Double] = [:]
    /// Clips.
    package var clips = 0
    /// The best and the worst of them.
    package var extremes = ClipExtremes()
}

/// Computes a validation.
package struct Validation {
    package let data: ValidationData
    package let computation: any BatchComputation
    package let device: Device

    package init(_ data: ValidationData, _ computation: any BatchComputation, on device: Device) {
        (self.data, self.computation, self.device) = (data, computation, device)
    }

    /// The means over at most `batches` batches, or nil where `isStopped` said so meanwhile.
    ///
    /// - Throws: the errors of reading and computing.
    package func run(
        batches: Int? = nil, active: (generator: Bool, discriminator: Bool),
        unreadable: (String, String) throws -> Void, isStopped: () -> Bool
    ) throws -> ValidationResult? {
        let evaluator = Evaluator(device: device, lpips: nil)
        var (sums, counts): ([String: Double], [String: Double]) = ([:], [:])
        var (clips, stopped, extremes) = (0, false, ClipExtremes())
        try data.each(batches: batches, on: device, unreadable: unreadable) { batch, names in
            let count = batch.dim(0)
            let (terms, reconstruction) = try computation.validate(
                batch, generatorActive: active.generator,
                discriminatorActive: active.discriminator)
            for (name, value) in terms {
                sums[name, default: 0] += value * Double(count)
                counts[name, default: 0] += Double(count)
            }
            let scores = try? evaluator.scores(frames(batch), frames(reconstruction))
            for score in scores ?? [] {
                for (name, value) in [("psnr", score.psnr), ("ssim", score.ssim)] {
                    sums[name, default: 0] += value
                    counts[name, default: 0] += 1
                }
            }
            if let scores {
                let frames = batch.dim(1)
                for (index, name) in names.enumerated() {
                    let own = scores[index * frames..<(index + 1) * frames]
                    extremes.look(at: index, of: batch, name: name, own)
                }
            }
            clips += count
            stopped = isStopped()
            return !stopped
        }
        if stopped { return nil }
        return ValidationResult(
            terms: sums.reduce(into: [:]) { $0[$1.key] = $1.value / (counts[$1.key] ?? 1) },
            clips: clips, extremes: extremes)
    }

    /// Clips `[B, T, H, W, 3]` as frames in 0…1.
    private func frames(_ clips: Tensor) -> [MetricFrame] {
        let (B, T, H, W, _) = clips.shape5
        let values = clips.values
        return (0..<B * T).map { t in
            let frame = values[t * H * W * 3..<(t + 1) * H * W * 3]
            return MetricFrame(
                height: H, width: W, values: frame.map { (min(max($0, -1), 1) + 1) / 2 })
        }
    }
}

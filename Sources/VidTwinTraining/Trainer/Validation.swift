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
    /// Those that have the other parts of the set.
    private let processes: Processes?

    package init(
        _ data: ValidationData, _ computation: any BatchComputation,
        processes: Processes? = nil, on device: Device
    ) {
        (self.data, self.computation, self.device) = (data, computation, device)
        self.processes = processes
    }

    /// The means over at most `batches` batches, or nil where `isStopped` said so meanwhile.
    ///
    /// - Throws: the errors of reading and computing; `TrainingError.data` where nothing could be read.
    package func run(
        batches: Int? = nil, active: (generator: Bool, discriminator: Bool),
        unreadable: (String, String) throws -> Void, isStopped: () -> Bool
    ) throws -> ValidationResult? {
        let evaluator = Evaluator(device: device, lpips: nil)
        var (sums, counts): ([String: Double], [String: Double]) = ([:], [:])
        var (clips, stopped, extremes) = (0, false, ClipExtremes())
        var missed: [(name: String, problem: String)] = []
        func miss(_ name: String, _ problem: String) throws {
            if processes == nil {
                try unreadable(name, problem)
            } else {
                missed.append((name, problem))
            }
        }
        try data.each(batches: batches, on: device, unreadable: miss) { batch, names in
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
        if let processes {
            stopped = processes.any(stopped)
            try extremes.join(processes, on: device)
            (sums, counts, clips) = try shared(sums, counts, clips, processes)
            let words = missed.map { "\($0.name)\0\($0.problem)" }.joined(separator: "\0\0")
            for bytes in try processes.exchange(Array(words.utf8)) where !bytes.isEmpty {
                let parts = String(decoding: bytes, as: UTF8.self)
                    .split(separator: "\0").map(String.init)
                for i in stride(from: 0, to: parts.count - 1, by: 2) {
                    try unreadable(parts[i], parts[i + 1])
                }
            }
        }
        if stopped { return nil }
        // Of a few batches none may be readable; of all of them one must.
        if clips == 0, data.isWhole(batches) {
            processes?.failTogether()
            throw TrainingError.data(
                "\(data.list.place): no video of the validation could be read")
        }
        return ValidationResult(
            terms: sums.reduce(into: [:]) { $0[$1.key] = $1.value / (counts[$1.key] ?? 1) },
            clips: clips, extremes: extremes)
    }

    /// Sums and counts of all processes, some of which may have had no clip.
    private func shared(
        _ sums: [String: Double], _ counts: [String: Double], _ clips: Int, _ processes: Processes
    ) throws -> ([String: Double], [String: Double], Int) {
        let texts = try processes.exchange(Array(sums.keys.sorted().joined(separator: " ").utf8))
        let names = Set(
            texts.flatMap {
                String(decoding: $0, as: UTF8.self).split(separator: " ").map(String.init)
            }
        ).sorted()
        let all = processes.sum(
            names.map { sums[$0] ?? 0 } + names.map { counts[$0] ?? 0 } + [Double(clips)])
        func pairs(_ first: Int) -> [String: Double] {
            Dictionary(uniqueKeysWithValues: zip(names, all[first..<first + names.count]))
        }
        return (pairs(0), pairs(names.count), Int(all[2 * names.count]))
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

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
        if isWorse { put(candidate, into: &worst) { $0 < $1 } }
        if isBetter { put(candidate, into: &best) { $0 > $1 } }
    }

    private func put(
        _ candidate: Candidate, into list: inout [Candidate], _ isBefore: (Double, Double) -> Bool
    ) {
        let place = list.firstIndex { isBefore(candidate.psnr, $0.psnr) } ?? list.count
        list.insert(candidate, at: place)
        list = Array(list.prefix(ClipExtremes.shown))
    }

    /// Makes them those of all processes, each of which saw a part of the validation.
    mutating func join(_ processes: Processes, on device: Device) throws {
        func padded(_ list: [Candidate], _ none: Double) -> [Double] {
            list.map(\.psnr) + Array(repeating: none, count: ClipExtremes.shown - list.count)
        }
        let all = processes.gather(
            padded(worst, .infinity) + padded(best, -.infinity) + [Double(seen)])
        let shown = ClipExtremes.shown
        let low = all.flatMap { $0[..<shown] }.sorted()[shown - 1]
        let high = all.flatMap { $0[shown..<2 * shown] }.sorted(by: >)[shown - 1]
        seen = all.reduce(0) { $0 + Int($1[2 * shown]) }
        let parts =
            worst.filter { $0.psnr <= low }.map { Message($0, isWorst: true) }
            + best.filter { $0.psnr >= high }.map { Message($0, isWorst: false) }
        (worst, best) = ([], [])
        for bytes in try processes.exchange(parts.flatMap(\.bytes)) {
            var rest = bytes[...]
            while let (candidate, isWorst) = Message.take(&rest, on: device) {
                if isWorst {
                    put(candidate, into: &worst) { $0 < $1 }
                } else {
                    put(candidate, into: &best) { $0 > $1 }
                }
            }
        }
    }

    /// A candidate on its way to other processes: a line of words, and its pixels as they were read.
    private struct Message {
        let bytes: [UInt8]

        init(_ one: Candidate, isWorst: Bool) {
            let words =
                [isWorst ? "worst" : "best", "\(one.psnr)", "\(one.ssim)"]
                + one.clip.shape.map { "\($0)" }
                + [one.name.split(separator: "\n").joined(separator: " ")]
            bytes =
                Array(words.joined(separator: "\0").utf8) + [10]
                + one.clip.values.map { UInt8(max(0, min((($0 + 1) * 127.5).rounded(), 255))) }
        }

        /// The first of those that are left.
        static func take(
            _ rest: inout ArraySlice<UInt8>, on device: Device
        ) -> (Candidate, isWorst: Bool)? {
            guard let end = rest.firstIndex(of: 10) else { return nil }
            let words = String(decoding: rest[..<end], as: UTF8.self)
                .split(separator: "\0", omittingEmptySubsequences: false).map(String.init)
            guard words.count == 9, let psnr = Double(words[1]), let ssim = Double(words[2])
            else { return nil }
            let shape = words[3..<8].compactMap { Int($0) }
            let count = shape.reduce(1, *)
            guard shape.count == 5, rest.count >= end + 1 - rest.startIndex + count else {
                return nil
            }
            let clip = Tensor(shape, on: device)
            unitPixels(Array(rest[end + 1..<end + 1 + count]), into: clip, at: 0)
            rest = rest[(end + 1 + count)...]
            return (
                Candidate(name: words[8], psnr: psnr, ssim: ssim, clip: clip),
                words[0] == "worst"
            )
        }
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

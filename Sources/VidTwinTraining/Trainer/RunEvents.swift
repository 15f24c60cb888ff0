import TensorFiles
package import VidTwin
package import VideoIO

/// What a run shows beside its numbers: TensorBoard's event file and W&B's log, pictures of clips,
/// histograms.
package final class RunEvents {
    /// When pictures and histograms come, and of what.
    package struct Pictures: Equatable, Sendable {
        /// In batches; none where nil.
        package var every: Int? = 5000
        /// Clips of a picture.
        package var clips = 2
        /// Frames side by side.
        package var columns = 2
        /// Of the clips, for their video.
        package var rate = Rational(8, 1)

        package init() {}
    }

    private let events: EventFile?
    private let wandb: WandbRun?
    private let folder: RunFolder
    private let pictures: Pictures
    /// The clips before those of a picture: for the dynamics of another.
    private var others: Tensor?

    /// Writes for TensorBoard and to a run of W&B's, where they are wanted.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    package init(
        _ folder: RunFolder, _ pictures: Pictures, writesEvents: Bool, wandb: WandbRun?
    ) throws {
        (self.folder, self.pictures, self.wandb) = (folder, pictures, wandb)
        events = writesEvents ? try EventFile(in: "\(folder.path)/tensorboard") : nil
    }

    /// The program ends, with this status.
    package func finish(status: Int) throws { try wandb?.finish(status: status) }

    private func write(_ step: Int, _ values: [(String, Double)]) throws {
        try events?.write(step: step, values.map { ($0.0, .scalar($0.1)) })
        try wandb?.add(step: step, values)
    }

    /// Whether pictures are made when so many batches are done.
    private func isDue(_ done: Int) -> Bool { pictures.every.map { done % $0 == 0 } ?? false }

    /// Adds the terms of a batch, as the log has them, by the names of the reference's run.
    package func batch(_ done: Int, epoch: Int, _ terms: [(String, Double)]) throws {
        try write(
            done,
            terms.map { name, value in
                let isOurs = TermNames.ours.contains(String(name.dropFirst("train/".count)))
                let isTerm = name.hasPrefix("train/") && !isOurs
                return (isTerm ? "\(name)_step" : name, value)
            } + [("epoch", Double(epoch))])
    }

    /// Adds the means of an epoch.
    package func epoch(_ done: Int, _ means: [(String, Double)]) throws {
        try write(done, means.map { ("\($0.0)_epoch", $0.1) })
    }

    /// Adds a validation.
    package func validation(_ done: Int, _ terms: [(String, Double)]) throws {
        try write(
            done,
            terms.map { name, value in
                let isScore = name.hasSuffix("/psnr") || name.hasSuffix("/ssim")
                return (isScore ? "\(name)_epoch" : name, value)
            })
    }

    /// Adds pictures and histograms where it is time for them: after a batch, while its gradients are
    /// there.
    ///
    /// - Throws: `CheckpointError.unwritable`, and where the libraries fail.
    package func look(
        at clips: Tensor, after state: RunState, _ computation: any BatchComputation
    ) throws {
        defer { others = isDue(state.batch + 1) ? clips : nil }
        guard isDue(state.batch) else { return }
        let shown = pairs(clips)
        let samples = try computation.samples(of: shown)
        for (name, clips) in samples.clips {
            let picture = try PNGPicture(clips, columns: pictures.columns)
            try wandb?.add(step: state.batch, "train/\(name)", picture)
            guard let events else { continue }
            try events.write(step: state.batch, [("train/\(name)", .picture(picture))])
            let file = try folder.place("images/train", name, state)
            try NewFile.write("\(file).png") { try $0.write(picture.bytes) }
        }
        guard let events else { return }
        let sides = samples.clips.prefix(2).map { $0.values }
        try ComparisonVideo.write(
            sides, rate: pictures.rate,
            to: "\(try folder.place("videos/train", "reconstructions", state)).mp4")
        var histograms = samples.latents.map { name, values in
            var histogram = ValueHistogram()
            values.withPointer {
                histogram.add($0, values.count, step: ValueHistogram.step(of: values.count))
            }
            return ("latents/\(name)", EventFile.Value.histogram(histogram))
        }
        histograms += RunEvents.gradients(
            computation.generatorParameters + computation.discriminatorParameters
        ).map { ("gradients/\($0.0)", .histogram($0.1)) }
        try events.write(step: state.batch, histograms)
    }

    /// As many clips as are shown, of these and of those before them.
    private func pairs(_ clips: Tensor) -> Tensor {
        let size = clips.count / clips.dim(0)
        var values = clips.values
        if let others { values += others.values }
        let count = min(pictures.clips, values.count / size)
        return Tensor(
            [count] + clips.shape.dropFirst(), Array(values.prefix(count * size)), on: clips.device)
    }

    /// Of gradients, by the first part of their parameters' names.
    private static func gradients(_ parameters: [Parameter]) -> [(String, ValueHistogram)] {
        var (groups, order): ([String: [TrainableValues]], [String]) = ([:], [])
        for parameter in parameters {
            guard let values = parameter.trainable, values.hasGradient else { continue }
            let parts = parameter.name.split(separator: ".")
            let name = parts.prefix(parts.first == "loss" ? 2 : 1).joined(separator: ".")
            if groups[name] == nil { order.append(name) }
            groups[name, default: []].append(values)
        }
        return order.map { name in
            let all = groups[name] ?? []
            let step = ValueHistogram.step(of: all.reduce(0) { $0 + $1.count })
            var histogram = ValueHistogram()
            for values in all { histogram.add(values.gradient.pointer, values.count, step: step) }
            return (name, histogram)
        }
    }
}

extension RunFolder {
    /// Where something of a batch goes, by the reference's names but for its ending; the folder is made.
    fileprivate func place(_ part: String, _ name: String, _ state: RunState) throws -> String {
        try RunFolder.makeFolders("\(path)/\(part)")
        func six(_ number: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(6 - text.count, 0)) + text
        }
        return "\(path)/\(part)/"
            + "\(name)_gs-\(six(state.globalStep))_e-\(six(state.epoch))_b-\(six(state.batch))"
    }
}

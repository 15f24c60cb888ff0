import ArgumentParser
import TensorFiles
import VidTwin
import VidTwinTraining
import VideoIO

/// What `bench --train` measures.
struct TrainingBenchOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Clips of a batch.", valueName: "n"))
    var batch = 1

    @Flag(
        inversion: .prefixedNo,
        help: "With LPIPS, whose weights are made up: their values cost no time.")
    var lpips = true

    @Flag(inversion: .prefixedNo, help: "With the discriminator, and both sides of its game.")
    var gan = true

    @Option(
        help: ArgumentHelp("Compute blocks again on the way back: on or off.", valueName: "on|off"))
    var checkpointActivations = Switch.off

    @Option(
        name: .customLong("data"),
        help: ArgumentHelp(
            "Train on the videos below a folder instead of made-up clips, and say how long data was waited for.",
            valueName: "folder"))
    var data: String?

    @Option(help: ArgumentHelp("Threads that decode, with --data (1).", valueName: "n"))
    var dataThreads: Int?

    enum Switch: String, ExpressibleByArgument, CaseIterable { case on, off }

    func validate() throws {
        if !(1...64).contains(batch) {
            throw ValidationError("--batch \(batch): expected 1 to 64")
        }
        if let dataThreads {
            if data == nil { throw ValidationError("--data-threads goes with --data") }
            if !(1...256).contains(dataThreads) {
                throw ValidationError("--data-threads \(dataThreads): expected 1 to 256")
            }
        }
    }

    /// Measures `clips` batches of the model's configuration, its weights made up.
    func report(_ options: ModelOptions, clips batches: Int) throws -> TrainingBenchReport {
        let path = try options.configurationPath()
        let configuration = try Configuration(path: path)
        let precision = options.precision.precision
        guard precision != .int8 else {
            throw UsageError("--precision int8: training is f32 or bf16")
        }
        let device = Device(threads: options.threads.count)
        var loss = LossConfiguration(adversarialStart: 0)
        (loss.adversarialWeight, loss.perceptualWeight, loss.klWeight) = (0.05, 0.05, 0.001)
        (loss.discriminatorKind, loss.learnsLogVariance) = (.pictures, true)
        if !lpips { loss.perceptualWeight = 0 }
        var how = Objective.Options()
        how.recomputesBlocks = checkpointActivations == .on
        let objective = try Objective(
            configuration, loss,
            weights: InitialWeights(
                Objective.shapes(configuration, loss), configuration: configuration, seed: 1,
                logVariance: 0),
            perceptual: lpips
                ? try LPIPS(
                    RandomWeights(LPIPS.shapes, seed: 1), sources: [], device: device,
                    precision: precision, leadsBack: true) : nil,
            on: device, precision: precision, how)
        let result = try TrainingBenchmark(
            objective, AdamOptions(kind: .adamW, betas: (0, 0.9), weightDecay: 1e-4),
            clips: batch, batches: batches, adversarial: gan,
            data: try data.map { try videos($0, configuration) })
        return TrainingBenchReport(
            result, objective.model, batch: batch, lpips: lpips, gan: gan,
            recomputing: checkpointActivations == .on,
            decodingThreads: data.map { _ in dataThreads ?? 1 })
    }

    /// Frames a second of clips, as the published configuration has them.
    private static let rate = Rational(8, 1)

    /// The clips of a folder's videos, read ahead as a run reads them.
    private func videos(
        _ folder: String, _ c: Configuration
    ) throws -> (_ batches: Int) throws -> TrainingData {
        let list = try VideoList(
            folder: folder, list: nil, folderKey: "--data", listKey: "--data")
        var options = DataOptions(
            format: ClipFormat(
                frames: c.frames, height: c.height, width: c.width, rate: TrainingBenchOptions.rate)
        )
        options.workers = dataThreads ?? 1
        let order = EpochOrder(count: list.entries.count, batchClips: batch, seed: 1)
        return { batches in
            try TrainingData(
                list, order, options, clipsAhead: options.prefetch * batch, from: 0,
                until: batches, say: { Log.warning($0) })
        }
    }
}

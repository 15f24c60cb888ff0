import ArgumentParser
import Glibc
import TensorFiles
import VidTwin
import VidTwinTraining
import VideoIO

extension SettingsSource.Preset: ExpressibleByArgument {}
extension RunOptions.Recomputing: ExpressibleByArgument {}
extension Augmentations: ExpressibleByArgument {
    /// The list of an option.
    public init?(argument: String) { self.init(argument) }
}

/// `vtfilter train`
struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Train a model from scratch, or fine-tune a checkpoint.",
        discussion: """
            Takes the configurations of the reference; KEY.PATH=VALUE overrides any key. Makes a folder \
            below --logdir with checkpoints that PyTorch reads, metrics.jsonl, and config.yaml with \
            model.safetensors: vtfilter reconstruct --model FOLDER uses it at any time. A run that was \
            stopped goes on when the same command is given again. SIGUSR1 saves; the first SIGINT or \
            SIGTERM finishes the batch and saves. docs/TRAINING.md has more.

            Examples:
              vtfilter train -b config.yaml --data-dir videos --steps 2000
              vtfilter train -b config.yaml --data-dir videos \\
                model.params.ckpt_path=model.ckpt
              vtfilter train --resume logs/2026-01-31T23-59-59_config
              vtfilter train -b config.yaml --data-dir videos --measure-steps 4
            """)

    @Option(
        name: [.customShort("b"), .customLong("base")], parsing: .upToNextOption,
        help: ArgumentHelp("Configurations, the later over the earlier.", valueName: "file"))
    var files: [String] = []

    @Argument(help: ArgumentHelp("Keys to override: KEY.PATH=VALUE.", valueName: "key=value"))
    var assignments: [String] = []

    @Option(help: ArgumentHelp("Where run folders are made.", valueName: "folder"))
    var logdir = "logs"

    @Option(help: ArgumentHelp("The run's name (default: the file's).", valueName: "name"))
    var name: String?

    @OptionGroup var set: VideoSetOptions

    @Option(help: ArgumentHelp("Videos to validate on.", valueName: "folder"))
    var valDataDir: String?

    @Option(help: ArgumentHelp("Only those that its column videos names.", valueName: "csv"))
    var valMeta: String?

    @Option(
        help: ArgumentHelp("Batches of the whole run (default: the epochs').", valueName: "n"))
    var steps: Int?

    @Option(help: "A published recipe over the file's: repo or paper.")
    var preset: SettingsSource.Preset?

    @Option(help: ArgumentHelp("Of weights, order, noise and dropout (23).", valueName: "n"))
    var seed: UInt64?

    @OptionGroup var lpips: LPIPSOptions

    @Option(
        help: ArgumentHelp("A run's folder or a checkpoint to go on from.", valueName: "path"))
    var resume: String?

    @Flag(help: "Take what fits of the checkpoint to start from, and say what does not.")
    var allowPartial = false

    @Option(
        help: ArgumentHelp(
            "Compute blocks again on the way back to save memory: auto, on or off.",
            valueName: "when"))
    var checkpointActivations: RunOptions.Recomputing = .auto

    @Option(help: "f32 or bf16 (weights and sums stay float32).")
    var precision: PrecisionOption?

    enum PrecisionOption: String, ExpressibleByArgument, CaseIterable {
        case f32, bf16
    }

    @OptionGroup var threads: ThreadOptions

    @Option(
        help: ArgumentHelp(
            "Part of the videos that may be unreadable in an epoch, one at least (0.01).",
            valueName: "part"))
    var maxBad: Double?

    @Option(help: ArgumentHelp("Leave videos of fewer frames out.", valueName: "n"))
    var minFrames: Int?

    @Option(
        help: ArgumentHelp(
            "Let clips differ from epoch to epoch: flip (left to right), crop (anywhere).",
            valueName: "flip,crop"))
    var augment: Augmentations?

    @Flag(help: "Write no files for TensorBoard, nor pictures.")
    var noTensorboard = false

    @OptionGroup var wandb: WandbOptions

    @Option(
        help: ArgumentHelp(
            "Train nothing: print how far one step of each weight may go, over this many clips, and "
                + "the lr_scale that follows.", valueName: "clips"))
    var measureSteps: Int?

    @Flag(help: "Accepted, as the reference has it: no run ends with a test here.")
    var noTest = false

    @Flag(help: "Leave the weights of LPIPS out of checkpoints (59 MB).")
    var noLossWeights = false

    @OptionGroup(title: "Words") var words: WordOptions
    @OptionGroup var progress: ProgressOptions

    func validate() throws {
        if files.isEmpty && resume == nil {
            throw ValidationError("-b CONFIG is missing (or --resume RUN)")
        }
        if let steps, steps < 1 { throw ValidationError("--steps \(steps): expected 1 or more") }
        if let maxBad, !(0...1).contains(maxBad) {
            throw ValidationError("--max-bad \(maxBad): expected a part from 0 to 1")
        }
        if let minFrames, minFrames < 0 {
            throw ValidationError("--min-frames \(minFrames): expected 0 or more")
        }
        if let measureSteps {
            if measureSteps < 1 {
                throw ValidationError("--measure-steps \(measureSteps): expected 1 or more")
            }
            if resume != nil {
                throw ValidationError(
                    "--measure-steps starts from model.params.ckpt_path or anew, not with --resume")
            }
        }
        if let name, name.isEmpty || name.contains("/") || name.hasPrefix(".") {
            throw ValidationError("--name \(name): expected a name without / and a dot in front")
        }
        if valMeta != nil && valDataDir == nil {
            throw ValidationError("--val-meta goes with --val-data-dir")
        }
        for text in assignments where !text.contains("=") {
            throw ValidationError("\(text): expected KEY.PATH=VALUE")
        }
    }

    func run() throws {
        words.configureLog()
        try TrainingProcesses.run(run)
    }

    private func run(_ processes: Processes?) throws {
        let speaks = processes?.isFirst ?? true
        if let processes {
            Log.notice("\(processes.count) processes, by \(processes.library)")
            let all = try processes.exchange(Array("process \(getpid()) on \(processes.host)".utf8))
            for (rank, words) in all.enumerated() {
                Log.notice("rank \(rank): \(String(decoding: words, as: UTF8.self))")
            }
        }
        let settings = try settings()
        for note in settings.notes { Log.notice(note) }
        if let measureSteps {
            if processes != nil {
                throw UsageError("--measure-steps: expected one process, found several")
            }
            return try printSteps(settings, clips: measureSteps)
        }
        let interruption = Interruption()
        SaveRequest.listen()
        var requests = Trainer.Requests()
        requests.isStopped = { interruption.signal != nil }
        requests.takeSave = { SaveRequest.take() }
        let listener = TrainingListener()
        let start = Clock.now
        let progressFile = speaks ? try self.progress.file(inputs: files) : nil
        let run = try prepared(settings, processes, requests, listener)
        let (trainer, first) = (run.trainer, run.trainer.state.batch)
        Log.notice(
            "\(run.folder.path): \(run.weightCount) weights, batches of "
                + "\(trainer.state.batchClips) clips, "
                + "\(trainer.state.epochBatches) an epoch, \(trainer.plan.end) in all, "
                + "\(run.device.threads) threads"
                + (processes == nil ? "" : " in each process"))
        let progress = TrainingProgress(
            showsLine: speaks && self.progress.showsLine(words), file: progressFile, first: first,
            total: trainer.plan.end, epochBatches: trainer.state.epochBatches,
            logEvery: trainer.plan.logEvery)
        listener.progress = progress
        listener.page = TrainingPage(settings, run)
        defer { progress.end() }
        let end: Trainer.End
        do { end = try trainer.run() } catch {
            try? trainer.finishLogs(status: Int(ExitStatus.failure))
            throw error
        }
        if speaks { listener.ended() }
        let own = interruption.signal
        let signals = processes?.gather([Double(own ?? 0)]).map { Int32($0[0]) } ?? []
        let signal = end == .stopped ? own ?? signals.max() : nil
        try trainer.finishLogs(status: signal.map { 128 + Int($0) } ?? 0)
        if let signal {
            if let folder = run.wandbFolder { Log.notice("for W&B: wandb sync \(folder)") }
            Log.notice(
                "stopped after batch \(trainer.state.batch); go on with: vtfilter train --resume "
                    + run.folder.path)
            throw Interrupted(signal: signal)
        }
        progress.end()
        if !words.quiet, speaks {
            Log.plain(
                listener.table(
                    run, seconds: Clock.now - start, batches: trainer.state.batch - first))
        }
    }

    private func printSteps(_ settings: TrainingSettings, clips: Int) throws {
        let (sizes, rate) = try TrainingRun.stepSizes(
            settings, options(settings), clips: clips, tell: TrainingListener().heard
        ) { done, all in
            if done % 25 == 0 || done == all { Log.notice("\(done) of \(all) weights") }
        }
        try StepReport(sizes, clips: clips, rate: rate).print()
    }

    /// The run; names of a start that do not fit are all said, as patterns are made from them.
    private func prepared(
        _ settings: TrainingSettings, _ processes: Processes?, _ requests: Trainer.Requests,
        _ listener: TrainingListener
    ) throws -> TrainingRun {
        var options = options(settings)
        options.processes = processes
        do {
            return try TrainingRun(
                settings, options, requests: requests,
                tell: processes?.isFirst ?? true ? listener.heard : { _ in })
        } catch let error as ModelError where error.isSummary && processes == nil {
            Log.error(error.list)
            throw ExitCode(ExitStatus.badModel)
        }
    }

    /// Files, preset, short forms and keys, in this order.
    private func settings() throws -> TrainingSettings {
        // Behind -b there may be keys, too.
        var (paths, keys): ([String], [String]) = ([], [])
        for text in files { if isKey(text) { keys.append(text) } else { paths.append(text) } }
        keys += assignments
        if paths.isEmpty, let resume { paths = [try RunConfiguration.path(of: resume)] }
        var source = try SettingsSource(files: paths)
        if let preset { source.apply(preset) }
        for (folder, list, key) in [
            (set.dataDir, set.meta, "train"), (valDataDir, valMeta, "validation"),
        ] {
            guard let folder else { continue }
            let params = "data.params.\(key).params"
            if source.tree[["data", "params", key]]?.isNull ?? false {
                source.set("data.params.\(key)", .mapping([]))
            }
            source.set("\(params).data_dir", text: folder)
            if let list {
                source.set("\(params).meta_path", text: list)
            } else {
                source.set("\(params).meta_path", .scalar("null", quoted: false))
            }
        }
        for key in keys { try source.apply(key) }
        for note in source.notes { Log.notice(note) }
        return try TrainingSettings(source.tree, place: source.place)
    }

    private func isKey(_ text: String) -> Bool {
        text.contains("=") && text.withPathBytes { access($0, F_OK) } != 0
    }

    private func options(_ settings: TrainingSettings) -> RunOptions {
        var options = RunOptions()
        // A run goes by its first file; one that goes on has none of them here.
        let file = files.first { !isKey($0) } ?? settings.place
        let base = file.split(separator: "/").last.map(String.init) ?? "run"
        let stem = base.split(separator: ".").dropLast().joined(separator: ".")
        (options.logs, options.name) = (logdir, name ?? (stem.isEmpty ? base : stem))
        (options.resume, options.seed, options.allowsPartial) = (resume, seed, allowPartial)
        (options.recomputing, options.threads) = (checkpointActivations, threads.count)
        (options.writesEvents, options.wandb) = (!noTensorboard, wandb.place)
        var told = RememberedOptions()
        (told.steps, told.augmentations) = (steps, augment)
        told.precision = precision.flatMap { Precision(rawValue: $0.rawValue) }
        (told.maximumBad, told.minimumFrames) = (maxBad, minFrames)
        if !lpips.files.isEmpty { told.lpips = lpips.files }
        if noLossWeights { told.writesLossWeights = false }
        options.remembered = told
        return options
    }
}

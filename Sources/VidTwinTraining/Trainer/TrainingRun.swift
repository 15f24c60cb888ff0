import Glibc
import TensorFiles
package import VidTwin
import VidTwinKernels

/// Builds a run from its configuration: weights, optimizers, data, folder; anew, or as a checkpoint
/// left it.
package struct TrainingRun {
    package let trainer: Trainer
    package let folder: RunFolder
    package let device: Device
    /// The folder of what W&B may be given.
    package let wandbFolder: String?
    /// Videos that it does not use.
    package let refused: RefusedVideos
    /// Number of weights of the model.
    package let weightCount: Int

    /// - Throws: `ModelError`, `CheckpointError`, `TrainingError`, `MetricError`: everything that can be
    ///   known before the first batch.
    package init(
        _ settings: TrainingSettings, _ options: RunOptions, requests: Trainer.Requests,
        tell: @escaping (Trainer.Event) -> Void
    ) throws {
        var (settings, options) = (settings, options)
        let device = Device(threads: options.threads ?? options.processes?.threads)
        let list = try VideoList(settings.training, "train")
        let validationList = try settings.validation.map { try VideoList($0, "validation") }

        // The plan, and the run to go on with.
        var resumed = try options.resume.map { try ResumedRun($0) }
        func recall() {
            guard let earlier = resumed?.state.options else { return }
            options.remembered.take(earlier).forEach { tell(.notice($0)) }
        }
        recall()
        let processes = options.processes
        let isFirst = processes?.isFirst ?? true
        let share = BatchShare(
            rank: processes?.rank ?? 0, processes: processes?.count ?? 1, clips: settings.batchSize)
        if settings.syncsNorms, processes == nil {
            tell(.notice("lightning.trainer.sync_batchnorm has no effect with one process"))
        }
        let batchClips = settings.batchSize * settings.accumulate * share.processes
        func order(_ seed: UInt64) -> EpochOrder {
            let full = EpochOrder(
                count: list.entries.count, share: settings.training.options.share,
                batchClips: batchClips, seed: seed)
            guard let limit = settings.trainLimit else { return full }
            return EpochOrder(
                count: list.entries.count, share: settings.training.options.share,
                batchClips: batchClips, limit: limit.of(full.batches), seed: seed)
        }
        let epochBatches = order(0).batches
        let steps = options.remembered.steps
        guard let total = steps ?? settings.epochs.map({ $0 * epochBatches }), total > 0
        else {
            throw ModelError.configuration(
                path: settings.place, key: "lightning.trainer.max_epochs",
                expected: "a number of epochs above 0 (or --steps)", found: "none")
        }
        let end = min(total, settings.mostBatches ?? total)
        var plan = Trainer.Plan(end: end)
        plan.fill(settings, epochBatches: epochBatches)
        if resumed == nil {
            func unfinished() throws -> String? {
                try ResumedRun(
                    unfinished: options, settings, total: total, end: end, batchClips: batchClips
                )?.path
            }
            let path = try processes.map { try $0.first(unfinished) } ?? unfinished()
            resumed = try path.map { try ResumedRun($0) }
            recall()
        }
        settings.adopt(options.remembered)
        if let found = resumed, let seed = options.seed, seed != found.state.seed,
            found.isOurs
        {
            throw TrainingError.resume(
                "--seed \(seed): expected \(found.state.seed), the seed of the run in \(found.path)"
            )
        }
        let seed = resumed.flatMap { $0.isOurs ? $0.state.seed : nil } ?? options.seed ?? 23
        try resumed?.adapt(
            to: settings, total: total, epochBatches: epochBatches, batchClips: batchClips,
            seed: seed, tell)

        // The model and what trains it.
        let shapes = Objective.shapes(settings.model, settings.loss)
        let initial = InitialWeights(
            shapes, configuration: settings.model, seed: seed,
            logVariance: settings.loss.initialLogVariance)
        let source: any WeightSource
        if let resumed {
            source = try Checkpoint(path: resumed.path)
        } else if !isFirst {
            source = initial  // rank 0's come
        } else {
            let starting = try TrainingRun.start(
                initial, settings, options, list, seed: seed, on: device
            ) { tell(.notice($0)) }
            starting.notes.forEach { tell(.notice($0)) }
            source = starting
        }
        let objective = try TrainingRun.objective(
            settings, options, source, shapes: shapes, seed: seed, on: device, tell)
        if let processes {
            _ = try processes.exchange([])  // all could make theirs
            objective.join(processes, syncsNorms: settings.syncsNorms)
        }
        let parallel = processes.map {
            DataParallel($0, objective, syncsNorms: settings.syncsNorms, on: device)
        }
        objective.reduction = parallel?.generator
        parallel?.shareWeights()
        let parts = try RunCheckpoint(
            objective, settings, options, total: total, on: device, tell)
        var state = RunState(
            epochBatches: epochBatches, total: total, seed: seed, configuration: settings.text)
        if let resumed { state = resumed.state }
        state.batchClips = batchClips
        if let resumed {
            for note in try parts.restore(from: resumed.file, state) { tell(.notice(note)) }
        }

        // The folder.
        let isValidated = validationList != nil
        func keeper(_ folder: RunFolder) -> CheckpointKeeper {
            CheckpointKeeper(folder, parts, keep: settings.keep, isValidated: isValidated)
        }
        func ownFolder() throws -> RunFolder {
            guard let own = resumed?.folder else {
                return try RunFolder.make(
                    in: options.logs, name: options.name, configuration: settings.text
                ) {
                    state.options = options.remembered.below($0.path)
                    try keeper($0).save(&state, isNamed: false, value: nil)
                }
            }
            own.removeTemporaries()
            state.options = options.remembered.below(own.path)
            if resumed?.isChanged ?? false {
                try NewFile.write(settings.text, to: "\(own.path)/config.yaml")
            }
            return own
        }
        folder =
            try processes.map { RunFolder(try $0.first { try ownFolder().path } ?? "") }
            ?? ownFolder()

        // The data and the loop.
        let refused = try RefusedVideos(isFirst ? folder.refused : nil)
        self.refused = refused
        let data = try TrainingData(
            list, order(seed), settings.training.options,
            clipsAhead: settings.training.options.prefetch * settings.batchSize, share: share,
            from: state.batch, until: end, say: { tell(.warning($0)) },
            refuse: { try refused.add("train", $0, $1) })
        var validation: Validation?
        if let validationList, let videos = settings.validation {
            let limit = settings.validationLimit.map {
                $0.of(
                    max(1, validationList.entries.count / settings.batchSize / share.processes))
            }
            validation = Validation(
                ValidationData(
                    validationList, videos.options, batchClips: settings.batchSize, limit: limit,
                    seed: seed, share: share), objective, processes: processes, on: device)
        }
        var wandb: WandbRun?
        if isFirst, let place = options.wandb {
            wandb = try WandbRun(
                in: "\(folder.path)/wandb", place,
                WandbRun.About(settings, folder, seed: seed, total: total),
                producer: "vtfilter \(Release.version)")
        }
        wandbFolder = wandb?.folder
        self.device = device
        weightCount = objective.model.parameterCount
        trainer = Trainer(
            plan, state: state, keeper: keeper(folder), data: data, validation: validation,
            metrics: isFirst ? try MetricsLog(folder.metrics, before: state.batch) : nil,
            events: isFirst && (options.writesEvents || wandb != nil)
                ? try RunEvents(
                    folder, settings.pictures, writesEvents: options.writesEvents, wandb: wandb)
                : nil,
            parallel: parallel, on: device, requests: requests,
            refuse: { try refused.add("validation", $0, $1) }, tell: tell)
        try processes?.compare(
            StateHash.of(settings.text, seed: seed), "the configuration and the seed")
    }

    static func start(
        _ initial: InitialWeights, _ settings: TrainingSettings, _ options: RunOptions,
        _ list: VideoList, seed: UInt64, on device: Device, say: @escaping (String) -> Void
    ) throws -> StartingWeights {
        guard let path = settings.start else {
            guard settings.initialisation == .transform else { return StartingWeights(initial) }
            let clips = try StartingClips.read(
                list, settings.training.options, count: settings.startingClips, seed: seed,
                on: device)
            return StartingWeights(
                constructed: try TransformStart.weights(
                    settings.model, place: settings.place, base: initial, clips: clips, say: say))
        }
        if settings.initialisation != .random {
            throw ModelError.configuration(
                path: settings.place, key: "model.params.init",
                expected: "no init beside ckpt_path, whose weights are the start",
                found: settings.initialisation.rawValue)
        }
        let patterns = try NamePatterns(
            settings.ignored, file: settings.place, key: "model.params.ignore_keys")
        return try StartingWeights(
            initial, from: Checkpoint(path: path), ignoring: patterns,
            isPartial: options.allowsPartial)
    }

    static func objective(
        _ settings: TrainingSettings, _ options: RunOptions, _ source: any WeightSource,
        shapes: [String: [Int]], seed: UInt64, on device: Device,
        _ tell: (Trainer.Event) -> Void
    ) throws -> Objective {
        var own = Objective.Options()
        (own.seed, own.samples) = (seed, settings.samples)
        (own.hiddenDropout, own.attentionDropout) = (
            settings.hiddenDropout, settings.attentionDropout
        )
        let count = shapes.filter { !$0.key.contains("pos_embed") }
            .reduce(0) { $0 + $1.value.reduce(1, *) }
        let estimate = MemoryEstimate(settings, weightCount: count)
        // Processes of one machine share its memory.
        let machine = MachineMemory.bytes / (options.processes?.onHost ?? 1)
        own.recomputesBlocks =
            options.recomputing == .on
            || options.recomputing == .auto
                && estimate.bytes(recomputing: false) > machine / 10 * 7
        let bytes = estimate.bytes(recomputing: own.recomputesBlocks)
        if bytes > machine {
            throw ModelError.memory(
                what: "training with batches of \(settings.batchSize) (of the "
                    + "\(machine >> 20) MB that this process may have; a smaller data.params.batch_size takes less)",
                bytes: bytes)
        }
        tell(
            .notice(
                "about \(bytes >> 20) MB of memory"
                    + (own.recomputesBlocks
                        ? "; blocks are computed again on the way back, which saves "
                            + "\((estimate.bytes(recomputing: false) - bytes) >> 20) MB" : "")))
        tell(
            .notice(
                "dropout of the Q-Former: \(settings.hiddenDropout), of its attention "
                    + "\(settings.attentionDropout)"
                    + (settings.hiddenDropout > 0 && settings.start != nil
                        ? "; for fine-tuning on few videos, 0 is sensible "
                            + "(temporal_qformer_config.params.hidden_dropout_prob)" : "")))
        let perceptual =
            settings.loss.perceptualWeight > 0 && !options.lpips.isEmpty
            ? try LPIPS(paths: options.lpips, device: device, leadsBack: true) : nil
        return try Objective(
            settings.model, settings.loss, weights: source, perceptual: perceptual, on: device,
            precision: settings.precision, own)
    }
}

extension TrainingSettings {
    /// Takes what the command line says in place of the configuration.
    mutating func adopt(_ options: RememberedOptions) {
        precision = options.precision ?? precision
        let data = training.options
        training.options.maximumBad = options.maximumBad ?? data.maximumBad
        training.options.minimumFrames = options.minimumFrames ?? data.minimumFrames
        training.options.augmentations = options.augmentations ?? data.augmentations
    }
}

extension WandbRun.About {
    /// A run's configuration, and what stands beside it.
    fileprivate init(
        _ settings: TrainingSettings, _ folder: RunFolder, seed: UInt64, total: Int
    ) {
        var parts: [(key: String, json: String)] = []
        if case .mapping(let pairs) = settings.tree {
            parts = pairs.map { ($0.key, LogJSON.value($0.value)) }
        }
        self.init(
            name: folder.path.split(separator: "/").last.map { String($0) } ?? "run",
            configuration: parts + [("seed", "\(seed)"), ("batches", "\(total)")])
    }
}

extension VideoList {
    init(_ videos: TrainingSettings.Videos, _ part: String) throws {
        try self.init(
            folder: videos.folder, list: videos.list,
            folderKey: "data.params.\(part).params.data_dir",
            listKey: "data.params.\(part).params.meta_path")
    }
}

extension Trainer.Plan {
    /// What a configuration says of when what happens.
    fileprivate mutating func fill(_ settings: TrainingSettings, epochBatches: Int) {
        (accumulate, batchSize, clip) = (settings.accumulate, settings.batchSize, settings.clip)
        (logEvery, saveEvery) = (settings.logEvery, settings.saveEvery)
        validateEvery = settings.validateEvery.of(epochBatches)
        if case .part = settings.validateEvery { validatesWithinEpochs = true }
        sanityBatches =
            settings.sanityBatches < 0 ? .max / settings.batchSize : settings.sanityBatches
        monitor = settings.monitor
        (patience, margin) = (settings.patience, settings.margin)
        adversarialStart = settings.loss.adversarialStart
    }
}

extension RunCheckpoint {
    /// The optimizers, schedules and averages of a configuration.
    fileprivate init(
        _ objective: Objective, _ settings: TrainingSettings, _ options: RunOptions, total: Int,
        on device: Device, _ tell: (Trainer.Event) -> Void
    ) throws {
        let patterns = try NamePatterns(
            settings.rateScales.map(\.pattern), file: settings.place,
            key: "model.params.optimizer_config.params.lr_scale")
        let all = (objective.generatorParameters + objective.discriminatorParameters).map(\.name)
        for pattern in patterns.unmatched(all) {
            tell(.warning("lr_scale: \(pattern) matches no weight"))
        }
        func optimizer(_ parameters: [Parameter]) -> Optimizer {
            Optimizer(
                parameters, settings.optimizer,
                rateScales: parameters.map { parameter in
                    patterns.match(parameter.name).map { settings.rateScales[$0].factor } ?? 1
                }, on: device)
        }
        let keepsLoss = options.writesLossWeights && !options.lpips.isEmpty
        if options.writesLossWeights, options.lpips.isEmpty {
            tell(
                .notice(
                    "checkpoints are without the weights of LPIPS (no --lpips): Lightning's strict "
                        + "resume asks for them, everything else does not"))
        }
        self.init(
            computation: objective, generator: optimizer(objective.generatorParameters),
            discriminator: optimizer(objective.discriminatorParameters),
            generatorSchedule: settings.generatorRate.schedule(total: total),
            discriminatorSchedule: settings.discriminatorRate.schedule(total: total),
            average: try settings.averageDecay.map {
                try AveragedWeights(objective.generatorParameters, decay: $0, on: device)
            }, tables: objective.tables,
            perceptual: keepsLoss ? try PerceptualExport.tensors(options.lpips) : [])
    }
}

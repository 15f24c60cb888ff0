package import VidTwin
import VideoIO

/// Everything that a training configuration says, with its defaults.
package struct TrainingSettings {
    /// A schedule that waits for the number of batches.
    package struct Rate: Equatable, Sendable {
        package enum Kind: Equatable, Sendable { case cosine, linear, constant, inverseRoot }
        package var kind: Kind
        package var start = 0.0, maximum = 0.0, minimum = 0.0
        package var warmUp = 0
        /// The warm-up as a part of all batches.
        package var warmUpPart: Double?

        /// The schedule of a run of `total` batches.
        package func schedule(total: Int) -> Schedule {
            let warmUp = warmUpPart.map { Int($0 * Double(total)) } ?? warmUp
            switch kind {
            case .cosine:
                return .cosine(
                    start: start, maximum: maximum, minimum: minimum, warmUp: warmUp, total: total)
            case .linear: return .linear(base: maximum, warmUp: warmUp, total: total)
            case .constant: return .constant(base: maximum, warmUp: warmUp)
            case .inverseRoot: return .inverseRoot(base: maximum, warmUp: warmUp)
            }
        }
    }

    /// A set of videos.
    package struct Videos {
        package var folder: String
        package var list: String?
        package var options: DataOptions
    }

    /// The merged configuration, and its text.
    package let tree: ConfigurationTree
    package let text: String
    /// The files that it came from, for messages.
    package let place: String
    package let model: Configuration
    package var loss: LossConfiguration
    package var samples = true
    package var hiddenDropout = 0.1, attentionDropout = 0.1
    package var optimizer = AdamOptions(kind: .adam, betas: (0.9, 0.999), weightDecay: 0)
    /// Factors of the learning rate, by regular expressions that names begin with.
    package var rateScales: [(pattern: String, factor: Double)] = []
    package var generatorRate, discriminatorRate: Rate
    package var averageDecay: Double?
    package var start: String?
    /// How weights are made that no checkpoint has.
    package enum Initialisation: String, Sendable {
        /// The reference's distributions.
        case random
        /// A linear transform code, constructed after training clips (`TransformStart`).
        case transform
    }
    package var initialisation = Initialisation.random
    /// Clips that a constructed start looks at.
    package var startingClips = 192
    package var ignored: [String] = []
    package var monitor = "val/rec_loss"
    package var batchSize = 1
    package var accumulate = 1
    package var clip: Double?
    package var precision = Precision.float32
    /// Whether the discriminator's norms take the batches of all processes for one.
    package var syncsNorms = false
    package var training: Videos
    package var validation: Videos?
    package var epochs: Int?
    /// In batches.
    package var mostBatches: Int?
    package var validateEvery = SettingsReader.Amount.part(1)
    package var trainLimit, validationLimit: SettingsReader.Amount?
    package var sanityBatches = 2
    package var logEvery = 50
    /// In batches.
    package var saveEvery: Int?
    package var keep = 3
    /// Validations in a row without improvement, by more than `margin`, that end a run.
    package var patience: Int?
    package var margin = 0.0
    package var pictures = RunEvents.Pictures()
    /// Sentences on what a key comes to or that it has no effect.
    package var notes: [String] = []

    /// Reads a merged configuration.
    ///
    /// - Throws: `ModelError.configuration` with the key.
    package init(_ merged: ConfigurationTree, place: String) throws {
        let tree = try merged.resolved(path: place)
        let reader = SettingsReader(tree, place: place)
        (self.tree, text, self.place) = (tree, tree.yaml, place)
        notes = try TrainingSettings.checkKeys(reader)
        model = try Configuration(text: Array(text.utf8), path: place)
        loss = try LossConfiguration(reader)
        let base = try reader.number("model.base_learning_rate", 0...1e6) ?? 1e-4
        let factor = try reader.number("model.params.lr_g_factor", 0...1e6) ?? 1
        generatorRate = try Rate(reader, "model.params.lr_scheduler_config_g", base: base * factor)
        discriminatorRate = try Rate(reader, "model.params.lr_scheduler_config_d", base: base)
        try TrainingSettings.checkPlaceholders(reader)
        training = try Videos(reader, "train", model)
        if reader.value("data.params.validation") != nil {
            validation = try Videos(reader, "validation", model)
        }
        try readModel(reader)
        try readOptimizer(reader)
        try readLoops(reader)
    }

    private mutating func readModel(_ reader: SettingsReader) throws {
        let params = "model.params"
        samples = try reader.boolean("\(params).regularizer_config.params.sample") ?? true
        let qformer = "\(params).temporal_qformer_config.params"
        hiddenDropout = try reader.number("\(qformer).hidden_dropout_prob", 0...0.99) ?? 0.1
        attentionDropout =
            try reader.number("\(qformer).attention_probs_dropout_prob", 0...0.99) ?? 0.1
        averageDecay = try reader.number("\(params).ema_decay", 0...1).flatMap { $0 > 0 ? $0 : nil }
        start = try reader.text("\(params).ckpt_path")
        if let word = try reader.text("\(params).init") {
            guard let way = Initialisation(rawValue: word) else {
                throw reader.failure("\(params).init", expected: "random or transform")
            }
            initialisation = way
        }
        startingClips = try reader.integer("\(params).init_clips", 1...65536) ?? startingClips
        ignored = try reader.texts("\(params).ignore_keys") ?? []
        monitor =
            try reader.text("lightning.modelcheckpoint.params.monitor")
            ?? reader.text("\(params).monitor") ?? monitor
    }

    private mutating func readOptimizer(_ reader: SettingsReader) throws {
        let key = "model.params.optimizer_config"
        guard reader.value(key) != nil else {
            notes.append("\(key): none given, so Adam with PyTorch's constants")
            return
        }
        let target = try reader.text("\(key).target") ?? ""
        let name = target.split(separator: ".").last.map(String.init) ?? ""
        guard let kind = AdamOptions.Kind(rawValue: name) else {
            throw reader.failure(
                "\(key).target", expected: "torch.optim.AdamW or torch.optim.Adam")
        }
        let betas = try reader.numbers("\(key).params.betas") ?? [0.9, 0.999]
        guard betas.count == 2, betas.allSatisfy({ (0..<1).contains($0) }) else {
            throw reader.failure("\(key).params.betas", expected: "two numbers from 0 to below 1")
        }
        optimizer = AdamOptions(
            kind: kind, betas: (betas[0], betas[1]),
            weightDecay: try reader.number("\(key).params.weight_decay", 0...1e3)
                ?? (kind == .adamW ? 0.01 : 0),
            epsilon: try reader.number("\(key).params.eps", 1e-30...1) ?? 1e-8)
        if let scales = reader.value("\(key).params.lr_scale") {
            guard case .mapping(let pairs) = scales else {
                throw reader.failure(
                    "\(key).params.lr_scale", expected: "regular expressions with a factor each")
            }
            rateScales = try pairs.map { pair in
                guard case .scalar(let text, _) = pair.value, let factor = Double(text),
                    factor >= 0, factor.isFinite
                else {
                    throw reader.failure(
                        "\(key).params.lr_scale.\(pair.key)", expected: "a factor, 0 or more",
                        found: pair.value.words)
                }
                return (pair.key, factor)
            }
        }
    }

    private mutating func readLoops(_ reader: SettingsReader) throws {
        let trainer = "lightning.trainer"
        batchSize = try reader.integer("data.params.batch_size", 1...65536) ?? 1
        accumulate = try reader.integer("\(trainer).accumulate_grad_batches", 1...65536) ?? 1
        clip = try reader.number("\(trainer).gradient_clip_val", 0...1e30)
            .flatMap { $0 > 0 ? $0 : nil }
        epochs = try reader.integer("\(trainer).max_epochs", -1...1 << 40).flatMap {
            $0 < 0 ? nil : $0
        }
        // The published file's numbers of steps count both optimizers'.
        if let steps = try reader.integer("\(trainer).max_steps", -1...1 << 40), steps >= 0 {
            mostBatches = (steps + 1) / 2
            notes.append(
                "\(trainer).max_steps: \(steps) steps of both optimizers are "
                    + "\((steps + 1) / 2) batches")
        }
        let every = "lightning.modelcheckpoint.params.every_n_train_steps"
        if let steps = try reader.integer(every, 0...1 << 40), steps > 0 {
            saveEvery = max(1, steps / 2)
            notes.append(
                "\(every): every \(steps) steps of both optimizers are every "
                    + "\(max(1, steps / 2)) batches")
        }
        let (g, d) = ((loss.adversarialStart + 1) / 2, loss.adversarialStart / 2)
        notes.append(
            "disc_start \(loss.adversarialStart): the discriminator trains from batch \(d) on, the "
                + "generator's term counts from batch \(g) on")
        keep = try reader.integer("lightning.modelcheckpoint.params.save_top_k", -1...1000) ?? 3
        validateEvery = try reader.amount("\(trainer).val_check_interval") ?? .part(1)
        trainLimit = try reader.amount("\(trainer).limit_train_batches")
        validationLimit = try reader.amount("\(trainer).limit_val_batches")
        sanityBatches =
            try reader.integer("\(trainer).num_sanity_val_steps", -1...1 << 30) ?? 2
        logEvery = try reader.integer("\(trainer).log_every_n_steps", 1...1 << 40) ?? 50
        try readPatience(reader)
        let logger = "lightning.callbacks.image_logger.params"
        pictures.every = try reader.integer("\(logger).batch_frequency", 1...1 << 40) ?? 5000
        if try reader.boolean("\(logger).disabled") ?? false { pictures.every = nil }
        pictures.clips = try reader.integer("\(logger).max_samples", 1...64) ?? 2
        pictures.columns =
            try reader.integer("\(logger).log_images_kwargs.n_rows", 1...1024) ?? 2
        pictures.rate = training.options.format.rate
        switch try reader.text("\(trainer).precision") {
        case nil, "32", "32-true": break
        case "bf16-mixed", "bf16": precision = .bfloat16
        default:
            throw reader.failure("\(trainer).precision", expected: "32 or bf16-mixed")
        }
        syncsNorms = try reader.boolean("\(trainer).sync_batchnorm") ?? false
    }

    /// Lightning's callback EarlyStopping, on the term that chooses checkpoints.
    private mutating func readPatience(_ reader: SettingsReader) throws {
        let params = "lightning.callbacks.early_stopping.params"
        guard reader.value("lightning.callbacks.early_stopping") != nil else { return }
        patience = try reader.integer("\(params).patience", 1...1 << 30) ?? 3
        margin = try reader.number("\(params).min_delta", 0...1e30) ?? 0
        for (key, only) in [("monitor", monitor), ("mode", "min")] {
            let found = try reader.text("\(params).\(key)") ?? only
            if found != only {
                throw reader.failure("\(params).\(key)", expected: only, found: found)
            }
        }
        if validation == nil {
            throw reader.failure(
                "data.params.validation", expected: "a validation, which early_stopping watches",
                found: "none")
        }
    }

    // MARK: - What keys there may be

    private static func checkKeys(_ reader: SettingsReader) throws -> [String] {
        var notes: [String] = []
        for path in reader.tree.paths {
            let key = path.joined(separator: ".")
            if ConfigurationKeys.used.contains(key) { continue }
            if let unused = ConfigurationKeys.unused.first(where: {
                key == $0.key || key.hasPrefix($0.key + ".")
            }) {
                let note = "\(unused.key) has no effect here: \(unused.why)"
                if !notes.contains(note) { notes.append(note) }
                continue
            }
            // The model's reader looks after its own.
            if ConfigurationKeys.isKnown(key) { continue }
            throw ConfigurationKeys.unknown(key, in: reader, among: [])
        }
        return notes
    }

    /// The published files have words where paths belong.
    private static func checkPlaceholders(_ reader: SettingsReader) throws {
        let keys =
            ["data.params.train.params", "data.params.validation.params"].flatMap {
                ["\($0).data_dir", "\($0).meta_path"]
            } + ["model.params.ckpt_path"]
        let missing = try keys.filter {
            let text = try reader.text($0) ?? ""
            return ["DATA_DIR", "META_PATH", "PATH_TO"].contains { text.hasPrefix($0) }
        }
        if missing.isEmpty { return }
        throw ModelError.configuration(
            path: reader.place, key: missing.joined(separator: ", "),
            expected: "paths (or null: KEY=null) in place of the published file's words",
            found: try missing.map { try reader.text($0) ?? "" }.joined(separator: ", "))
    }
}

extension ConfigurationKeys {
    /// The error of a key that there is not.
    static func unknown(
        _ key: String, in reader: SettingsReader, among others: [String]
    ) -> ModelError {
        let nearest = nearest(to: key, among: others)
        return .configuration(
            path: reader.place, key: key,
            expected: "a key that training knows" + (nearest.map { ", such as \($0)" } ?? ""),
            found: reader.value(key).map { "\(key): \($0.words)" } ?? key)
    }
}

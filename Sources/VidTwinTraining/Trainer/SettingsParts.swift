import VidTwin
import VideoIO

extension TrainingSettings.Rate {
    /// What stands under a key, or a constant rate after 500 batches where nothing does, as the
    /// reference has it.
    init(_ reader: SettingsReader, _ key: String, base: Double) throws {
        guard reader.value(key) != nil else {
            self.init(kind: .constant, maximum: base, warmUp: 500)
            return
        }
        let target = try reader.text("\(key).target") ?? ""
        let name = target.split(separator: ".").last.map(String.init) ?? ""
        let params = "\(key).params"
        let steps =
            try reader.integer("\(params).warmup_steps", 0...1 << 40)
            ?? reader.integer("\(params).num_warmup_steps", 0...1 << 40)
        let rate = try reader.number("\(params).warmup_rate", -1...1)
        switch name {
        case "LambdaWarmUpCosineScheduler":
            self.init(kind: .cosine, warmUp: steps ?? 0)
            maximum = try reader.number("\(params).lr_max", 0...1e6) ?? 0
            minimum = try reader.number("\(params).lr_min", 0...1e6) ?? 0
            start = try reader.number("\(params).lr_start", 0...1e6) ?? 0
            if reader.value("\(params).lr_max") == nil {
                throw reader.failure("\(params).lr_max", expected: "the highest learning rate")
            }
        case "linear", "get_linear_schedule_with_warmup":
            self.init(kind: .linear, maximum: base, warmUp: steps ?? 0)
        case "constant", "constant_with_warmup", "get_constant_schedule_with_warmup":
            self.init(kind: .constant, maximum: base, warmUp: steps ?? 0)
        case "inverse_sqrt", "get_inverse_sqrt_schedule":
            self.init(kind: .inverseRoot, maximum: base, warmUp: steps ?? 0)
        default:
            throw reader.failure(
                "\(key).target",
                expected: "LambdaWarmUpCosineScheduler, linear, constant or inverse_sqrt")
        }
        if let rate, rate >= 0 { warmUpPart = rate }
    }
}

extension TrainingSettings.Videos {
    /// The set `data.params.PART`.
    init(_ reader: SettingsReader, _ part: String, _ model: Configuration) throws {
        let params = "data.params.\(part).params"
        guard let folder = try reader.text("\(params).data_dir") else {
            throw reader.failure("\(params).data_dir", expected: "a folder of videos")
        }
        let video = "\(params).video_params"
        func size(_ key: String, _ own: Int) throws -> Int {
            let found = try reader.integer("\(video).\(key)", 1...16384) ?? own
            if found != own {
                throw reader.failure(
                    "\(video).\(key)", expected: "\(own), the model's input_size")
            }
            return found
        }
        let text = try reader.text("\(video).sample_fps") ?? "8"
        guard let rate = Rational(frameRate: text), rate.value <= FrameSampler.maximumRate else {
            throw reader.failure("\(video).sample_fps", expected: "a rate up to 1000")
        }
        var options = DataOptions(
            format: ClipFormat(
                frames: try size("sample_num_frames", model.frames),
                height: try size("input_height", model.height),
                width: try size("input_width", model.width), rate: rate))
        options.share = try reader.number("\(params).data_frac", 0...1) ?? 1
        options.startFrame = try reader.integer("\(params).start_index", 0...1 << 40)
        options.skipsUnreadable =
            try !(reader.boolean("\(params).is_strict_loading") ?? false)
            && (reader.boolean("\(params).skip_missing_files") ?? true)
        options.workers = max(1, try reader.integer("data.params.num_workers", 0...1024) ?? 2)
        options.prefetch = try reader.integer("data.params.prefetch_factor", 1...1024) ?? 2
        self.init(
            folder: folder, list: try reader.text("\(params).meta_path"), options: options)
    }
}

extension LossConfiguration {
    /// `model.params.loss_config.params`.
    init(_ reader: SettingsReader) throws {
        let params = "model.params.loss_config.params"
        guard let start = try reader.integer("\(params).disc_start", 0...1 << 40) else {
            throw reader.failure("\(params).disc_start", expected: "a number of steps")
        }
        self.init(adversarialStart: start)
        func number(_ key: String, _ value: inout Double, _ range: ClosedRange<Double>) throws {
            value = try reader.number("\(params).\(key)", range) ?? value
        }
        try number("disc_weight", &adversarialWeight, 0...1e6)
        try number("disc_factor", &adversarialFactor, 0...1e6)
        try number("lecam_loss_weight", &lecamWeight, 0...1e6)
        try number("logvar_init", &initialLogVariance, -50...50)
        try number("perceptual_weight", &perceptualWeight, 0...1e6)
        try number("regularization_weights.kl_loss", &klWeight, 0...1e6)
        discriminatorKind =
            try reader.choice("\(params).disc_type", of: DiscriminatorKind.self) ?? .clips
        discriminatorLoss =
            try reader.choice("\(params).disc_loss", of: DiscriminatorLoss.self) ?? .hinge
        pixelLoss = try reader.choice("\(params).pixel_loss", of: PixelLoss.self) ?? .l1
        discriminatorLayers = try reader.integer("\(params).disc_num_layers", 1...16) ?? 3
        discriminatorWidth = try reader.integer("\(params).disc_channels", 1...4096) ?? 64
        usesCrossEntropy = try reader.boolean("\(params).gen_loss_cross_entropy") ?? false
        learnsLogVariance = try reader.boolean("\(params).learn_logvar") ?? false
        // Reference: what has one value only there, too.
        for (key, only, absent) in [
            ("dims", "3", "2"), ("pixelloss_weight", "1", "1"), ("disc_in_channels", "3", "3"),
            ("scale_input_to_tgt_size", "false", "false"),
        ] {
            let found = try reader.text("\(params).\(key)") ?? absent
            let isOnly =
                found.lowercased() == only || Double(found).map { $0 == Double(only) } ?? false
            if !isOnly {
                throw reader.failure(
                    "\(params).\(key)", expected: "\(only), the only value supported", found: found)
            }
        }
    }
}

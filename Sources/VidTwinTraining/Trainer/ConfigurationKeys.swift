/// The keys that a training configuration may have: what a page of documentation lists, and what a
/// mistyped one is compared with.
enum ConfigurationKeys {
    /// Used.
    static let used: [String] = {
        let transformer = [
            "in_channels", "input_size", "patch_size", "hidden_size", "depth", "num_heads",
            "mlp_ratio", "temporal_casual",
        ]
        let data = [
            "data_dir", "meta_path", "data_frac", "is_strict_loading", "skip_missing_files",
            "start_index", "video_params.input_height", "video_params.input_width",
            "video_params.sample_num_frames", "video_params.sample_fps",
        ]
        let schedule = [
            "target", "params.lr_min", "params.lr_max", "params.lr_start", "params.warmup_steps",
            "params.warmup_rate", "params.num_warmup_steps",
        ]
        var keys = [
            "model.base_learning_rate",
            "model.params.monitor", "model.params.ckpt_path", "model.params.ignore_keys",
            "model.params.init", "model.params.init_clips",
            "model.params.expect_ch", "model.params.cont_num_blocks",
            "model.params.downsample_motion", "model.params.motion_num_blocks",
            "model.params.d_dim", "model.params.init_ch", "model.params.ema_decay",
            "model.params.lr_g_factor", "model.params.regularizer_config.params.sample",
            "model.params.optimizer_config.target",
            "model.params.optimizer_config.params.betas",
            "model.params.optimizer_config.params.weight_decay",
            "model.params.optimizer_config.params.eps",
            "model.params.optimizer_config.params.lr_scale",
            "data.params.batch_size", "data.params.num_workers", "data.params.prefetch_factor",
            "data.params.train", "data.params.validation",
            "lightning.modelcheckpoint.params.every_n_train_steps",
            "lightning.modelcheckpoint.params.save_top_k",
            "lightning.modelcheckpoint.params.monitor",
            "lightning.callbacks.early_stopping.target",
            "lightning.callbacks.early_stopping.params.patience",
            "lightning.callbacks.early_stopping.params.min_delta",
            "lightning.callbacks.early_stopping.params.monitor",
            "lightning.callbacks.early_stopping.params.mode",
            "lightning.callbacks.image_logger.params.batch_frequency",
            "lightning.callbacks.image_logger.params.disabled",
            "lightning.callbacks.image_logger.params.max_samples",
            "lightning.callbacks.image_logger.params.log_images_kwargs.n_rows",
        ]
        keys += transformer.flatMap { key in
            ["encoder", "decoder"].map { "model.params.\($0)_config.params.\(key)" }
        }
        keys += [
            "num_query_tokens", "query_hidden_size", "encoder_hidden_size", "num_hidden_layers",
            "intermediate_size", "num_attention_heads", "cross_attention_frequency",
            "hidden_dropout_prob", "attention_probs_dropout_prob",
        ].map { "model.params.temporal_qformer_config.params.\($0)" }
        keys += loss.map { "model.params.loss_config.params.\($0)" }
        keys += ["g", "d"].flatMap { which in
            schedule.map { "model.params.lr_scheduler_config_\(which).\($0)" }
        }
        keys += ["train", "validation"].flatMap { part in
            data.map { "data.params.\(part).params.\($0)" }
        }
        keys += trainer.map { "lightning.trainer.\($0)" }
        return keys
    }()

    /// `loss_config.params`.
    static let loss = [
        "disc_start", "disc_weight", "disc_factor", "disc_type", "disc_loss", "disc_num_layers",
        "disc_in_channels", "disc_channels", "gen_loss_cross_entropy", "pixelloss_weight",
        "pixel_loss",
        "learn_logvar", "logvar_init", "perceptual_weight", "regularization_weights.kl_loss",
        "lecam_loss_weight", "dims", "scale_input_to_tgt_size",
    ]

    /// `lightning.trainer`.
    static let trainer = [
        "max_epochs", "max_steps", "accumulate_grad_batches", "gradient_clip_val", "precision",
        "val_check_interval", "limit_train_batches", "limit_val_batches", "num_sanity_val_steps",
        "log_every_n_steps", "sync_batchnorm",
    ]

    /// Taken, and said once to have no effect: keys, and everything below them.
    static let unused: [(key: String, why: String)] = [
        ("lightning.trainer.devices", "one process computes, with all its threads"),
        ("lightning.trainer.num_nodes", "one process computes"),
        ("lightning.trainer.strategy", "one process computes"),
        ("lightning.trainer.benchmark", "it serves GPUs"),
        ("lightning.trainer.accelerator", "the CPU computes"),
        ("lightning.strategy", "one process computes"),
        (
            "lightning.callbacks",
            "of them, early_stopping counts, and image_logger's batch_frequency, max_samples, "
                + "n_rows and disabled"
        ),
        ("lightning.logger", "metrics.jsonl and TensorBoard's files are written"),
        ("lightning.modelcheckpoint.params.save_last", "last.ckpt is always written"),
        ("lightning.modelcheckpoint.params.verbose", "checkpoints are always said"),
        ("lightning.modelcheckpoint.params.filename", "names are fixed"),
        ("lightning.modelcheckpoint.target", "there is one way"),
        ("model.params.lr_scheduler_config", "lr_scheduler_config_g and _d count"),
        ("model.params.input_key", "clips have no keys"),
        ("model.params.compile_model", "there is nothing to compile"),
        ("model.params.ckpt_path2", "ckpt_path counts"),
        ("model.params.trainable_ae_params", "all parameters are trained"),
        ("model.params.trainable_disc_params", "all parameters are trained"),
        ("model.params.ae_optimizer_args", "optimizer_config counts"),
        ("model.params.disc_optimizer_args", "optimizer_config counts"),
        ("model.params.weight_decay", "optimizer_config counts"),
        ("data.params.test", "nothing is tested"),
        ("data.params.train.params.transform", "frames are scaled and cropped"),
        ("data.params.validation.params.transform", "frames are scaled and cropped"),
        ("data.params.wrap", "data is read by this program"),
        ("data.params.shuffle", "the order is by counter"),
    ]

    /// Keys of the model's own that the model's reader knows, and classes' names.
    static func isModel(_ key: String) -> Bool {
        key.hasSuffix(".target") || key == "model.target" || key == "data.target"
            || ["encoder_config", "decoder_config", "temporal_qformer_config"].contains {
                key.hasPrefix("model.params.\($0).")
            } || key == "model.params.shuffle_content"
    }

    /// Whether a key may be set where no file has it.
    static func isKnown(_ key: String) -> Bool {
        used.contains { key == $0 || key.hasPrefix($0 + ".") || $0.hasPrefix(key + ".") }
            || unused.contains { key == $0.key || key.hasPrefix($0.key + ".") } || isModel(key)
    }

    /// The key that is written most like this one.
    static func nearest(to key: String, among others: [String]) -> String? {
        let candidates = Set(used + others)
        return candidates.min { (distance(key, $0), $0) < (distance(key, $1), $1) }
    }

    /// How many characters must be put in, left out or exchanged.
    private static func distance(_ a: String, _ b: String) -> Int {
        let (a, b) = (Array(a.utf8.prefix(200)), Array(b.utf8.prefix(200)))
        var row = Array(0...b.count)
        for i in 0..<a.count {
            var diagonal = row[0]
            row[0] = i + 1
            for j in 0..<b.count {
                let change = diagonal + (a[i] == b[j] ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(change, row[j] + 1, diagonal + 1)
            }
        }
        return row[b.count]
    }
}

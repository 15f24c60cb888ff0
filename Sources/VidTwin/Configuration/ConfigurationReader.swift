import Glibc
import TensorFiles

extension Configuration {
    /// Reads a configuration with the keys of the published ones from text; `path` serves for messages.
    ///
    /// A key that would change the result and is not known is an error; one that serves only
    /// training or another backend is accepted, the latter with a sentence in `notes`.
    /// - Throws: `ModelError.configuration` with file, key path, expected and found.
    public init(text: [UInt8], path: String) throws {
        let document: YAMLDocument
        do {
            document = try YAMLDocument(text)
        } catch {
            throw ModelError.configuration(
                path: path, key: "line \(error.line)", expected: error.expected,
                found: error.found)
        }
        guard let root = document.root else {
            throw ModelError.configuration(
                path: path, key: "line 1", expected: "the key model", found: "an empty file")
        }
        let file = ConfigurationNode(document, root: root, file: path)
        let params = try file.required("model", "a mapping with params")
            .required("params", "the model's parameters")
        try self.init(params: params)
    }

    private init(params: ConfigurationNode) throws {
        var notes: [String] = []
        try checkKeys(
            params,
            used: [
                "expect_ch", "cont_num_blocks", "downsample_motion", "motion_num_blocks", "d_dim",
                "init_ch", "temporal_qformer_config", "encoder_config", "decoder_config",
            ],
            training: [
                "input_key", "monitor", "ckpt_path", "ckpt_path2", "ignore_keys", "loss_config",
                "regularizer_config", "lr_scheduler_config", "lr_scheduler_config_g",
                "lr_scheduler_config_d", "optimizer_config", "trainable_ae_params",
                "ae_optimizer_args", "trainable_disc_params", "disc_optimizer_args",
                "weight_decay", "lr_g_factor", "ema_decay", "init", "init_clips",
            ],
            backend: ["compile_model"], fixed: ["shuffle_content": "false"], notes: &notes)
        path = params.file
        encoder = try transformer(params, "encoder_config", &notes)
        decoder = try transformer(params, "decoder_config", &notes)
        let qformerNode = try params.required("temporal_qformer_config", "a mapping with params")
            .required("params", "the Q-Former's parameters")
        qformer = try Configuration.qformer(qformerNode, &notes)

        func required(_ key: String, _ range: ClosedRange<Int>) throws -> Int {
            try params.required(key, "a whole number").integer(range)
        }
        structureChannels = try required("expect_ch", 1...4096)
        structureBlocks = try required("cont_num_blocks", 0...8)
        initialChannels = try params.optional("init_ch")?.integer(1...4096) ?? 128
        dynamicsChannels = try required("d_dim", 1...4096)
        downsamplesDynamics = try params.required("downsample_motion", "true or false").boolean()
        dynamicsBlocks = downsamplesDynamics ? try required("motion_num_blocks", 0...8) : 0
        self.notes = notes
        try checkAgreement(params, qformerNode)
    }

    /// What must agree between the parts.
    private func checkAgreement(
        _ params: ConfigurationNode, _ qformerNode: ConfigurationNode
    ) throws {
        func disagree(_ key: String, _ expected: String, _ found: String) -> ModelError {
            .configuration(
                path: path, key: "\(params.path).\(key)", expected: expected, found: found)
        }
        if qformer.contextWidth != encoder.width {
            throw disagree(
                "temporal_qformer_config.params.encoder_hidden_size",
                "the encoder's hidden_size, \(encoder.width)", "\(qformer.contextWidth)")
        }
        if decoder.width != encoder.width {
            throw disagree(
                "decoder_config.params.hidden_size",
                "the encoder's hidden_size, \(encoder.width)", "\(decoder.width)")
        }
        if decoder.patch != encoder.patch || decoder.frames != encoder.frames
            || decoder.pixelHeight != encoder.pixelHeight
            || decoder.pixelWidth != encoder.pixelWidth
        {
            throw disagree(
                "decoder_config.params.input_size, patch_size", "those of the encoder",
                "\(decoder.frames)x\(decoder.pixelHeight)x\(decoder.pixelWidth), patch "
                    + "\(decoder.patch.time)x\(decoder.patch.height)x\(decoder.patch.width)")
        }
        // Reference: `up_motion` is one matrix, used along rows and along columns.
        if downsamplesDynamics && encoder.grid.rows != encoder.grid.columns {
            throw disagree(
                "downsample_motion",
                "false, or a square grid: one up_motion matrix serves both axes",
                "true on a grid of \(encoder.grid.rows)x\(encoder.grid.columns) patches")
        }
    }

    private static func qformer(
        _ node: ConfigurationNode, _ notes: inout [String]
    ) throws -> QFormerConfiguration {
        try checkKeys(
            node,
            used: [
                "num_query_tokens", "query_hidden_size", "encoder_hidden_size",
                "num_hidden_layers", "intermediate_size", "num_attention_heads",
                "cross_attention_frequency",
            ],
            training: ["hidden_dropout_prob", "attention_probs_dropout_prob"],
            notes: &notes)
        let configuration = QFormerConfiguration(
            queries: try node.required("num_query_tokens", "a whole number").integer(1...4096),
            width: try node.required("query_hidden_size", "a whole number").integer(1...16384),
            contextWidth: try node.required("encoder_hidden_size", "a whole number")
                .integer(1...16384),
            layers: try node.optional("num_hidden_layers")?.integer(1...256) ?? 6,
            hidden: try node.optional("intermediate_size")?.integer(1...65536) ?? 768,
            heads: try node.optional("num_attention_heads")?.integer(1...256) ?? 8,
            crossAttentionEvery: try node.optional("cross_attention_frequency")?.integer(1...256)
                ?? 2)
        if configuration.width % configuration.heads != 0 {
            throw ModelError.configuration(
                path: node.file, key: "\(node.path).query_hidden_size",
                expected: "a multiple of num_attention_heads, \(configuration.heads)",
                found: "\(configuration.width)")
        }
        return configuration
    }

    static func contents(of path: String) throws -> [UInt8] {
        func failure(_ found: String) -> ModelError {
            .configuration(path: path, key: "file", expected: "a readable file", found: found)
        }
        guard let file = path.withPathBytes({ fopen($0, "rb") }) else {
            throw failure(String(cString: strerror(errno)))
        }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: YAMLDocument.maximumBytes + 1)
        let count = fread(&bytes, 1, bytes.count, file)
        if ferror(file) != 0 { throw failure(String(cString: strerror(errno))) }
        if count > YAMLDocument.maximumBytes {
            throw failure("more than \(YAMLDocument.maximumBytes) bytes: not a configuration")
        }
        return Array(bytes.prefix(count))
    }
}

private func transformer(
    _ params: ConfigurationNode, _ key: String, _ notes: inout [String]
) throws -> TransformerConfiguration {
    let node = try params.required(key, "a mapping with params")
        .required("params", "the transformer's parameters")
    try checkKeys(
        node,
        used: [
            "in_channels", "input_size", "patch_size", "hidden_size", "depth", "num_heads",
            "mlp_ratio", "temporal_casual",
        ],
        training: ["drop_path", "freeze"],
        backend: ["enable_flashattn", "enable_layernorm_kernel", "no_temporal_pos_emb"],
        // The position tables come from the checkpoint, so their scales need no code here.
        fixed: [
            "pred_sigma": "false", "no_temporal": "false", "temporal_group": "false",
            "group_size": "1", "space_scale": "1", "time_scale": "1",
        ],
        notes: &notes)
    if let channels = try node.optional("in_channels") { _ = try channels.integer(3...3) }
    let sizes = try node.required("input_size", "[frames, height, width]")
    let (frames, height, width) = try sizes.triple(1...8192)
    let patches = try node.required("patch_size", "[frames, rows, columns]")
    let (pt, ph, pw) = try patches.triple(1...1024)
    if frames % pt != 0 || height % ph != 0 || width % pw != 0 {
        throw sizes.failure(
            expected: "multiples of patch_size, [\(pt), \(ph), \(pw)]",
            found: "[\(frames), \(height), \(width)]")
    }
    let hidden = try node.required("hidden_size", "a whole number")
    let size = try hidden.integer(4...16384)
    let heads = try node.required("num_heads", "a whole number").integer(1...1024)
    if size % 4 != 0 || size % heads != 0 {
        throw hidden.failure(expected: "a multiple of 4 and of num_heads, \(heads)")
    }
    let tokens = (frames / pt) * (height / ph) * (width / pw)
    if tokens * size > 1 << 28 || frames * height * width > 1 << 27 {
        throw sizes.failure(
            expected: "a clip of at most \(1 << 27) pixels and \(1 << 28) token channels",
            found: "\(frames * height * width) and \(tokens * size)")
    }
    let ratio = try node.optional("mlp_ratio")?.number(0.001...64) ?? 4
    return TransformerConfiguration(
        frames: frames, pixelHeight: height, pixelWidth: width,
        patch: PatchSize(time: pt, height: ph, width: pw), width: size,
        depth: try node.required("depth", "a whole number").integer(1...512), heads: heads,
        hidden: max(Int(Double(size) * ratio), 1),
        causal: try node.optional("temporal_casual")?.boolean() ?? true)
}

/// Sorts the keys of a mapping into those that are used, those that serve training only, those of
/// another backend (noted), and those accepted with one value only; any other is an error.
private func checkKeys(
    _ node: ConfigurationNode, used: [String], training: [String] = [], backend: [String] = [],
    fixed: [String: String] = [:], notes: inout [String]
) throws {
    for key in node.keys where !used.contains(key) && !training.contains(key) {
        if backend.contains(key) {
            notes.append("\(node.path).\(key) serves another backend and has no effect here")
        } else if let only = fixed[key] {
            if let value = try node.optional(key), value.found.lowercased() != "\"\(only)\"" {
                throw value.failure(expected: "\(only), the only value supported")
            }
        } else {
            let value = try node.optional(key)
            throw ModelError.configuration(
                path: node.file, key: value?.place ?? "\(node.path).\(key)",
                expected: "a key that VidTwin knows", found: "\(key), which is not one")
        }
    }
}

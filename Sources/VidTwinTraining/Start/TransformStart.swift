import Glibc
package import VidTwin

/// Weights with which a model is a linear transform code before its first step
/// (`model.params.init: transform`; docs/TRAINING.md).
///
/// The embedding holds the strongest components of the patches. The structure latent has their means over
/// the clip: the Q-Former averages, and its MLP hands each query its own eight. Units in pairs, whose
/// difference is the identity, are shut for other queries by a query's tag. The tag travels in the latent
/// as an offset of one channel, and ReLUs of the structure's way back open that query's places of the
/// decoder's tokens by it. The dynamics latents have how the first components leave those means
/// (`TransformPlan`): the encoder's first attention over time finds their ways at a few moments, and pairs
/// of units gated by the place put each row, and each column, of those maps into a channel of its own, so
/// that the means over rows and columns which these latents are keep all of it. The decoder's first block
/// does that backwards. The last layer is the ridge regression of pixels on tokens, such as lack one of
/// the parts among them.
///
/// Narrow forms are what shaped it: keys read one channel each, functionals of tables have the least norm
/// that does (`LeastNorm`), offsets that ReLUs need go as soon as they can, and a tag is in the company of
/// the weakest coefficients.
/// Every branch of the blocks starts behind a small gate, so that training begins gently.
package struct TransformStart {
    /// Numbers of the construction, chosen by trials: what held at float32, bfloat16 and int8.
    enum Scale {
        /// Coefficients in the embedding, in deviations; how much more of those that move, and so much that
        /// their ways become `visible`.
        static let embedding = 0.5
        static let most = 3.0
        static let visible = 0.6
        /// Gates of blocks.
        static let gate = 0.1
        /// Content of a query beside its tag, whose variance is 1.
        static let query = 0.015
        /// A carried number in the query, and in the decoder's tokens.
        static let slot = 0.12
        /// Where a carried number is cut off: the largest one lies here.
        static let limit = 6.0
        /// How far a query's units are shut for others, by difference of tags.
        static let shut = 2.0
        /// A deviation of the latent, and the tag's offset in deviations.
        static let latent = 0.1
        static let tag = 14.0
        /// Offset of carried numbers before a ReLU.
        static let offset = 6.5
        /// Constants that keep a token's variance steady, of the encoder and of the decoder.
        static let constant = (encoder: 6.0, decoder: 4.0)
        static let constants = (encoder: 24, decoder: 18)
        /// Channels that tell places and moments, at least.
        static let labels = 24
        /// How far pairs of units reach in dynamics, in units of a way, and what shuts them.
        static let open = 6.5
        static let shutting = 15.0
        /// The part of ways that stays 2 units below `open`.
        static let wayQuantile = 0.9995
        /// A way in the encoder's tokens, and what shows the MLP which coefficient's knots a frame has.
        static let way = 0.6
        static let turn = 3.0
        /// How far above 0 such a sign may lie, in units of how far it lies below elsewhere.
        static let over = 0.4
        /// Offset of ways on their way back, their size in the decoder's tokens, and the tag of those
        /// along columns.
        static let swing = 7.5
        static let part = 0.32
        static let side = 18.0
        /// Ridges of functionals of tables, and of the last layer; the weight of a sum that is to be 0.
        static let fit = 1e-4
        static let sum = 30.0
        static let ridge = 1e-5
        /// What products of bfloat16 lose, as a part of squares.
        static let rounding = 5e-6
        /// How much clips without one of their parts count in the last layer.
        static let parts = 0.1
    }

    let c: Configuration
    let algebra: LinearAlgebra
    let basis: PatchBasis
    let plan: TransformPlan
    let channels: EncoderChannels
    let tokenChannels: DecoderChannels
    let windows: TimeWindows
    /// Coefficients in the embedding, in deviations.
    var gains: [Double]
    var weights: NamedWeights
    let say: (String) -> Void

    /// Tables of places `[S][C]` and moments `[T][C]`.
    let places, moments: [[Double]]

    /// The weights of a model of this configuration: `base` where nothing is constructed, the rest after
    /// `clips`, each `[1, T, H, W, 3]`.
    ///
    /// - Throws: `ModelError.configuration` where the model has no room for the code, `TrainingError`.
    package static func weights(
        _ configuration: Configuration, place: String, base: InitialWeights, clips: [Tensor],
        say: @escaping (String) -> Void
    ) throws -> any WeightSource {
        var start = try TransformStart(
            configuration, place: place, base: base, clips: clips, say: say)
        start.clearBase()
        let samples = start.samples(clips)
        for (k, deviation) in samples.moving.enumerated() {
            start.gains[k] *= min(max(Scale.visible / max(deviation, 1e-6), 1), Scale.most)
        }
        try start.encoder(samples)
        try start.structure(samples)
        try start.dynamics()
        try start.decoder(samples)
        try start.lastLayer(clips)
        if start.plan.closesSteps {
            try start.edges(clips)
            try start.lastLayer(clips)
        }
        return start.weights
    }

    private init(
        _ c: Configuration, place: String, base: InitialWeights, clips: [Tensor],
        say: @escaping (String) -> Void
    ) throws {
        (self.c, self.say) = (c, say)
        algebra = try LinearAlgebra()
        let (d, Q, C) = (c.structureChannels, c.qformer.queries, c.encoder.width)
        let T = c.encoder.grid.time
        func need(_ isMet: Bool, _ key: String, _ expected: String, _ found: String) throws {
            if isMet { return }
            throw ModelError.configuration(
                path: place, key: "model.params.\(key)",
                expected: "\(expected), for init: transform", found: found)
        }
        try need(c.encoder.patch.time == 1, "encoder_config.params.patch_size", "1 frame", "more")
        try need(c.structureBlocks == 0, "cont_num_blocks", "0", "\(c.structureBlocks)")
        try need(!c.downsamplesDynamics, "downsample_motion", "false", "true")
        try need(
            !c.encoder.causal, "encoder_config.params.temporal_casual", "false", "true")
        try need(c.encoder.depth > 0, "encoder_config.params.depth", "1 or more", "0")
        try need(Q <= 2 * d, "expect_ch", "at least half the queries (\(Q))", "\(d)")
        try need(Q >= 4, "temporal_qformer_config.params.num_query_tokens", "4 or more", "\(Q)")
        try need(
            c.qformer.hidden >= 4 * Q * d, "temporal_qformer_config.params.intermediate_size",
            "at least \(4 * Q * d), 4 for each number of a place", "\(c.qformer.hidden)")
        try need(
            c.initialChannels >= max(2 * d + Q, Q + d), "init_ch", "at least \(2 * d + Q)",
            "\(c.initialChannels)")
        try need(
            T % TransformPlan.knots == 0, "encoder_config.params.input_size",
            "a multiple of \(TransformPlan.knots) frames", "\(T)")
        try need(!c.decoder.causal, "decoder_config.params.temporal_casual", "false", "true")
        plan = TransformPlan(c)
        let width = c.qformer.width
        try need(
            width > Q + d + plan.count, "temporal_qformer_config.params.query_hidden_size",
            "more than \(Q + d + plan.count)", "\(width)")
        try need(
            c.dynamicsChannels > plan.side, "d_dim",
            "more than \(plan.side), the grid's longer side",
            "\(c.dynamicsChannels)")
        let (encoder, decoder) = (
            EncoderChannels.needed(plan, constants: Scale.constants.encoder),
            DecoderChannels.needed(plan, constants: Scale.constants.decoder)
        )
        try need(
            C >= max(encoder, decoder), "decoder_config.params.hidden_size",
            "at least \(max(encoder, decoder))", "\(C)")
        let (sorting, choosing) = (8 * plan.side * plan.strong, 10 * plan.side * plan.strong)
        for (part, heads, values, units, transformer) in [
            ("encoder", plan.strong + 2, plan.moving, sorting, c.encoder),
            (
                "decoder", max(plan.strong, plan.closesSteps ? 4 : 0), plan.carried,
                choosing + (plan.closesSteps ? 2 * plan.carried * plan.strong : 0), c.decoder
            ),
        ] {
            try need(
                transformer.heads >= heads && C / transformer.heads >= values,
                "\(part)_config.params.num_heads",
                "\(heads) or more, of \(values) channels or more",
                "\(transformer.heads) of \(C / transformer.heads)")
            try need(
                transformer.hidden >= units, "\(part)_config.params.mlp_ratio",
                "\(units) units or more", "\(transformer.hidden)")
        }
        basis = try PatchBasis(
            clips, count: plan.count, algebra, mirrors: TransformStart.mirrors(c)
        ) {
            TransformStart.patches($0, c)
        }
        say(
            "init: transform: \(plan.count) components of \(clips.count) clips' patches, how the first "
                + "\(plan.moving) of them move at \(TransformPlan.knots) moments of a clip")

        let grid = c.encoder.grid
        let space = PositionTable.space(C, rows: grid.rows, columns: grid.columns)
        let time = PositionTable.time(C, frames: T)
        places = (0..<grid.rows * grid.columns).map { Array(space[$0 * C..<($0 + 1) * C]) }
        moments = (0..<T).map { Array(time[$0 * C..<($0 + 1) * C]) }
        let windows = TimeWindows(c)
        self.windows = windows
        gains = [Double](repeating: Scale.embedding, count: plan.count)
        // First such as hold 1 nearly everywhere: what dynamics pass through has no table of its own. Last
        // those that keys read, which nothing else may be in.
        let (table, flat, times) = (places, TransformStart.flattest(places), moments)
        func order(_ steady: [Int], keys looks: [TimeWindow], places: [Int] = []) -> [Int] {
            let waves = looks.flatMap { $0.waves }
            let keys = Set(waves.flatMap { windows.rates.channels($0.index) } + places)
            let first = steady.filter { !keys.contains($0) }
            return first + flat.filter { !keys.contains($0) && !first.contains($0) } + keys.sorted()
        }
        let steady = flat.filter { channel in table.allSatisfy { $0[channel] > 0.9 } }
        let steadiest = TransformStart.flattest(table, times)
            .filter(Set(steady).contains).prefix(DecoderChannels.steady(plan))
        channels = EncoderChannels(
            plan,
            order: order(
                Array(steady.prefix(plan.moving + 1)), keys: [windows.knots(of: 0), windows.own]),
            constants: Scale.constants.encoder)
        tokenChannels = DecoderChannels(
            plan,
            order: order(
                Array(steadiest), keys: [windows.moment(of: 0)],
                places: plan.closesSteps ? TransformStart.placeKeys(c).channels : []),
            constants: Scale.constants.decoder)
        weights = try NamedWeights(base, path: "constructed weights")
    }

    /// Channels in the order of how little tables vary in them.
    static func flattest(_ tables: [[Double]]...) -> [Int] {
        let width = tables.first?.first?.count ?? 0
        let spread = (0..<width).map { channel in
            tables.reduce(0) { sum, table in
                sum + TransformStart.deviation(table.map { $0[channel] })
            }
        }
        return (0..<width).sorted { (spread[$0], $0) < (spread[$1], $1) }
    }

    static func mean(_ x: [Double]) -> Double { x.reduce(0, +) / Double(max(x.count, 1)) }

    static func deviation(_ x: [Double]) -> Double {
        let mean = mean(x)
        return (x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(x.count, 1)))
            .squareRoot()
    }

    /// A clip's patches `[T·S, 3·h·w]`, in the order channel, row, column.
    static func patches(_ clip: Tensor, _ c: Configuration) -> Tensor {
        let (T, H, W) = (clip.dim(1), clip.dim(2), clip.dim(3))
        let (h, w) = (c.encoder.patch.height, c.encoder.patch.width)
        let (rows, columns) = (H / h, W / w)
        let out = Tensor([T * rows * columns, 3 * h * w], on: clip.device)
        out.withPointer { to in
            clip.withPointer { from in
                clip.device.parallel(T) { t, _ in
                    for row in 0..<H {
                        for column in 0..<W {
                            let patch = (t * rows + row / h) * columns + column / w
                            let at = patch * 3 * h * w + row % h * w + column % w
                            let pixel = ((t * H + row) * W + column) * 3
                            for channel in 0..<3 {
                                to[at + channel * h * w] = from[pixel + channel]
                            }
                        }
                    }
                }
            }
        }
        return out
    }

    /// A patch's numbers from right to left, from below, and both.
    private static func mirrors(_ c: Configuration) -> [[Int]] {
        let (h, w) = (c.encoder.patch.height, c.encoder.patch.width)
        return [(false, true), (true, false), (true, true)].map { below, right in
            (0..<3 * h * w).map { at in
                let (channel, row, column) = (at / (h * w), at / w % h, at % w)
                return (channel * h + (below ? h - 1 - row : row)) * w
                    + (right ? w - 1 - column : column)
            }
        }
    }

    /// What the base has where nothing is constructed: silence, small numbers, no offsets.
    private mutating func clearBase() {
        let C = c.encoder.width
        for (part, depth) in [("encoder", c.encoder.depth), ("decoder", c.decoder.depth)] {
            weights.clear("\(part).final_layer.scale_shift_table")
            for index in 0..<depth {
                let block = "\(part).blocks.\(index)"
                weights.clear("\(block).scale_shift_table")
                for channel in 0..<C {
                    weights["\(block).scale_shift_table", 2, channel] = Scale.gate
                    weights["\(block).scale_shift_table", 5, channel] = Scale.gate
                }
                for name in ["attn.proj", "attn_temp.proj", "mlp.fc2"] {
                    weights.clear("\(block).\(name).weight")
                }
            }
        }
        for name in [
            "conv_in", "bottle_down", "bottle_up.0", "conv_out", "cont_emb.0", "cont_emb.2",
            "motion_emb.0", "motion_emb.2", "motion_head",
        ] {
            weights.clear("\(name).bias")
            weights.scale("\(name).weight", by: 0.05)
        }
    }
}

extension PatchBasis {
    /// Coefficients of patches `[n, size]` in deviations: `[count][n]`.
    func coefficients(_ patches: Tensor) -> [[Double]] {
        let (n, P, K) = (patches.dim(0), size, directions.count)
        // As a product: directions in columns, patches in columns.
        let (a, b) = (Tensor([P, n], on: patches.device), Tensor([P, K], on: patches.device))
        patches.withPointer { from in
            a.withPointer { to in
                for row in 0..<n {
                    for i in 0..<P { to[i * n + row] = from[row * P + i] - Float(mean[i]) }
                }
            }
        }
        b.withPointer { to in
            for k in 0..<K {
                for i in 0..<P { to[i * K + k] = Float(directions[k][i] / deviations[k]) }
            }
        }
        let out = weightGradient(b, a).values
        return (0..<K).map { k in (0..<n).map { Double(out[k * n + $0]) } }
    }
}

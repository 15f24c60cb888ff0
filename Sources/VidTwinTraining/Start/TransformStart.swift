import Glibc
package import VidTwin

/// Weights with which a model is a linear transform code before its first step
/// (`model.params.init: transform`; docs/TRAINING.md).
///
/// The embedding holds the strongest components of the patches. The Q-Former's heads average them over
/// windows of time, and its MLP hands each query its own eight (`TransformPlan`): units in pairs, whose
/// difference is the identity, are shut for other queries by a query's tag. The tag travels in the latent
/// as an offset of one channel, and ReLUs of the structure's way back open that query's places of the
/// decoder's tokens by it. Dynamics carry what is left of the strongest components when a moment's
/// neighbourhood is taken away. The last layer is the ridge regression of pixels on tokens.
/// Every branch of the blocks starts silent behind a small gate, so that training begins gently.
package struct TransformStart {
    /// Numbers of the construction, chosen by trials: what held at float32, bfloat16 and int8.
    enum Scale {
        /// Coefficients in the embedding, in deviations.
        static let embedding = 4.0
        /// Gates of blocks.
        static let gate = 0.1
        /// Content of a query beside its tag, whose variance is 1.
        static let query = 0.04
        /// A carried number in the query, and in the decoder's tokens.
        static let slot = 0.12
        /// Where a carried number is cut off, in its deviations.
        static let limit = 6.0
        /// The part of carried numbers below `limit`.
        static let quantile = 0.9999
        /// How far a query's units are shut for others, by difference of tags.
        static let shut = 1.5
        /// A deviation of the latent, and the tag's offset in deviations.
        static let latent = 0.1
        static let tag = 14.0
        /// Offset of carried numbers before a ReLU.
        static let offset = 6.5
        /// Constants that keep a token's variance steady.
        static let constant = 8.0
        static let constants = 12
        /// Frames over which a moment's neighbourhood reaches, and a window of the Q-Former.
        static let neighbourhood = 2.0
        static let window = 2.2
        static let ridge = 1e-5
    }

    let c: Configuration
    let algebra: LinearAlgebra
    let basis: PatchBasis
    let plan: TransformPlan
    var weights: NamedWeights
    let say: (String) -> Void

    // Encoder: channels of coefficients, of what moves, of time labels, and the rest.
    let content: [Int]
    let moving: [Int]
    let labels: [Int]
    let spare: [Int]
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
        try start.encoder()
        let samples = try start.samples(clips)
        try start.bottleneck(samples)
        try start.lastLayer(clips)
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
        let room = Q * d + 2 * c.dynamicsChannels + Scale.constants
        try need(
            C >= room + 16, "decoder_config.params.hidden_size", "at least \(room + 16)", "\(C)")

        plan = TransformPlan(queries: Q, channels: d)
        let count = plan.count
        let (heads, size) = (c.qformer.heads, c.qformer.width / c.qformer.heads)
        let still = (count - plan.moving + size - 1) / size
        let windows = plan.moving > 0 ? 4 : 0
        try need(
            plan.moving <= size && still + windows <= heads,
            "temporal_qformer_config.params.num_attention_heads",
            "\(still + windows) or more, of \(plan.moving) channels or more",
            "\(heads) of \(size)")
        let columns = Q + d + count - plan.moving + (heads - still) * plan.moving
        try need(
            c.qformer.width >= columns, "temporal_qformer_config.params.query_hidden_size",
            "at least \(columns)", "\(c.qformer.width)")
        try need(
            C >= count + c.dynamicsChannels + 34, "encoder_config.params.hidden_size",
            "at least \(count + c.dynamicsChannels + 34)", "\(C)")
        basis = try PatchBasis(clips, count: max(count, c.dynamicsChannels), algebra) {
            TransformStart.patches($0, c)
        }
        say(
            "init: transform: \(count) components of \(clips.count) clips' patches, the first "
                + "\(plan.moving) of them at several moments of a clip")

        let grid = c.encoder.grid
        let space = PositionTable.space(C, rows: grid.rows, columns: grid.columns)
        let time = PositionTable.time(C, frames: T)
        places = (0..<grid.rows * grid.columns).map { Array(space[$0 * C..<($0 + 1) * C]) }
        moments = (0..<T).map { Array(time[$0 * C..<($0 + 1) * C]) }
        let rates = (0..<C / 2).map { pow(10000, -Double($0) / (Double(C) / 2)) }
        let sines = [0.35, 0.22, 0.15, 0.1, 0.06].map { wanted in
            rates.indices.min { abs(rates[$0] - wanted) < abs(rates[$1] - wanted) } ?? 0
        }
        let labels = Array(Set(sines)).sorted() + Array(Set(sines)).sorted().map { $0 + C / 2 }
        self.labels = labels
        let flat = TransformStart.flattest(places).filter { !labels.contains($0) }
        content = Array(flat.prefix(count))
        moving = Array(flat.dropFirst(count).prefix(c.dynamicsChannels))
        let used = Set(content + moving + labels)
        spare = (0..<C).filter { !used.contains($0) }
        weights = try NamedWeights(base, path: "constructed weights")
    }

    /// Channels in the order of how little a table varies in them.
    static func flattest(_ table: [[Double]]) -> [Int] {
        let width = table.first?.count ?? 0
        let spread = (0..<width).map { channel in
            TransformStart.deviation(table.map { $0[channel] })
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

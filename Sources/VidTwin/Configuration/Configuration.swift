import TensorFiles

/// The patch grid of a clip.
public struct Grid: Hashable, Sendable {
    /// Frame patches, patch rows, patch columns.
    public let time, rows, columns: Int

    /// Positions of a frame.
    public var positions: Int { rows * columns }
}

/// Encoder or decoder: a spatio-temporal transformer.
public struct TransformerConfiguration: Hashable, Sendable {
    /// Frames of a clip (`input_size[0]`).
    public let frames: Int
    /// Pixels of a frame (`input_size[1]`, `input_size[2]`).
    public let pixelHeight, pixelWidth: Int
    /// Size of a patch (`patch_size`).
    public let patch: PatchSize
    /// Channels of a token (`hidden_size`).
    public let width: Int
    /// Blocks.
    public let depth: Int
    /// Attention heads.
    public let heads: Int
    /// Channels between the two layers of an MLP (`hidden_size · mlp_ratio`).
    public let hidden: Int
    /// Whether a frame sees only itself and those before it (`temporal_casual`).
    public let causal: Bool

    package init(
        frames: Int, pixelHeight: Int, pixelWidth: Int, patch: PatchSize, width: Int, depth: Int,
        heads: Int, hidden: Int, causal: Bool
    ) {
        (self.frames, self.pixelHeight, self.pixelWidth) = (frames, pixelHeight, pixelWidth)
        (self.patch, self.width, self.depth, self.heads) = (patch, width, depth, heads)
        (self.hidden, self.causal) = (hidden, causal)
    }

    /// The grid of patches.
    public var grid: Grid {
        Grid(
            time: frames / patch.time, rows: pixelHeight / patch.height,
            columns: pixelWidth / patch.width)
    }
}

/// The Q-Former that gathers structure through time.
public struct QFormerConfiguration: Hashable, Sendable {
    /// Learned queries (`num_query_tokens`).
    public let queries: Int
    /// Channels of a query (`query_hidden_size`).
    public let width: Int
    /// Channels of the context (`encoder_hidden_size`).
    public let contextWidth: Int
    /// Layers (`num_hidden_layers`, 6).
    public let layers: Int
    /// Channels within an MLP (`intermediate_size`, 768).
    public let hidden: Int
    /// Attention heads (`num_attention_heads`, 8).
    public let heads: Int
    /// Every how many layers, from the first on, attend to the context
    /// (`cross_attention_frequency`, 2).
    public let crossAttentionEvery: Int

    package init(
        queries: Int, width: Int, contextWidth: Int, layers: Int, hidden: Int, heads: Int,
        crossAttentionEvery: Int
    ) {
        (self.queries, self.width, self.contextWidth) = (queries, width, contextWidth)
        (self.layers, self.hidden, self.heads) = (layers, hidden, heads)
        self.crossAttentionEvery = crossAttentionEvery
    }
}

/// What a VidTwin model is built from: the `model.params` section of a published configuration.
public struct Configuration: Hashable, Sendable {
    /// Where it was read from, for messages.
    public let path: String
    /// The encoder.
    public let encoder: TransformerConfiguration
    /// The decoder; same grid, picture and width as the encoder.
    public let decoder: TransformerConfiguration
    /// The Q-Former.
    public let qformer: QFormerConfiguration
    /// Channels of the structure latent (`expect_ch`).
    public let structureChannels: Int
    /// Halvings of the structure latent (`cont_num_blocks`).
    public let structureBlocks: Int
    /// Channels before the first halving (`init_ch`, 128).
    public let initialChannels: Int
    /// Whether dynamics maps are made smaller (`downsample_motion`).
    public let downsamplesDynamics: Bool
    /// Halvings of the dynamics maps (`motion_num_blocks`; 0 without `downsample_motion`).
    public let dynamicsBlocks: Int
    /// Channels of the dynamics latents (`d_dim`).
    public let dynamicsChannels: Int
    /// What was read and has no effect here, one sentence each.
    public let notes: [String]

    /// Frames of a clip.
    public var frames: Int { encoder.frames }
    /// Pixel rows of a frame.
    public var height: Int { encoder.pixelHeight }
    /// Pixel columns of a frame.
    public var width: Int { encoder.pixelWidth }

    /// Rows and columns of the structure latent.
    public var structureGrid: (rows: Int, columns: Int) {
        (
            halved(encoder.grid.rows, structureBlocks),
            halved(encoder.grid.columns, structureBlocks)
        )
    }

    /// Rows and columns of the dynamics maps.
    public var dynamicsGrid: (rows: Int, columns: Int) {
        (halved(encoder.grid.rows, dynamicsBlocks), halved(encoder.grid.columns, dynamicsBlocks))
    }

    /// Shape of the structure latent, `[Q, h, w, d]`.
    public var structureShape: [Int] {
        [qformer.queries, structureGrid.rows, structureGrid.columns, structureChannels]
    }

    /// Shape of the dynamics latent along columns, `[d, T, w]`.
    public var dynamicsXShape: [Int] {
        [dynamicsChannels, encoder.grid.time, dynamicsGrid.columns]
    }

    /// Shape of the dynamics latent along rows, `[d, T, h]`.
    public var dynamicsYShape: [Int] { [dynamicsChannels, encoder.grid.time, dynamicsGrid.rows] }

    /// Numbers in the latents of one clip: structure, dynamics.
    public var latentCounts: (structure: Int, dynamics: Int) {
        (
            structureShape.reduce(1, *),
            dynamicsXShape.reduce(1, *) + dynamicsYShape.reduce(1, *)
        )
    }

    /// Numbers in the latents as a fraction of the numbers in a clip's pixels.
    public var compressionRate: Double {
        Double(latentCounts.structure + latentCounts.dynamics)
            / Double(frames * height * width * 3)
    }

    /// SHA-256 of everything that makes the model what it is; two files that say the same in other
    /// words have the same one.
    public var fingerprint: String {
        func text(_ t: TransformerConfiguration) -> String {
            "\(t.frames) \(t.pixelHeight) \(t.pixelWidth) \(t.patch.time) \(t.patch.height) "
                + "\(t.patch.width) \(t.width) \(t.depth) \(t.heads) \(t.hidden) \(t.causal)"
        }
        let q = qformer
        return FileDigest.sha256(
            text: "vidtwin 1; \(text(encoder)); \(text(decoder)); \(q.queries) \(q.width) "
                + "\(q.contextWidth) \(q.layers) \(q.hidden) \(q.heads) \(q.crossAttentionEvery); "
                + "\(structureChannels) \(structureBlocks) \(initialChannels) \(downsamplesDynamics) "
                + "\(dynamicsBlocks) \(dynamicsChannels)")
    }

    /// A stride-2 convolution of size 3 halves, rounding up.
    private func halved(_ size: Int, _ times: Int) -> Int {
        (0..<times).reduce(size) { size, _ in (size + 1) / 2 }
    }
}

import VidTwinKernels

/// Features to the structure latent: a Q-Former through time, then convolutions over space
/// (reference: vidtwin/models/vidtwin_ae.py @d6ad92d, `encode`).
package struct StructureHead {
    let qformer: QFormer
    let entry, exit: Convolution
    let downsampling: [Convolution]
    let grid: Grid

    init(_ weights: Weights, _ configuration: Configuration) {
        let c = configuration.qformer.width
        qformer = QFormer(weights / "temporal_qformer", configuration.qformer)
        entry = Convolution(weights / "conv_in", c, configuration.initialChannels)
        var channels = configuration.initialChannels
        var blocks: [Convolution] = []
        for block in 0..<configuration.structureBlocks {  // every second entry is the ReLU
            blocks.append(
                Convolution(
                    weights / "content_downsample_blocks" / (2 * block), channels, 2 * channels,
                    stride: 2, activation: .relu))
            channels *= 2
        }
        downsampling = blocks
        exit = Convolution(weights / "bottle_down", channels, 2 * configuration.structureChannels)
        grid = configuration.encoder.grid
    }

    /// `[B, T, S, C] -> [B, Q, h, w, 2d]`: mean, then log-variance
    package func callAsFunction(_ z: Tensor, _ dropout: Dropout? = nil) -> Tensor {
        let (B, _, S, _) = z.shape4
        let gathered = qformer(z, dropout)
        let (Q, c) = (gathered.dim(1), gathered.dim(2))
        var x = swapMiddleAxes(gathered.reshaped([B, S, Q, c]))
            .reshaped([B * Q, grid.rows, grid.columns, c])
        x = entry(x)
        for block in downsampling { x = block(x) }
        x = exit(x)
        return x.reshaped([B, Q] + x.shape.dropFirst())
    }
}

/// The structure latent back to features (reference: vidtwin_ae.py @d6ad92d, `decode`).
package struct StructureTail {
    let entry, exit: Convolution
    let upsampling: [Convolution]
    let embedding: Linear
    let overTime: AxisLinear  // queries -> frames
    let grid: Grid

    init(_ weights: Weights, _ configuration: Configuration) {
        let (c, C) = (configuration.qformer.width, configuration.decoder.width)
        var channels = configuration.initialChannels << configuration.structureBlocks
        entry = Convolution(
            weights / "bottle_up" / 0, configuration.structureChannels, channels,
            activation: .relu)
        var blocks: [Convolution] = []
        for block in 0..<configuration.structureBlocks {  // convolution, ReLU, upsampling
            blocks.append(
                Convolution(
                    weights / "content_upsample_blocks" / (3 * block), channels, channels / 2,
                    activation: .relu))
            channels /= 2
        }
        upsampling = blocks
        exit = Convolution(weights / "conv_out", configuration.initialChannels, c)
        embedding = Linear(weights / "cont_emb" / 0, c, C, activation: .relu)
        overTime = AxisLinear(
            weights / "cont_emb" / 2,
            [configuration.decoder.grid.time, configuration.qformer.queries, 1])
        grid = configuration.decoder.grid
    }

    /// `[B, Q, h, w, d] -> [B, T, S, C]`
    package func callAsFunction(_ structure: Tensor) -> Tensor {
        let (B, Q, h, w, d) = structure.shape5
        var x = entry(structure.reshaped([B * Q, h, w, d]))
        for block in upsampling { x = upsample2x(block(x)) }
        // Upsampling overshoots where the grid is not a power of two times the latent.
        x = embedding(centreCrop(exit(x), height: grid.rows, width: grid.columns))
        let inner = grid.positions * x.dim(-1)
        return overTime(x.reshaped([B, Q, inner]))
            .reshaped([B, grid.time, grid.positions, x.dim(-1)])
    }
}

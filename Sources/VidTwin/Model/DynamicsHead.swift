import VidTwinKernels

/// Features to the dynamics latents: smaller maps, averaged along one axis, then a convolution
/// over time and the other (reference: vidtwin_ae.py @d6ad92d, `get_motion_latent`).
package struct DynamicsHead {
    let downsampling: [Convolution]
    let head: Convolution
    let grid: Grid

    init(_ weights: Weights, _ configuration: Configuration) {
        let C = configuration.encoder.width
        downsampling = (0..<configuration.dynamicsBlocks).map {
            Convolution(
                weights / "downsample_motion_module" / (2 * $0), C, C, stride: 2,
                activation: .relu)
        }
        head = Convolution(weights / "motion_head", C, 2 * configuration.dynamicsChannels)
        grid = configuration.encoder.grid
    }

    /// `[B, T, S, C] -> x [B, T, w, 2d]` (columns) and `y [B, T, h, 2d]` (rows): mean, then
    /// log-variance
    package func callAsFunction(_ z: Tensor) -> (x: Tensor, y: Tensor) {
        let (B, T, _, C) = z.shape4
        var m = z.reshaped([B * T, grid.rows, grid.columns, C])
        for block in downsampling { m = block(m) }
        let (columns, rows) = (meanOverRows(m), meanOverColumns(m))
        return (
            head(columns.reshaped([B, T, columns.dim(1), C])),
            head(rows.reshaped([B, T, rows.dim(1), C]))
        )
    }
}

/// The dynamics latents back to one vector a column and one a row (vidtwin_ae.py @d6ad92d,
/// `decode`).
package struct DynamicsTail {
    let embedding: [Linear]
    let upsampling: [AxisLinear]

    init(_ weights: Weights, _ configuration: Configuration) {
        let (d, C) = (configuration.dynamicsChannels, configuration.decoder.width)
        embedding = [
            Linear(weights / "motion_emb" / 0, d, C, activation: .relu),
            Linear(weights / "motion_emb" / 2, C, C, activation: .relu),
        ]
        // Reference: one matrix serves both axes, so the grid must be square.
        let (small, full) = (configuration.dynamicsGrid.rows, configuration.decoder.grid.rows)
        upsampling =
            configuration.downsamplesDynamics
            ? [
                AxisLinear(weights / "up_motion" / 0, [full, small]),
                AxisLinear(weights / "up_motion" / 2, [full, full]),
            ] : []
    }

    /// `[B, T, n, d] -> [B, T, N, C]`, N rows or columns of the grid
    package func callAsFunction(_ dynamics: Tensor) -> Tensor {
        let (B, T, n, _) = dynamics.shape4
        var x = dynamics
        for layer in embedding { x = layer(x) }
        let C = x.dim(-1)
        x = x.reshaped([B * T, n, C])
        for layer in upsampling { x = layer(x) }
        return x.reshaped([B, T, x.dim(1), C])
    }
}

import VidTwin

/// What a run takes of the machine's memory, before it starts.
package struct MemoryEstimate: Sendable {
    /// Weights, the optimizer's averages, averaged weights, and the larger of gradients and copies for
    /// products: the former come as the latter go, but for accumulated ones.
    package let weights: Int
    /// Activations that are kept for the way back, by whether blocks keep their input alone.
    private let kept, recomputed: Int
    /// The discriminator, LPIPS and the queries, in work at once.
    private let others: Int

    package init(_ settings: TrainingSettings, weightCount: Int) {
        let (model, B) = (settings.model, settings.batchSize)
        let grid = model.encoder.grid
        let copies = settings.precision == .bfloat16 ? 2 : 4
        let each =
            4 + 4 + (settings.optimizer.betas.0 == 0 ? 0 : 4)
            + (settings.averageDecay == nil ? 0 : 4)
            + (settings.accumulate > 1 ? 4 + copies : max(4, copies))
        weights = weightCount * each
        // In units of one feature map: 24 a block (norms, qkv, attention, MLP).
        let unit = B * grid.time * grid.positions * model.encoder.width * 4
        let blocks = model.encoder.depth + model.decoder.depth
        (kept, recomputed) = (24 * unit * (blocks + 1), unit * (blocks + 60))
        let pixels = B * model.frames * model.height * model.width
        let q = model.qformer
        let queries = B * grid.positions * q.queries * q.layers * (12 * q.width + q.hidden) * 4
        // 54 MB a frame of 224² in LPIPS, some at a time twice, and its weights; 11 MB a frame in the
        // discriminator. One is done when the other begins.
        let hasPerceptual = settings.loss.perceptualWeight > 0
        let perceptual = hasPerceptual ? 6 * 1076 * model.height * model.width : 0
        let critic = 5 * 110 * pixels * settings.loss.discriminatorWidth / 64
        let code = 128 << 20
        others =
            queries + max(perceptual, critic) + (hasPerceptual ? 3 * 59 << 20 : 0) + code
            + 60 * pixels
    }

    /// All of it.
    package func bytes(recomputing: Bool) -> Int {
        weights + others + (recomputing ? recomputed : kept)
    }
}

import Glibc
import VidTwin

/// What a run takes of the machine's memory, before it starts.
package struct MemoryEstimate: Sendable {
    /// Weights, gradients, the optimizer's averages, averaged weights and copies for products.
    package let weights: Int
    /// Activations that are kept for the way back, by whether blocks keep their input alone.
    private let kept, recomputed: Int
    /// The discriminator, LPIPS and the queries, in work at once.
    private let others: Int

    package init(_ settings: TrainingSettings, weightCount: Int) {
        let (model, B) = (settings.model, settings.batchSize)
        let grid = model.encoder.grid
        let copies =
            4 + 4 + 4 + (settings.optimizer.betas.0 == 0 ? 0 : 4)
            + (settings.averageDecay == nil ? 0 : 4)
            + 2 * (settings.precision == .bfloat16 ? 2 : 4)
        weights = weightCount * copies
        // In units of one feature map: 24 a block (norms, qkv, attention, MLP).
        let unit = B * grid.time * grid.positions * model.encoder.width * 4
        let blocks = model.encoder.depth + model.decoder.depth
        (kept, recomputed) = (24 * unit * blocks, unit * (blocks + 24))
        let pixels = B * model.frames * model.height * model.width
        let q = model.qformer
        let queries = B * grid.positions * q.queries * q.layers * (12 * q.width + q.hidden) * 4
        // 54 MB a frame of 224² in LPIPS, four at a time twice; 11 MB a frame in the discriminator.
        let perceptual =
            settings.loss.perceptualWeight > 0 ? 8 * 1076 * model.height * model.width : 0
        let critic = 3 * 220 * pixels * settings.loss.discriminatorWidth / 64
        others = queries + perceptual + critic + 60 * pixels
    }

    /// All of it.
    package func bytes(recomputing: Bool) -> Int {
        weights + others + (recomputing ? recomputed : kept)
    }

    /// The machine's memory.
    package static var machine: Int {
        let (bytes, overflow) = sysconf(Int32(_SC_PHYS_PAGES)).multipliedReportingOverflow(
            by: sysconf(Int32(_SC_PAGESIZE)))
        return overflow ? .max : bytes
    }
}

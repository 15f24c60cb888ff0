/// VidTwin: clips to structure and dynamics latents and back (CVPR 2025, arXiv 2412.17726;
/// reference: vidtwin/models/vidtwin_ae.py @d6ad92d, the "compact" variant that was published).
///
/// Immutable after loading: any number of threads may use one model.
public final class VidTwinModel: Sendable {
    /// What the model was built from.
    public let configuration: Configuration
    /// Where it computes.
    public let device: Device
    /// Number of weights, position tables apart.
    public let parameterCount: Int

    let encoder: Encoder
    let decoder: Decoder
    let structureHead: StructureHead
    let structureTail: StructureTail
    let dynamicsHead: DynamicsHead
    let dynamicsTail: DynamicsTail

    /// Builds the model and fills it with the weights of a source, strictly.
    ///
    /// - Throws: `ModelError.weights` with every name that does not fit, or the source's errors.
    package init(
        _ configuration: Configuration, weights source: any WeightSource, device: Device
    ) throws {
        self.configuration = configuration
        self.device = device
        let plan = WeightPlan()
        let weights = Weights(plan)
        encoder = Encoder(weights / "encoder", configuration.encoder)
        decoder = Decoder(weights / "decoder", configuration.decoder)
        structureHead = StructureHead(weights, configuration)
        structureTail = StructureTail(weights, configuration)
        dynamicsHead = DynamicsHead(weights, configuration)
        dynamicsTail = DynamicsTail(weights, configuration)
        parameterCount = plan.parameters.lazy
            .filter { !$0.name.contains("pos_embed") }.reduce(0) { $0 + $1.count }
        try plan.load(from: source, on: device, unused: VidTwinModel.isUnused)
    }

    /// Builds the model and fills it with a checkpoint's weights, strictly.
    ///
    /// - Throws: `ModelError.weights` with every name that does not fit, or `CheckpointError`.
    public convenience init(
        configuration: Configuration, checkpoint: Checkpoint, device: Device
    ) throws {
        try self.init(configuration, weights: checkpoint, device: device)
    }

    /// Names that published checkpoints hold and the model never uses.
    ///
    /// Reference: encoder and decoder share a base class and so carry each other's ends.
    static func isUnused(_ name: String) -> Bool {
        ["loss.", "encoder.final_layer.", "decoder.x_embedder."].contains { name.hasPrefix($0) }
    }

    /// Shape of a batch of `count` clips: `[B, frames, height, width, 3]`.
    public func clipShape(count: Int = 1) -> [Int] {
        [count, configuration.frames, configuration.height, configuration.width, 3]
    }

    /// The distributions of the latents of clips `[B, frames, height, width, 3]` in −1…1.
    ///
    /// - Throws: `ModelError.shape` for other shapes.
    public func moments(_ clips: Tensor) throws -> LatentMoments {
        let expected = clipShape(count: clips.shape.first ?? 1)
        if clips.shape != expected {
            throw ModelError.shape(what: "clip", expected: expected, found: clips.shape)
        }
        let z = encoder(clips)
        let dynamics = dynamicsHead(z)
        return LatentMoments(
            structure: Moments(structureHead(z)), dynamicsX: Moments(dynamics.x),
            dynamicsY: Moments(dynamics.y))
    }

    /// Clips `[B, frames, height, width, 3]` from latents, not clamped to −1…1.
    ///
    /// Cross-reenactment is decoding the structure of one clip with the dynamics of another.
    /// - Throws: `ModelError.shape` for latents of another model.
    public func decode(_ latents: Latents, part: Part = .all) throws -> Tensor {
        try check(latents)
        let structure = part == .dynamics ? nil : structureTail(latents.structure)
        let dynamics =
            part == .structure
            ? nil : (x: dynamicsTail(latents.dynamicsX), y: dynamicsTail(latents.dynamicsY))
        return decoder(addRowAndColumn(structure, columns: dynamics?.x, rows: dynamics?.y))
    }

    private func check(_ latents: Latents) throws {
        let (c, B) = (configuration, latents.structure.shape.first ?? 1)
        let T = c.encoder.grid.time
        let dynamics = c.dynamicsGrid
        for (what, tensor, expected) in [
            ("structure latent", latents.structure, [B] + c.structureShape),
            (
                "dynamics latent along columns", latents.dynamicsX,
                [B, T, dynamics.columns, c.dynamicsChannels]
            ),
            (
                "dynamics latent along rows", latents.dynamicsY,
                [B, T, dynamics.rows, c.dynamicsChannels]
            ),
        ] where tensor.shape != expected {
            throw ModelError.shape(what: what, expected: expected, found: tensor.shape)
        }
    }
}

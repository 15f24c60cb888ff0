import VidTwinKernels

/// VidTwin: clips to structure and dynamics latents and back (CVPR 2025, arXiv 2412.17726;
/// reference: vidtwin/models/vidtwin_ae.py @d6ad92d, the "compact" variant that was published).
///
/// Immutable after loading: any number of threads may use one model.
public final class VidTwinModel: Sendable {
    /// What the model was built from.
    public let configuration: Configuration
    /// Where it computes.
    public let device: Device
    /// How its weights are held and its products computed.
    public let precision: Precision
    /// Number of weights, position tables apart.
    public let parameterCount: Int

    /// The parameters that its layers asked for, position tables among them.
    package let parameters: [Parameter]

    private let parts: Parts

    /// Builds the model and fills it with the weights of a source, strictly; `trainable`: with weights
    /// that an optimizer changes, and a way back through them.
    ///
    /// - Throws: `ModelError.weights` with every name that does not fit, or the source's errors.
    package init(
        _ configuration: Configuration, weights source: any WeightSource, device: Device,
        precision: Precision = .float32, trainable isTrainable: Bool = false
    ) throws {
        self.configuration = configuration
        self.device = device
        self.precision = precision
        try device.require(tensors: 0, scratch: 0, for: "a model")
        let plan = WeightPlan()
        parts = Parts(Weights(plan), configuration)
        parameters = plan.parameters
        parameterCount = plan.weightCount
        try plan.load(
            from: source, on: device, precision: precision,
            training: isTrainable ? .changed : .none,
            unused: VidTwinModel.isUnused)
        try configuration.computing(on: device) {}
    }

    /// The boxes of the paper's figure.
    private struct Parts: Sendable {
        let encoder: Encoder
        let decoder: Decoder
        let structureHead: StructureHead
        let structureTail: StructureTail
        let dynamicsHead: DynamicsHead
        let dynamicsTail: DynamicsTail

        init(_ weights: Weights, _ configuration: Configuration) {
            encoder = Encoder(weights / "encoder", configuration.encoder)
            decoder = Decoder(weights / "decoder", configuration.decoder)
            structureHead = StructureHead(weights, configuration)
            structureTail = StructureTail(weights, configuration)
            dynamicsHead = DynamicsHead(weights, configuration)
            dynamicsTail = DynamicsTail(weights, configuration)
        }
    }

    /// The parameters of a model of this configuration, not filled.
    package static func plan(_ configuration: Configuration) -> WeightPlan {
        let plan = WeightPlan()
        _ = Parts(Weights(plan), configuration)
        return plan
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
    /// - Throws: `ModelError.shape` for other shapes, `ModelError.nonFinite` where NaN or infinity
    ///   is among the clips' values or comes of them, `ModelError.memory`.
    public func moments(_ clips: Tensor) throws -> LatentMoments {
        let expected = clipShape(count: clips.shape.first ?? 1)
        if clips.shape != expected {
            throw ModelError.shape(what: "clip", expected: expected, found: clips.shape)
        }
        return try configuration.computing(on: device, clips: clips.dim(0)) {
            let z = parts.encoder(clips)
            // Before anything that could hide it: ReLU, rounding to whole numbers, the limits of a
            // log-variance.
            try VidTwinModel.checkFinite(z, "encoder's features")
            let heads = heads(z, nil)
            try VidTwinModel.checkFinite(heads.structure, "structure latent and its log-variance")
            for x in [heads.dynamicsX, heads.dynamicsY] {
                try VidTwinModel.checkFinite(x, "dynamics latent and its log-variance")
            }
            return VidTwinModel.moments(heads)
        }
    }

    /// The latents of clips `[B, frames, height, width, 3]` in −1…1: the means.
    ///
    /// - Throws: as `moments`.
    public func encode(_ clips: Tensor) throws -> Latents { try moments(clips).mean }

    /// Means beside log-variances, `[..., 2d]`, of the encoder's features.
    private func heads(_ z: Tensor, _ dropout: Dropout?) -> Latents {
        let dynamics = parts.dynamicsHead(z)
        return Latents(
            structure: parts.structureHead(z, dropout), dynamicsX: dynamics.x,
            dynamicsY: dynamics.y)
    }

    private static func moments(_ heads: Latents) -> LatentMoments {
        LatentMoments(
            structure: Moments(heads.structure), dynamicsX: Moments(heads.dynamicsX),
            dynamicsY: Moments(heads.dynamicsY))
    }

    /// The same for training: recorded where the clips are marked, shapes not checked, values neither.
    package func moments(of clips: Tensor, _ dropout: Dropout?) -> LatentMoments {
        VidTwinModel.moments(heads(parts.encoder(clips), dropout))
    }

    /// What the decoder's last layer takes, and the clips that it makes of it, not clamped: recorded
    /// where the latents are marked, values not checked.
    package func reconstruct(
        _ latents: Latents, part: Part = .all
    ) -> (features: Tensor, clips: Tensor) {
        let features = parts.decoder.features(decoderInput(latents, part))
        return (features, parts.decoder.pixels(features))
    }

    /// A gradient at the decoder's last matrix, `[O, I]`: `d` is that of the reconstructed clips,
    /// `features` is what `reconstruct` gave beside them.
    package func lastLayerGradient(_ d: Tensor, _ features: Tensor) -> Tensor {
        parts.decoder.lastLayerGradient(d, features)
    }

    /// Clips `[B, frames, height, width, 3]` from latents, not clamped to −1…1.
    ///
    /// - Throws: `ModelError.shape` for latents of another model, `ModelError.nonFinite` where NaN or
    ///   infinity is among them or comes of them, `ModelError.memory`.
    public func decode(_ latents: Latents, part: Part = .all) throws -> Tensor {
        try check(latents)
        for (what, tensor, _) in named(latents) { try VidTwinModel.checkFinite(tensor, what) }
        return try decoded(latents, part: part)
    }

    /// Clips from latents whose values are known to be finite: `encode` gave them, or whoever read
    /// them has looked.
    ///
    /// - Throws: `ModelError.shape`, `ModelError.memory`, and `ModelError.nonFinite` where NaN or
    ///   infinity comes of them.
    package func decoded(_ latents: Latents, part: Part = .all) throws -> Tensor {
        try check(latents)
        return try configuration.computing(on: device, clips: latents.structure.dim(0)) {
            let clips = parts.decoder(decoderInput(latents, part))
            try VidTwinModel.checkFinite(clips, "reconstruction")
            return clips
        }
    }

    /// Cross-reenactment: clips with the structure of one and the dynamics of another.
    ///
    /// - Throws: as `decode`.
    public func reenact(
        structure: Latents, dynamics: Latents, part: Part = .all
    ) throws -> Tensor {
        try decode(structure.moving(as: dynamics), part: part)
    }

    /// Structure + dynamics along columns + dynamics along rows: `[B, T, S, C]`.
    private func decoderInput(_ latents: Latents, _ part: Part) -> Tensor {
        let structure = part == .dynamics ? nil : parts.structureTail(latents.structure)
        let dynamics =
            part == .structure
            ? nil
            : (
                x: parts.dynamicsTail(latents.dynamicsX),
                y: parts.dynamicsTail(latents.dynamicsY)
            )
        return addRowAndColumn(structure, columns: dynamics?.x, rows: dynamics?.y)
    }

    /// - Throws: `ModelError.nonFinite`.
    private static func checkFinite(_ x: Tensor, _ what: String) throws {
        let bad = x.withPointer { kernels.count_non_finite($0, x.count) }
        if bad > 0 { throw ModelError.nonFinite(what: what, count: bad, of: x.count) }
    }

    private func check(_ latents: Latents) throws {
        for (what, tensor, expected) in named(latents) where tensor.shape != expected {
            throw ModelError.shape(what: what, expected: expected, found: tensor.shape)
        }
    }

    /// Each latent, what it is called, and its shape in a batch of as many clips.
    private func named(
        _ latents: Latents
    ) -> [(what: String, tensor: Tensor, expected: [Int])] {
        let (c, B) = (configuration, latents.structure.shape.first ?? 1)
        let (T, d, grid) = (c.encoder.grid.time, c.dynamicsChannels, c.dynamicsGrid)
        return [
            ("structure latent", latents.structure, [B] + c.structureShape),
            ("dynamics latent along columns", latents.dynamicsX, [B, T, grid.columns, d]),
            ("dynamics latent along rows", latents.dynamicsY, [B, T, grid.rows, d]),
        ]
    }
}

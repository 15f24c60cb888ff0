import Glibc
package import VidTwin
import VidTwinKernels

/// What VidTwin is trained to do: the terms of a micro-batch and their gradients, in one pass back
/// through the model (docs/TRAINING.md has the formulas).
package final class Objective: BatchComputation {
    /// What is drawn, and how memory is used.
    package struct Options: Sendable {
        /// Of noise, dropout and order.
        package var seed: UInt64 = 23
        /// Whether latents are sampled; else their means are used.
        package var samples = true
        /// Dropout of the Q-Former: features, attention's probabilities.
        package var hiddenDropout = 0.1, attentionDropout = 0.1
        /// Whether blocks keep their input alone and are computed again on the way back.
        package var recomputesBlocks = false

        package init() {}
    }

    package let generatorParameters: [Parameter]
    package let discriminatorParameters: [Parameter]
    package var lecam: (real: Double, fake: Double) = (0, 0)
    /// The model that is trained.
    package let model: VidTwinModel

    /// Those that have the other parts of a batch.
    package private(set) var processes: Processes?
    /// What sends the generator's gradients to them on the way back.
    package var reduction: GradientReduction?
    /// Seconds that parts of batches took, added up.
    package var seconds: [String: Double] = [:]

    private let loss: LossConfiguration
    private let options: Options
    private let discriminator: Discriminator
    private let perceptual: LPIPS?
    private let logVariance: Parameter
    private let random: Philox

    /// Builds model and discriminator and fills them from one source with the names of a training
    /// checkpoint: the model's (those too that get no gradient), `loss.logvar`,
    /// `loss.discriminator.main.…`.
    ///
    /// - Throws: `ModelError.weights`, or the source's errors; `ModelError.configuration` where frames
    ///   are too small for the discriminator or LPIPS is missing.
    package init(
        _ configuration: Configuration, _ loss: LossConfiguration, weights: any WeightSource,
        perceptual: LPIPS?, on device: Device, precision: Precision = .float32,
        _ options: Options = Options()
    ) throws {
        if loss.perceptualWeight > 0, perceptual == nil {
            throw ModelError.configuration(
                path: configuration.path, key: "loss_config.params.perceptual_weight",
                expected: "0, or weights of LPIPS (--lpips FILE)",
                found: "\(loss.perceptualWeight) and no weights")
        }
        (self.loss, self.options, self.perceptual) = (loss, options, perceptual)
        random = Philox(seed: options.seed)
        model = try VidTwinModel(
            configuration, weights: weights, device: device, precision: precision, trainable: true)
        let plan = WeightPlan()
        let unused = Objective.unusedParameters(Weights(plan), configuration)
        logVariance = (Weights(plan) / "loss")("logvar", [])
        let main = "loss.discriminator.main"
        let before = plan.parameters.count
        discriminator = Discriminator(
            Weights(plan) / "loss" / "discriminator" / "main", loss, name: main)
        discriminatorParameters = Array(plan.parameters[before...])
        try plan.load(
            from: weights, on: device, precision: precision, training: .changed
        ) { _ in true }
        for buffer in discriminator.buffers where weights.shapes[buffer.name] != nil {
            try buffer.values.withUnsafeMutableBufferPointer {
                try weights.read(buffer.name, into: $0)
            }
        }
        let learned = model.parameters.filter { $0.trainable != nil } + unused
        generatorParameters =
            GeneratorOrder.sorted(learned) + (loss.learnsLogVariance ? [logVariance] : [])
        guard
            discriminator.accepts(
                frames: configuration.frames, height: configuration.height,
                width: configuration.width)
        else {
            throw ModelError.configuration(
                path: configuration.path, key: "loss_config.params.disc_num_layers",
                expected: "a discriminator that frames of the model's size suffice for",
                found: "\(loss.discriminatorLayers) layers for \(configuration.frames) frames of "
                    + "\(configuration.width)x\(configuration.height)")
        }
    }

    package var discriminatorBuffers: [StateBuffer] { discriminator.buffers }

    /// Makes batches parts of those of all processes: numbers that hang on a whole batch are that one's.
    /// With `syncsNorms`, statistics of the discriminator's norms are, too.
    package func join(_ processes: Processes, syncsNorms: Bool) {
        self.processes = processes
        if let fixed = logVariance.trainable { processes.broadcast(fixed.value.pointer, 1) }
        if syncsNorms { discriminator.syncNorms(processes) }
    }

    /// Runs a part of a batch and adds its time to `seconds`; one that is `apart` has tensors of other
    /// sizes than what is around it, and neither finds nor leaves memory of the other's.
    private func timed<Result>(
        _ part: String, apart: Bool = false, _ body: () throws -> Result
    ) rethrows -> Result {
        let start = monotonicSeconds()
        if apart { model.device.releaseKept() }
        defer {
            if apart { model.device.releaseKept() }
            seconds[part, default: 0] += monotonicSeconds() - start
        }
        return try body()
    }

    package var fixedLogVariance: Float? {
        loss.learnsLogVariance ? nil : logVariance.pointer[0]
    }

    package func microBatch(
        _ clips: Tensor, batch: Int, firstClip: Int, scale: Double, generatorActive: Bool,
        discriminatorActive: Bool
    ) throws -> [String: Double] {
        let B = clips.dim(0)
        timed("packing of weights") { prepareProducts() }
        let tape = Tape(recomputes: options.recomputesBlocks)
        if let reduction { tape.stepped = { reduction.stepped() } }
        defer { tape.discard() }
        let (kl, features, y) = timed("forward") {
            let moments = model.moments(
                of: tape.watch(clips, gradient: false),
                Dropout(
                    hidden: options.hiddenDropout, attention: options.attentionDropout, clips: B,
                    firstClip: firstClip, batch: batch, random))
            let latents =
                options.samples ? sample(moments, batch: batch, firstClip: firstClip) : moments.mean
            let (features, y) = model.reconstruct(latents)
            return (moments.klDivergence, features, y)
        }
        var (terms, gradient) = timed("L1 and LPIPS", apart: loss.perceptualWeight > 0) {
            reconstruction(clips, y.unmarked, scale: scale)
        }
        terms["kl_loss"] = kl.value
        terms["total_loss", default: 0] += loss.klWeight * kl.value
        terms["disc_factor"] = generatorActive ? loss.adversarialFactor : 0
        if generatorActive {
            gradient = try timed("adversarial term", apart: true) {
                try adversarial(y.unmarked, features.unmarked, gradient, scale: scale, &terms)
            }
        } else {
            gradient = multiplied(Float(scale), gradient)
        }
        let klScale = Tensor([1], [Float(loss.klWeight * scale)], on: clips.device)
        timed("backward") {
            tape.backward([(y, gradient)] + kl.tensors.map { ($0, klScale) })
        }
        if discriminatorActive {
            terms.merge(
                timed("discriminator", apart: true) {
                    trainDiscriminator(clips, y.unmarked, scale: scale)
                }
            ) { $1 }
        }
        return terms
    }

    package func validate(
        _ clips: Tensor, generatorActive: Bool, discriminatorActive: Bool
    ) throws -> (terms: [String: Double], reconstruction: Tensor) {
        prepareProducts()
        let moments = model.moments(of: clips, nil)
        let y = model.reconstruct(moments.mean).clips
        var terms = reconstruction(clips, y, scale: nil).terms
        let kl = moments.klDivergence
        terms["kl_loss"] = kl.value
        terms["total_loss", default: 0] += loss.klWeight * kl.value
        terms["disc_factor"] = generatorActive ? loss.adversarialFactor : 0
        if generatorActive || discriminatorActive {
            let fake = discriminator(y, training: false)
            if generatorActive {
                terms["d_weight"] = 0
                terms["g_loss"] =
                    AdversarialLoss.generator(fake, usesCrossEntropy: loss.usesCrossEntropy).value
            }
            if discriminatorActive {
                let real = discriminator(clips, training: false)
                let value =
                    AdversarialLoss.discriminator(real, areReal: true, loss.discriminatorLoss).value
                    + AdversarialLoss.discriminator(fake, areReal: false, loss.discriminatorLoss)
                    .value
                terms["logits_real"] = mean(real)
                terms["logits_fake"] = mean(fake)
                terms["non_saturated_d_loss"] = value
                terms["disc_loss"] = loss.adversarialFactor * value
            }
        }
        return (terms, clamp(y, -1, 1))
    }

    /// Packed copies of what the last step changed, made by all threads; those that lead back are made
    /// on the way.
    func prepareProducts() {
        let stale = (generatorParameters + discriminatorParameters).filter {
            $0.trainable?.wantsPacking ?? false
        }
        model.device.parallel(stale.count) { task, _ in
            _ = stale[task].trainable?.matrix(.forward)
        }
    }

    // MARK: - The generator's terms

    /// Mean + deviation · noise, drawn by clip in the order of the reference's layout.
    private func sample(_ moments: LatentMoments, batch: Int, firstClip: Int) -> Latents {
        func noise(_ like: Tensor, _ site: UInt32) -> [Float] {
            let (B, count) = (like.dim(0), like.count / like.dim(0))
            return [Float](unsafeUninitializedCapacity: like.count) { out, used in
                let base = out.baseAddress
                like.device.parallel(B) { clip, _ in
                    guard let base else { return }
                    random.normals(
                        0..<count, site: site, clip: UInt32(truncatingIfNeeded: firstClip + clip),
                        batch: UInt32(truncatingIfNeeded: batch), into: base + clip * count)
                }
                used = like.count
            }
        }
        func sampled(_ moments: Moments, _ site: UInt32) -> Tensor {
            moments.sample(noise(moments.mean, site))
        }
        return Latents(
            structure: sampled(moments.structure, Philox.Site.structure),
            dynamicsX: sampled(moments.dynamicsX, Philox.Site.dynamicsX),
            dynamicsY: sampled(moments.dynamicsY, Philox.Site.dynamicsY))
    }

    /// The sum of what pixels cost, and `factor` times its gradient by y.
    private func pixelDifference(
        _ x: Tensor, _ y: Tensor, _ factor: Float
    ) -> (sum: Double, gradient: Tensor) {
        switch loss.pixelLoss {
        case .l1:
            let difference = AbsoluteDifference(x, y)
            return (difference.sum, difference.gradient(factor))
        case .l2:
            let difference = SquaredDifference(x, y)
            return (difference.sum, difference.gradient(factor))
        }
    }

    /// L1 and LPIPS, weighed by the learned variance: terms, and the gradient of `nll_loss` by y; with a
    /// scale, that of the log-variance is added to its parameter.
    private func reconstruction(
        _ x: Tensor, _ y: Tensor, scale: Double?
    ) -> (terms: [String: Double], gradient: Tensor) {
        let (B, T, H, W, _) = x.shape5
        let (n, P) = (Double(B * T), Double(3 * H * W))
        let (lambda, weight) = (Double(logVariance.pointer[0]), loss.perceptualWeight)
        let precision = exp(-lambda)
        var (pixels, gradient) = pixelDifference(x, y, Float(precision / n))
        var distance = 0.0
        if weight > 0, let perceptual {
            let frames = [B * T, H, W, 3]
            let distances = PerceptualTerm(perceptual)(
                x.reshaped(frames), y.reshaped(frames),
                upstream: scale == nil
                    ? nil : Float(weight * P * precision / n))
            distance = distances.sum
            if let more = distances.gradient { gradient = combined(1, gradient, 1, more) }
        }
        let sum = pixels + weight * P * distance
        let nll = (sum * precision) / n + P * lambda
        if let scale, loss.learnsLogVariance, let values = logVariance.trainable {
            values.gradient.pointer[0] += Float(scale * (P - sum * precision / n))
            values.hasGradient = true
        }
        return (
            [
                "nll_loss": nll, "rec_loss": sum / (n * P), "p_loss": distance / n,
                "logvar": lambda, "total_loss": nll,
            ], gradient
        )
    }

    /// The adversarial term: its value and adaptive weight, and `scale` times the gradient of nll and of
    /// the weighed term together.
    private func adversarial(
        _ y: Tensor, _ features: Tensor, _ dnll: Tensor, scale: Double,
        _ terms: inout [String: Double]
    ) throws -> Tensor {
        // The discriminator is led through, not trained.
        let tape = Tape(trainsParameters: false)
        let watched = tape.watch(y)
        let logits = discriminator(watched, training: true)
        let g = AdversarialLoss.generator(logits, usesCrossEntropy: loss.usesCrossEntropy)
        tape.backward([(logits, g.gradient)])
        terms["g_loss"] = g.value
        guard let dg = tape.gradient(of: watched), loss.adversarialFactor > 0 else {
            terms["d_weight"] = 0
            return multiplied(Float(scale), dnll)
        }
        let (a, b) = (
            try lastLayerNorm(dnll, features), try lastLayerNorm(dg, features)
        )
        let weight = loss.adversarialWeight * min(max(a / (b + 1e-4), 0), 1e4)
        terms["d_weight"] = weight
        terms["total_loss", default: 0] += weight * loss.adversarialFactor * g.value
        return combined(
            Float(scale), dnll, Float(scale * weight * loss.adversarialFactor), dg)
    }

    /// The 2-norm of a gradient at the decoder's last matrix, of the means over all processes.
    private func lastLayerNorm(_ d: Tensor, _ features: Tensor) throws -> Double {
        let gradient = model.lastLayerGradient(d, features)
        guard let processes else {
            return gradient.squaredNorm.squareRoot()
        }
        try processes.sum(gradient)
        return gradient.squaredNorm.squareRoot() / Double(processes.count)
    }

    // MARK: - The discriminator's terms

    private func trainDiscriminator(
        _ x: Tensor, _ y: Tensor, scale: Double
    ) -> [String: Double] {
        let factor = Float(scale * loss.adversarialFactor)
        let kind = loss.discriminatorLoss
        func side(_ clips: Tensor, areReal: Bool) -> (tape: Tape, logits: Tensor, loss: Loss) {
            let tape = Tape()
            if let reduction { tape.stepped = { reduction.progress() } }
            let logits = discriminator(tape.watch(clips, gradient: false), training: true)
            return (
                tape, logits, AdversarialLoss.discriminator(logits, areReal: areReal, kind)
            )
        }
        func leadBack(_ side: (tape: Tape, logits: Tensor, loss: Loss), _ lecam: Loss? = nil) {
            let own = side.loss.gradient
            let gradient = lecam.map {
                combined(factor, own, factor * Float(loss.lecamWeight), $0.gradient)
            }
            side.tape.backward([(side.logits, gradient ?? multiplied(factor, own))])
        }
        let real = side(x, areReal: true)
        // Only LeCam makes one side wait for the other; else one side's features are gone before.
        if loss.lecamWeight == 0 { leadBack(real) }
        let fake = side(y, areReal: false)
        var value = real.loss.value + fake.loss.value
        var terms = [
            "logits_real": mean(real.logits), "logits_fake": mean(fake.logits),
            "non_saturated_d_loss": value,
        ]
        if loss.lecamWeight > 0 {
            func meanOfAll(_ side: String) -> Double {
                let own = terms[side] ?? 0
                return processes?.mean(own) ?? own
            }
            lecam = (
                0.999 * lecam.real + 0.001 * meanOfAll("logits_real"),
                0.999 * lecam.fake + 0.001 * meanOfAll("logits_fake")
            )
            let (a, b) = (
                AdversarialLoss.lecam(real.logits, areReal: true, average: lecam.fake),
                AdversarialLoss.lecam(fake.logits, areReal: false, average: lecam.real)
            )
            terms["lecam_loss"] = a.value + b.value
            value += loss.lecamWeight * (a.value + b.value)
            leadBack(real, a)
            leadBack(fake, b)
        } else {
            leadBack(fake)
        }
        terms["disc_loss"] = loss.adversarialFactor * value
        return terms
    }

    private func mean(_ x: Tensor) -> Double {
        x.values.reduce(0.0) { $0 + Double($1) } / Double(x.count)
    }
}

extension LatentMoments {
    /// The divergence of all three latents, by clip: as tensors to lead back from, and their sum.
    fileprivate var klDivergence: (tensors: [Tensor], value: Double) {
        let clips = structure.mean.dim(0)
        let tensors = [structure, dynamicsX, dynamicsY].map {
            VidTwin.klDivergence($0.mean, $0.logVariance, clips: clips)
        }
        return (tensors, kl)
    }
}

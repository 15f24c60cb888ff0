/// Mean and log-variance of one latent.
public struct Moments: Sendable {
    /// Mean, channels last.
    public let mean: Tensor
    /// Log-variance, limited to −30…20, channels last.
    public let logVariance: Tensor

    /// - Parameter moments: `[..., 2d]`, mean then log-variance.
    init(_ moments: Tensor) {
        let d = moments.dim(-1) / 2
        mean = channels(moments, 0..<d)
        logVariance = clamp(channels(moments, d..<2 * d), -30, 20)
    }

    /// KL divergence from the unit Gaussian, summed over everything.
    public var kl: Double { klSum(mean, logVariance) }

    /// `mean + exp(log-variance / 2) · noise`, the noise in the order of the reference's layout.
    package func sample(_ noise: [Float]) -> Tensor {
        let noise = channelsLast(noise, clips: mean.dim(0), channels: mean.dim(-1))
        return sampleGaussian(
            mean, logVariance, noise: Tensor(mean.shape, noise, on: mean.device))
    }
}

/// The distributions of a batch of clips.
public struct LatentMoments: Sendable {
    /// `[B, Q, h, w, d]`
    public let structure: Moments
    /// Along columns, `[B, T, w, d]`
    public let dynamicsX: Moments
    /// Along rows, `[B, T, h, d]`
    public let dynamicsY: Moments

    /// KL divergence from the unit Gaussian: summed over everything, divided by B.
    public var kl: Double {
        (structure.kl + dynamicsX.kl + dynamicsY.kl) / Double(structure.mean.dim(0))
    }

    /// The means: what a clip is encoded to unless sampling is asked for.
    ///
    /// Reference: it always samples at inference; the paper, and this package, use the mean.
    public var mean: Latents {
        Latents(structure: structure.mean, dynamicsX: dynamicsX.mean, dynamicsY: dynamicsY.mean)
    }

    /// The log-variances, laid out like latents.
    public var logVariance: Latents {
        Latents(
            structure: structure.logVariance, dynamicsX: dynamicsX.logVariance,
            dynamicsY: dynamicsY.logVariance)
    }

    /// `mean + exp(log-variance / 2) · noise`, noise as PyTorch's CPU generator gives it.
    public func sample(_ generator: inout TorchGenerator) -> Latents {
        Latents(
            structure: structure.sample(generator.normals(structure.mean.count)),
            dynamicsX: dynamicsX.sample(generator.normals(dynamicsX.mean.count)),
            dynamicsY: dynamicsY.sample(generator.normals(dynamicsY.mean.count)))
    }
}

/// The two latents of a batch of clips, channels last.
public struct Latents: Sendable {
    /// What stays: `[B, Q, h, w, d]`
    public let structure: Tensor
    /// What moves, along columns: `[B, T, w, d]`
    public let dynamicsX: Tensor
    /// What moves, along rows: `[B, T, h, d]`
    public let dynamicsY: Tensor

    /// Latents of these tensors, whose shapes the model checks when it decodes them.
    public init(structure: Tensor, dynamicsX: Tensor, dynamicsY: Tensor) {
        self.structure = structure
        self.dynamicsX = dynamicsX
        self.dynamicsY = dynamicsY
    }

    /// This structure with the dynamics of others: cross-reenactment.
    package func moving(as other: Latents) -> Latents {
        Latents(structure: structure, dynamicsX: other.dynamicsX, dynamicsY: other.dynamicsY)
    }
}

/// Which latents the decoder gets.
public enum Part: String, Sendable, CaseIterable {
    /// Structure and dynamics.
    case all
    /// Structure alone.
    case structure
    /// Dynamics alone.
    case dynamics
}

extension LatentMoments {
    /// A sample, where there is a generator, else the mean.
    package func latents(sampling generator: inout TorchGenerator?) -> Latents {
        guard var drawing = generator else { return mean }
        defer { generator = drawing }
        return sample(&drawing)
    }
}

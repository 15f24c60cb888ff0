/// `loss_config.params` of a configuration: what is minimised (reference:
/// vidtok/modules/losses.py @d6ad92d, `GeneralLPIPSWithDiscriminator`).
package struct LossConfiguration: Sendable, Equatable {
    /// Which discriminator judges: on frames or on clips.
    package enum DiscriminatorKind: String, Sendable, CaseIterable {
        case pictures = "2d"
        case clips = "3d"
    }
    /// How the discriminator's logits become its loss.
    package enum DiscriminatorLoss: String, Sendable, CaseIterable { case hinge, vanilla }

    /// What a pixel's difference costs: itself, as the reference has it, or its square.
    package enum PixelLoss: String, Sendable, CaseIterable { case l1, l2 }

    /// `pixel_loss` (ours).
    package var pixelLoss = PixelLoss.l1
    /// Steps of both optimizers before the adversarial terms count (`disc_start`).
    package var adversarialStart: Int
    /// Of the adversarial term, beside its adaptive weight (`disc_weight`, `disc_factor`).
    package var adversarialWeight = 1.0, adversarialFactor = 1.0
    /// `disc_type`, `disc_loss`.
    package var discriminatorKind = DiscriminatorKind.clips,
        discriminatorLoss = DiscriminatorLoss.hinge
    /// `disc_num_layers`, `disc_channels` (ours: the width of the first layer).
    package var discriminatorLayers = 3, discriminatorWidth = 64
    /// `gen_loss_cross_entropy`: the generator's loss is that of a mean logit by item.
    package var usesCrossEntropy = false
    /// `lecam_loss_weight`.
    package var lecamWeight = 0.0
    /// `learn_logvar`, `logvar_init`.
    package var learnsLogVariance = false, initialLogVariance = 0.0
    /// `perceptual_weight`, `regularization_weights.kl_loss`.
    package var perceptualWeight = 1.0, klWeight = 0.0

    package init(adversarialStart: Int) { self.adversarialStart = adversarialStart }

    /// Whether the adversarial term counts in batch `b`, for the generator and for the discriminator:
    /// the steps of both optimizers are counted.
    package func active(batch b: Int) -> (generator: Bool, discriminator: Bool) {
        (2 * b >= adversarialStart, 2 * b + 1 >= adversarialStart)
    }
}

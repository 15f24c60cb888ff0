package import VidTwin

/// What one micro-batch computes: losses, and the gradients that they leave in the parameters.
///
/// Whoever trains zeroes gradients, steps the optimizers and says `valuesChanged`; this adds up
/// gradients and says the terms. One call at a time.
package protocol BatchComputation: AnyObject {
    /// The generator's parameters in the order that numbers its optimizer state, with
    /// `loss.logvar` at the end where it is learned. All are trainable.
    var generatorParameters: [Parameter] { get }
    /// The discriminator's parameters in the order of its layers. All are trainable.
    var discriminatorParameters: [Parameter] { get }
    /// What the discriminator's norms keep beside parameters.
    var discriminatorBuffers: [StateBuffer] { get }
    /// The fixed log-variance, where it is not learned; a checkpoint holds it all the same.
    var fixedLogVariance: Float? { get }
    /// LeCam's averages of the logits.
    var lecam: (real: Double, fake: Double) { get set }

    /// Computes the terms of a micro-batch, named as in the log without `train/`, and adds `scale`
    /// times their gradients to the parameters'.
    ///
    /// - Parameters:
    ///   - clips: `[B, T, H, W, 3]` in −1…1.
    ///   - batch: counted over the whole run, for the noise.
    ///   - firstClip: number of the first clip within the batch.
    ///   - scale: 1 by the number of micro-batches.
    ///   - generatorActive: whether the adversarial term counts.
    ///   - discriminatorActive: whether the discriminator trains.
    /// - Returns: the terms, those only that are computed.
    /// - Throws: `ModelError` where there is no memory.
    func microBatch(
        _ clips: Tensor, batch: Int, firstClip: Int, scale: Double, generatorActive: Bool,
        discriminatorActive: Bool
    ) throws -> [String: Double]

    /// The terms of clips in evaluation mode, named as in the log without `val/`, and their
    /// reconstruction, `[B, T, H, W, 3]`, limited to −1…1; those of the adversarial losses where they
    /// count. Nothing is changed.
    func validate(
        _ clips: Tensor, generatorActive: Bool, discriminatorActive: Bool
    ) throws -> (terms: [String: Double], reconstruction: Tensor)

    /// What the model makes of clips `[B, T, H, W, 3]`, for people to look at: clips by name, the inputs
    /// among them, and latents. Nothing is changed.
    func samples(of clips: Tensor) throws -> Samples
}

/// Clips `[B, T, H, W, 3]` and latents to look at, by name.
package struct Samples {
    package var clips: [(name: String, values: Tensor)] = []
    package var latents: [(name: String, values: Tensor)] = []

    package init() {}
}

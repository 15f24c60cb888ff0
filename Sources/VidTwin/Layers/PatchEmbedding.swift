/// A 3-D convolution whose kernel and stride are the patch: one product over cut-out patches.
package struct PatchEmbedding {
    let weight: Parameter  // [C, 3, pt, ph, pw]
    let bias: Parameter  // [C]
    let patch: PatchSize

    init(_ weights: Weights, patch: PatchSize, channels: Int, width: Int) {
        weight = weights.matrix(
            "weight", [width, channels, patch.time, patch.height, patch.width])
        bias = weights("bias", [width])
        self.patch = patch
    }

    /// `[B, frames, height, width, 3] -> [B, T, H·W, C]`
    package func callAsFunction(_ x: Tensor) -> Tensor { linear(patchify(x, patch), weight, bias) }
}

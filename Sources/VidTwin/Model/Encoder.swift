/// Frames to features (reference: st_transformer.py @d6ad92d, `STTEncoder`).
package struct Encoder {
    let embedding: PatchEmbedding
    let trunk: Trunk

    init(_ weights: Weights, _ configuration: TransformerConfiguration) {
        embedding = PatchEmbedding(
            weights / "x_embedder" / "proj", patch: configuration.patch, channels: 3,
            width: configuration.width)
        trunk = Trunk(weights, configuration)
    }

    /// `[B, frames, height, width, 3]` in −1…1 `-> [B, T, S, C]`
    package func callAsFunction(_ clip: Tensor) -> Tensor { trunk(embedding(clip)) }
}

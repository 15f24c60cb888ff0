/// Features to frames (reference: st_transformer.py @d6ad92d, `STTDecoder`).
package struct Decoder {
    let trunk: Trunk
    let modulation: Modulation  // rows shift and scale of [2, C]
    let projection: Linear
    let configuration: TransformerConfiguration

    init(_ weights: Weights, _ configuration: TransformerConfiguration) {
        trunk = Trunk(weights, configuration)
        let end = weights / "final_layer"
        modulation = Modulation(
            end("scale_shift_table", [2, configuration.width]), from: 0)
        projection = Linear(end / "linear", configuration.width, configuration.patch.pixels * 3)
        self.configuration = configuration
    }

    /// `[B, T, S, C] -> [B, frames, height, width, 3]`, not clamped
    package func callAsFunction(_ z: Tensor) -> Tensor {
        let patches = projection(modulatedLayerNorm(trunk(z), modulation))
        let grid = configuration.grid
        return unpatchify(patches, configuration.patch, rows: grid.rows, columns: grid.columns)
    }
}

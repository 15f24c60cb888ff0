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
        // What its inputs and weights lose is seen in every pixel, and it is little work.
        projection = Linear(
            (end / "linear").exact, configuration.width, configuration.patch.pixels * 3)
        self.configuration = configuration
    }

    /// `[B, T, S, C] -> [B, frames, height, width, 3]`, not clamped
    package func callAsFunction(_ z: Tensor) -> Tensor {
        pixels(features(z))
    }

    /// What the last layer takes: `[B, T, S, C] -> [B, T, S, C]`
    func features(_ z: Tensor) -> Tensor {
        modulatedLayerNorm(trunk(z), shift: modulation.shift, scale: modulation.scale)
    }

    /// The last layer, and patches put together: `[B, T, S, C] -> [B, frames, height, width, 3]`
    func pixels(_ features: Tensor) -> Tensor {
        let grid = configuration.grid
        return unpatchify(
            projection(features), configuration.patch, rows: grid.rows, columns: grid.columns)
    }

    /// The gradient of the last layer's matrix, where `d` is that of the pixels and `features` went in:
    /// its norm is what the adaptive weight of the adversarial loss compares.
    func lastLayerGradient(_ d: Tensor, _ features: Tensor) -> Tensor {
        weightGradient(patches(d, configuration.patch), features)
    }
}

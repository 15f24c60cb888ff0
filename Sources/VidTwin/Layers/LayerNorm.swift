/// LayerNorm with weight and bias, over a sum: the post-norm of the Q-Former.
package struct LayerNorm {
    let weight: Parameter  // [C]
    let bias: Parameter  // [C]
    let eps: Float

    init(_ weights: Weights, width: Int, eps: Float) {
        weight = weights("weight", [width])
        bias = weights("bias", [width])
        self.eps = eps
    }

    /// `LN(x + residual)`: `[..., C] -> [..., C]`
    package func callAsFunction(_ x: Tensor, adding residual: Tensor? = nil) -> Tensor {
        layerNorm(x, adding: residual, weight, bias, eps: eps)
    }
}

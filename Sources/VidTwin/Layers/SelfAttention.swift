/// Multi-head self-attention over space or over time, with projections.
package struct SelfAttention {
    let qkv, projection: Linear
    let heads: Int
    let axis: TokenAxis
    let causal: Bool

    package init(
        _ weights: Weights, width: Int, heads: Int, over axis: TokenAxis, causal: Bool = false
    ) {
        qkv = Linear(weights / "qkv", width, 3 * width)
        projection = Linear(weights / "proj", width, width)
        self.heads = heads
        self.axis = axis
        self.causal = causal
    }

    /// `[B, T, S, C] -> [B, T, S, C]`
    package func callAsFunction(_ x: Tensor) -> Tensor {
        projection(selfAttention(qkv(x), heads: heads, over: axis, causal: causal))
    }
}

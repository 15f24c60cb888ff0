import VidTwinKernels

/// `activation(x · Wᵀ + b)` over the last axis.
package struct Linear {
    let weight: Parameter  // [O, I]
    let bias: Parameter  // [O]
    let activation: Activation

    init(_ weights: Weights, _ inputs: Int, _ outputs: Int, activation: Activation = .none) {
        weight = weights.matrix("weight", [outputs, inputs])
        bias = weights("bias", [outputs])
        self.activation = activation
    }

    /// `[..., I] -> [..., O]`
    package func callAsFunction(_ x: Tensor) -> Tensor {
        linear(x, weight, bias, activation: activation)
    }

    /// As a block's branch takes it.
    var branch: BranchLinear { BranchLinear(weight, bias, activation: activation) }
}

/// `max(W · x + b, 0)` over the middle axis: one small matrix for every channel.
package struct AxisLinear {
    let weight: Parameter  // [O, I], or [O, I, 1] where the checkpoint has a Conv1d
    let bias: Parameter  // [O]

    init(_ weights: Weights, _ shape: [Int]) {
        weight = weights("weight", shape)
        bias = weights("bias", [shape[0]])
    }

    /// `[N, I, inner] -> [N, O, inner]`
    package func callAsFunction(_ x: Tensor) -> Tensor { linearOverAxisReLU(x, weight, bias) }
}

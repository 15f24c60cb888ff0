import VidTwinKernels

/// A 3×3 convolution with zero padding of 1 and an activation, on channels-last pictures.
package struct Convolution {
    let weight: Parameter  // [O, I, 3, 3]
    let bias: Parameter  // [O]
    let stride: Int
    let activation: Activation

    init(
        _ weights: Weights, _ inputs: Int, _ outputs: Int, stride: Int = 1,
        activation: Activation = .none
    ) {
        weight = weights.convolution("weight", [outputs, inputs, 3, 3])
        bias = weights("bias", [outputs])
        self.stride = stride
        self.activation = activation
    }

    /// `[N, H, W, I] -> [N, ⌈H/stride⌉, ⌈W/stride⌉, O]`
    package func callAsFunction(_ x: Tensor) -> Tensor {
        conv2d(x, weight, bias, kernel: 3, stride: stride, padding: 1, activation: activation)
    }
}

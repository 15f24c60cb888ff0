/// A convolution of channels-last pictures or clips, for a library's own code.
package struct ConvolutionShape: Hashable, Sendable {
    /// Pictures or clips that are computed together.
    package var count: Int
    /// Sizes of a picture (height, width) or a clip (time, height, width).
    package let input, output: [Int]
    package let channels, outputs: Int
    package let kernel, stride, padding: [Int]
    /// Whether what is multiplied is rounded to bfloat16; results and gradients of weights are float32.
    package let isNarrow: Bool

    package init(
        count: Int, input: [Int], output: [Int], channels: Int, outputs: Int, kernel: [Int],
        stride: [Int], padding: [Int], isNarrow: Bool
    ) {
        (self.count, self.input, self.output) = (count, input, output)
        (self.channels, self.outputs, self.kernel) = (channels, outputs, kernel)
        (self.stride, self.padding, self.isNarrow) = (stride, padding, isNarrow)
    }

    /// Floats of one input, of one output, of the weights.
    package var inputCount: Int { input.reduce(channels, *) }
    package var outputCount: Int { output.reduce(outputs, *) }
    package var weightCount: Int { kernel.reduce(channels * outputs, *) }
    /// Multiplications and additions.
    package var operations: UInt64 {
        UInt64(2 * count * output.reduce(1, *) * weightCount)
    }
}

/// Which of a convolution's three products.
package enum ConvolutionProduct: Hashable, Sendable {
    /// `y = f(x ∗ W + b)`, f none or ReLU.
    case forward(bias: Bool, relu: Bool)
    /// dx of dy.
    case backwardData
    /// dW of x and dy.
    case backwardWeights
}

/// A compiled convolution; runs on the calling thread, on several at once.
package protocol DirectConvolution: AnyObject, Sendable {
    /// Bytes that the weights, or their gradient, take in the library's layout.
    var weightBytes: Int { get }

    /// The weights `[O, I, k…]`, row-major, in the layout of this product.
    ///
    /// - Throws: `ProductError`.
    func pack(_ rows: UnsafePointer<Float>) throws -> AlignedBuffer

    /// A gradient in the layout of this product as `[O, I, k…]`, row-major.
    ///
    /// - Throws: `ProductError`.
    func unpack(_ gradient: UnsafePointer<Float>, into rows: UnsafeMutablePointer<Float>) throws

    /// Runs on `shape.count` pictures: `input` and `output` are x and y (or dx and dy, or x and dy),
    /// in the element that the product wants; `weights` are packed ones, or their gradient, written.
    /// Lack of memory is noted as the task's failure.
    func run(
        input: UnsafeMutableRawPointer, weights packed: UnsafeMutableRawPointer,
        bias: UnsafePointer<Float>?, output: UnsafeMutableRawPointer,
        _ product: ConvolutionProduct, _ workspace: Workspace)
}

/// The product library's convolution, or nil where it has no fast one for this CPU and shape.
package func libraryConvolution(
    _ shape: ConvolutionShape, _ product: ConvolutionProduct
) -> (any DirectConvolution)? {
    Products.library.convolution(shape, product)
}

package import CVidTwinKernels

/// What a product applies to its result, element by element.
package enum Activation: Hashable, Sendable {
    case none
    case relu
    /// GELU with the tanh approximation (the transformer blocks).
    case geluTanh
    /// GELU with erf (the Q-Former).
    case geluErf
    /// `x`, or 0.2 · `x` where that is negative (the discriminators).
    case leakyReLU

    package var code: vt_activation {
        switch self {
        case .none: VT_NONE
        case .relu: VT_RELU
        case .geluTanh: VT_GELU_TANH
        case .geluErf: VT_GELU_ERF
        case .leakyReLU: VT_LEAKY_RELU
        }
    }
}

/// Rows of activations in the form that a product multiplies.
package enum Operand {
    case float32(UnsafePointer<Float>)
    case bfloat16(UnsafePointer<UInt16>)
    /// Whole numbers; each row has a scale and a zero.
    case int8(UnsafePointer<UInt8>, scales: UnsafePointer<Float>, zeros: UnsafePointer<Int32>)

    /// Brings `rows` of floats into the form that `weights` want, in the workspace's `.operand`.
    package init(
        _ x: UnsafePointer<Float>, rows: Int, for weights: PackedMatrix, _ workspace: Workspace
    ) {
        let (columns, count) = (weights.inputs, rows * weights.inputs)
        switch weights.format {
        case .float32: self = .float32(x)
        case .bfloat16:
            self = workspace.measure(.packing) {
                if ProductSupport.multipliesBFloat16 {
                    let narrow = workspace.memory(.operand, count, of: UInt16.self)
                    kernels.to_bf16(x, narrow, count)
                    return .bfloat16(narrow)
                }
                let rounded = workspace.floats(.operand, 2 * count)
                let narrow = UnsafeMutableRawPointer(rounded + count)
                    .bindMemory(to: UInt16.self, capacity: count)
                kernels.to_bf16(x, narrow, count)
                kernels.from_bf16(narrow, rounded, count)
                return .float32(rounded)
            }
        case .int8:
            self = workspace.measure(.packing) {
                let scales = workspace.floats(.operand, 2 * rows + (count + 3) / 4)
                let zeros = UnsafeMutableRawPointer(scales + rows)
                    .bindMemory(to: Int32.self, capacity: rows)
                let numbers = UnsafeMutableRawPointer(scales + 2 * rows)
                    .bindMemory(to: UInt8.self, capacity: count)
                kernels.quantise_rows(
                    x, numbers, scales, zeros, rows, columns, ProductSupport.activationLevels)
                return .int8(numbers, scales: scales, zeros: zeros)
            }
        }
    }
}

/// `y = activation(x · Wᵀ + bias)`.
///
/// `x` is `[rows, inputs]`, `y` is `[rows, outputs]`, both dense; runs on the calling thread alone
/// when that is a task of a `ThreadPool`. How rows are cut into calls may change the last bit:
/// callers cut by sizes, never by threads.
package func product(
    _ x: UnsafePointer<Float>, rows: Int, _ weights: PackedMatrix, bias: UnsafePointer<Float>?,
    into y: UnsafeMutablePointer<Float>, activation: Activation = .none, _ workspace: Workspace
) {
    product(
        Operand(x, rows: rows, for: weights, workspace), rows: rows, weights, bias: bias, into: y,
        activation: activation, workspace)
}

/// The same of activations that are in the weights' form already.
package func product(
    _ x: Operand, rows: Int, _ weights: PackedMatrix, bias: UnsafePointer<Float>?,
    into y: UnsafeMutablePointer<Float>, activation: Activation = .none, _ workspace: Workspace
) {
    workspace.operations += UInt64(2 * rows * weights.inputs * weights.outputs)
    switch x {
    case .float32(let x):
        var w = weights.buffer.pointer
        if weights.format == .bfloat16 {
            let count = weights.outputs * weights.inputs
            w = workspace.floats(.widened, count)
            workspace.measure(.packing) {
                kernels.from_bf16(weights.buffer.elements(of: UInt16.self), w, count)
            }
        }
        run(x, rows, weights, w, bias, y, .float32, activation, workspace)
    case .bfloat16(let x):
        run(x, rows, weights, weights.buffer.pointer, bias, y, .float32, activation, workspace)
    case .int8(let x, let rowScales, let rowZeros):
        guard let scales = weights.scales, let sums = weights.sums else {
            preconditionFailure("whole numbers times \(weights.format)")
        }
        run(x, rows, weights, weights.buffer.pointer, nil, y, .signed32, .none, workspace)
        workspace.measure(.packing) {
            let whole = UnsafeMutableRawPointer(y).assumingMemoryBound(to: Int32.self)
            kernels.dequantise(
                whole, rows, weights.outputs, rowScales, rowZeros, scales.pointer,
                sums.elements(of: Int32.self), bias, activation.code)
        }
    }
}

/// The same with results rounded to bfloat16, the form of the next product or of attention.
///
/// - Precondition: `ProductSupport.multipliesBFloat16`, and `x` is bfloat16.
package func product(
    _ x: Operand, rows: Int, _ weights: PackedMatrix, bias: UnsafePointer<Float>?,
    intoBFloat16 y: UnsafeMutablePointer<UInt16>, activation: Activation = .none,
    _ workspace: Workspace
) {
    guard case .bfloat16(let x) = x else { preconditionFailure("\(x) is not bfloat16") }
    workspace.operations += UInt64(2 * rows * weights.inputs * weights.outputs)
    run(x, rows, weights, weights.buffer.pointer, bias, y, .bfloat16, activation, workspace)
}

/// What a product costs before its results are brought back to floats: the library's part alone,
/// for measuring it.
package func bareProduct(
    _ x: Operand, rows: Int, _ weights: PackedMatrix, into y: UnsafeMutablePointer<Float>,
    _ workspace: Workspace
) {
    guard case .int8(let x, _, _) = x else {
        product(x, rows: rows, weights, bias: nil, into: y, workspace)
        return
    }
    run(x, rows, weights, weights.buffer.pointer, nil, y, .signed32, .none, workspace)
}

private func run(
    _ x: UnsafeRawPointer, _ rows: Int, _ weights: PackedMatrix, _ w: UnsafeRawPointer,
    _ bias: UnsafePointer<Float>?, _ y: UnsafeMutableRawPointer, _ destination: ProductElement,
    _ activation: Activation, _ workspace: Workspace
) {
    let key = ProductKey(
        rows: rows,
        shape: PackedMatrix.shape(
            outputs: weights.outputs, inputs: weights.inputs, weights.format),
        destination: destination, bias: bias != nil, activation: activation)
    do {
        try withExtendedLifetime(weights) {
            try Products.library.multiply(key, x, w, bias: bias, into: y, workspace)
        }
    } catch {
        // Shapes were accepted when the weights were packed: what is left is lack of memory.
        TaskFailure.note(error)
    }
}

/// `c = a · b`, or with one of them transposed, row-major with strides in elements.
///
/// `a` is `[m, k]` (`[k, m]` in memory when `transposedA`), `b` is `[k, n]` (`[n, k]` when
/// `transposed`), `c` is `[m, n]`; `adding`: `c` is added to.
package func matrixProduct(
    _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Float>, _ aStride: Int,
    transposedA: Bool = false, _ b: UnsafePointer<Float>, _ bStride: Int, transposed: Bool,
    into c: UnsafeMutablePointer<Float>, _ cStride: Int, adding: Bool = false,
    _ workspace: Workspace
) {
    let key = StridedKey(
        m: m, n: n, k: k, aStride: aStride, bStride: bStride, cStride: cStride,
        transposedA: transposedA, transposed: transposed, adding: adding)
    do {
        try Products.library.multiply(key, a, b, into: c, workspace)
    } catch {
        TaskFailure.note(error)
    }
}

/// The same of bfloat16, with float32 sums.
///
/// - Precondition: `ProductSupport.multipliesBFloat16`.
package func matrixProduct(
    _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<UInt16>, _ aStride: Int,
    transposedA: Bool = false, _ b: UnsafePointer<UInt16>, _ bStride: Int, transposed: Bool,
    into c: UnsafeMutablePointer<Float>, _ cStride: Int, _ workspace: Workspace
) {
    let key = StridedKey(
        m: m, n: n, k: k, aStride: aStride, bStride: bStride, cStride: cStride,
        transposedA: transposedA, transposed: transposed)
    do {
        try Products.library.multiply(key, a, b, into: c, workspace)
    } catch {
        TaskFailure.note(error)
    }
}

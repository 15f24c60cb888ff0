package import VidTwinKernels
import CVidTwinKernels

/// How a convolution's window moves, by time, height and width; pictures have one time step.
package struct Window: Sendable {
    package let kernel, stride, padding: [Int]

    /// Over pictures: `kernel` × `kernel`.
    package init(kernel: Int, stride: Int, padding: Int) {
        self.kernel = [1, kernel, kernel]
        self.stride = [1, stride, stride]
        self.padding = [0, padding, padding]
    }

    /// Over clips: `kernel`³, with a stride for each axis.
    package init(cube kernel: Int, stride: [Int], padding: Int) {
        self.kernel = [kernel, kernel, kernel]
        self.stride = stride
        self.padding = [padding, padding, padding]
    }

    /// Numbers of positions of a kernel.
    package var taps: Int { kernel.reduce(1, *) }

    /// Output sizes: `(size + 2 · padding − kernel) / stride + 1`.
    package func output(_ input: [Int]) -> [Int] {
        (0..<3).map { (input[$0] + 2 * padding[$0] - kernel[$0]) / stride[$0] + 1 }
    }

    fileprivate func sizes(_ input: [Int], channels: Int) -> vt_window {
        func three(_ x: [Int]) -> (Int, Int, Int) { (x[0], x[1], x[2]) }
        return vt_window(
            in: three(input), out: three(output(input)), kernel: three(kernel),
            stride: three(stride), padding: three(padding), channels: channels)
    }
}

/// `activation(conv2d(x) + b)` with zero padding: `[N, H, W, I] -> [N, H', W', O]`.
///
/// `weight` is `[O, I, k, k]`; `H' = (H + 2·padding - kernel) / stride + 1`.
package func conv2d(
    _ x: Tensor, _ weight: Parameter, _ bias: Parameter?, kernel: Int, stride: Int, padding: Int,
    activation: Activation = .none
) -> Tensor {
    let (N, H, W, I) = x.shape4
    let y = convolution(
        x.reshaped([N, 1, H, W, I]), weight, bias,
        Window(kernel: kernel, stride: stride, padding: padding), activation: activation)
    return y.reshaped([N, y.dim(2), y.dim(3), y.dim(4)])
}

/// `activation(conv3d(x) + b)` with zero padding: `[N, T, H, W, I] -> [N, T', H', W', O]`.
///
/// `weight` is `[O, I, k…]`. Weights that are trained or led through go by oneDNN's convolutions, where
/// it has one; packed ones multiply each output's neighbourhood, which suits small maps better.
package func convolution(
    _ x: Tensor, _ weight: Parameter, _ bias: Parameter?, _ window: Window,
    activation: Activation = .none
) -> Tensor {
    let (O, I) = (weight.shape[0], x.dim(-1))
    let (N, input) = (x.dim(0), Array(x.shape[1..<4]))
    let output = window.output(input)
    let gathered = window.taps * I
    precondition(
        weight.count == O * gathered && bias.map { $0.count == O } ?? true
            && output.allSatisfy { $0 > 0 },
        "convolution \(weight.name): \(x.shape) by \(weight.shape)")
    if x.tape != nil, activation != .none, activation != .relu {
        return activate(convolution(x, weight, bias, window), activation)
    }
    if let y = directConvolution(x, weight, bias, window, activation) { return y }
    let matrix = weight.matrix
    let out = Tensor([N] + output + [matrix.outputs], on: x.device)
    // Each picture or clip is cut by itself, so that how many there are changes nothing in one.
    let parts = Partition(rows: output.reduce(1, *), target: productRows)
    x.device.parallel(N * parts.tasks, .convolution) { task, workspace in
        let (first, part) = (task / parts.tasks * parts.rows, parts[task % parts.tasks])
        let rows = first + part.lowerBound..<first + part.upperBound
        var sizes = window.sizes(input, channels: I)
        let columns = workspace.floats(.rows, rows.count * gathered)
        vt_gather(x.pointer, columns, rows.lowerBound, rows.count, &sizes, 0, window.taps)
        product(
            columns, rows: rows.count, matrix, bias: bias?.pointer,
            into: out.pointer + rows.lowerBound * matrix.outputs, activation: activation, workspace)
    }
    guard let tape = x.tape else { return out }
    let rectified = activation == .relu ? out : nil
    return tape.record(out) { d in
        let d = rectified.map { activationGradient($0, d, .relu) } ?? d
        if x.node?.wantsGradient ?? false {
            tape.add(convolutionLeadBack(d, weight, window, like: x), to: x)
        }
        if let gradient = weight.gradient(on: tape) {
            addConvolutionGradient(d, x, weight, window, to: gradient)
        }
        if let bias { addBiasGradient(d, bias, on: tape) }
    }
}

/// What a convolution's gradient `[N, T', H', W', O]` leads back to its input. A task takes a clip (or
/// picture): its rows times the weights, added where they were gathered.
func convolutionLeadBack(
    _ d: Tensor, _ weight: Parameter, _ window: Window, like x: Tensor
) -> Tensor {
    let (dx, matrix) = (Tensor(x.shape, on: x.device), weight.transposedMatrix)
    let (N, input) = (x.dim(0), Array(x.shape[1..<4]))
    let (clip, rows) = (x.count / max(N, 1), window.output(input).reduce(1, *))
    let parts = Partition(rows: rows, target: productRows)
    x.device.parallel(N, .convolution) { n, workspace in
        var sizes = window.sizes(input, channels: x.dim(-1))
        (dx.pointer + n * clip).update(repeating: 0, count: clip)
        for part in 0..<parts.tasks {
            let rows = parts[part]
            let columns = workspace.floats(.rows, rows.count * matrix.outputs)
            product(
                d.pointer + (n * parts.rows + rows.lowerBound) * matrix.inputs, rows: rows.count,
                matrix, bias: nil, into: columns, workspace)
            vt_scatter_add(columns, dx.pointer + n * clip, rows.lowerBound, rows.count, &sizes)
        }
    }
    return dx
}

/// Adds `Σ dᵀ · gathered` to the gradient of a convolution's weights `[O, I, k…]`. A task takes some of
/// the taps and all rows, so that sums do not depend on the number of threads.
func addConvolutionGradient(
    _ d: Tensor, _ x: Tensor, _ weight: Parameter, _ window: Window,
    to gradient: UnsafeMutablePointer<Float>
) {
    let (O, I) = (d.dim(-1), x.dim(-1))
    let (rows, input) = (d.rows, Array(x.shape[1..<4]))
    let taps = Partition(rows: window.taps, target: max(64 / I, 1))
    x.device.parallel(taps.tasks, .convolution) { task, workspace in
        let own = taps[task]
        if own.isEmpty { return }
        let width = own.count * I
        var sizes = window.sizes(input, channels: I)
        let sums = workspace.floats(.branch, O * width)
        sums.update(repeating: 0, count: O * width)
        workspace.operations += UInt64(2 * rows * O * width)
        let parts = Partition(rows: rows, target: 1024)
        for part in 0..<parts.tasks {
            let some = parts[part]
            let columns = workspace.floats(.rows, some.count * width)
            vt_gather(
                x.pointer, columns, some.lowerBound, some.count, &sizes, own.lowerBound, own.count)
            matrixProduct(
                O, width, some.count, d.pointer + some.lowerBound * O, O, transposedA: true,
                columns, width, transposed: false, into: sums, width, adding: true,
                workspace)
        }
        for o in 0..<O {
            for tap in own {
                let from = sums + o * width + (tap - own.lowerBound) * I
                let to = gradient + o * I * window.taps + tap
                for i in 0..<I { to[i * window.taps] += from[i] }
            }
        }
    }
}

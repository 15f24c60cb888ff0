package import VidTwinKernels

/// `activation(x · Wᵀ + b)` over the last axis: `[..., I] -> [..., O]`.
///
/// `weight` is `[O, I]` or any shape that flattens to it, for products; `bias` is `[O]`.
package func linear(
    _ x: Tensor, _ weight: Parameter, _ bias: Parameter, activation: Activation = .none
) -> Tensor {
    let matrix = weight.matrix
    precondition(
        x.dim(-1) == matrix.inputs && bias.count == matrix.outputs,
        "linear \(weight.name): \(x.shape) by [\(matrix.outputs), \(matrix.inputs)]")
    // GELU's derivative wants what went in, ReLU's is known from what came out.
    if x.tape != nil, activation != .none, activation != .relu {
        return activate(linear(x, weight, bias), activation)
    }
    let out = Tensor(x.shape.dropLast() + [matrix.outputs], on: x.device)
    let partition = Partition(rows: x.rows, target: productRows)
    x.device.parallel(partition.tasks, .linear) { task, workspace in
        let rows = partition[task]
        product(
            x.pointer + rows.lowerBound * matrix.inputs, rows: rows.count, matrix,
            bias: bias.pointer, into: out.pointer + rows.lowerBound * matrix.outputs,
            activation: activation, workspace)
    }
    guard let tape = x.tape else { return out }
    let rectified = activation == .relu ? out : nil
    return tape.record(out) { d in
        let d = rectified.map { activationGradient($0, d, .relu) } ?? d
        if let gradient = weight.gradient(on: tape), let values = weight.trainable {
            addWeightGradient(d, x, values.format, to: gradient) {
                _ = values.matrix(.backward)
            }
        }
        addBiasGradient(d, bias, on: tape)
        tape.add(leadBack(d, weight).reshaped(x.shape), to: x)
        if tape.trainsParameters { weight.trainable?.releaseCopies() }
    }
}

/// `d · W`, what a product's gradient leads back to its input: `[..., O] -> [rows, I]`.
func leadBack(_ d: Tensor, _ weight: Parameter) -> Tensor {
    let matrix = weight.transposedMatrix
    let out = Tensor([d.count / matrix.inputs, matrix.outputs], on: d.device)
    let partition = Partition(rows: out.rows, target: productRows)
    d.device.parallel(partition.tasks, .linear) { task, workspace in
        let rows = partition[task]
        product(
            d.pointer + rows.lowerBound * matrix.inputs, rows: rows.count, matrix, bias: nil,
            into: out.pointer + rows.lowerBound * matrix.outputs, workspace)
    }
    return out
}

/// Adds `dᵀ · x` to a matrix's gradient `[O, I]`: d `[..., O]`, x `[..., I]`.
///
/// A task takes some outputs and all rows, so that sums do not depend on the number of threads; one
/// more does `aside`.
func addWeightGradient(
    _ d: Tensor, _ x: Tensor, _ format: WeightFormat, to gradient: UnsafeMutablePointer<Float>,
    aside: () -> Void = {}
) {
    let (O, I, rows) = (d.dim(-1), x.dim(-1), x.rows)
    let partition = Partition(rows: O, target: max(O / 16, 64))
    guard format == .bfloat16, ProductSupport.multipliesBFloat16 else {
        x.device.parallel(1 + partition.tasks, .linear) { task, workspace in
            if task == 0 { return workspace.measure(.packing, aside) }
            let outputs = partition[task - 1]
            workspace.operations += UInt64(2 * outputs.count * I * rows)
            matrixProduct(
                outputs.count, I, rows, d.pointer + outputs.lowerBound, O, transposedA: true,
                x.pointer, I, transposed: false, into: gradient + outputs.lowerBound * I, I,
                adding: true, workspace)
        }
        return
    }
    let (narrow, operand) = (rounded(d), rounded(x))
    x.device.parallel(1 + partition.tasks, .linear) { task, workspace in
        if task == 0 { return workspace.measure(.packing, aside) }
        let outputs = partition[task - 1]
        workspace.operations += UInt64(2 * outputs.count * I * rows)
        let part = workspace.floats(.branch, outputs.count * I)
        matrixProduct(
            outputs.count, I, rows, narrow.narrow + outputs.lowerBound, O, transposedA: true,
            operand.narrow, I, transposed: false, into: part, I, workspace)
        let at = gradient + outputs.lowerBound * I
        kernels.add(at, part, at, outputs.count * I)
    }
}

/// `dᵀ · x`, the gradient of a matrix, by itself: `[..., O], [..., I] -> [O, I]`.
package func weightGradient(_ d: Tensor, _ x: Tensor) -> Tensor {
    let out = Tensor([d.dim(-1), x.dim(-1)], on: d.device)
    out.withPointer {
        $0.update(repeating: 0, count: out.count)
        addWeightGradient(d, x, .float32, to: $0)
    }
    return out
}

/// A tensor's values in bfloat16, in a tensor of half the size.
private func rounded(_ x: Tensor) -> Tensor {
    let out = Tensor([(x.count + 1) / 2], on: x.device)
    let partition = Partition(rows: x.count, target: 1 << 16)
    x.device.parallel(partition.tasks, .packing) { task, _ in
        let (at, count) = (partition[task].lowerBound, partition[task].count)
        kernels.to_bf16(x.pointer + at, out.narrow + at, count)
    }
    return out
}

extension Tensor {
    /// The memory as bfloat16.
    fileprivate var narrow: UnsafeMutablePointer<UInt16> {
        UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: UInt16.self)
    }
}

/// Adds the sums over rows to a bias's gradient: d `[..., O]`.
func addBiasGradient(_ d: Tensor, _ bias: Parameter, on tape: Tape) {
    guard let gradient = bias.gradient(on: tape) else { return }
    let O = bias.count
    let partition = Partition(rows: d.count / O, target: productRows)
    let sums = ColumnSums(tasks: partition.tasks, columns: O, on: d.device)
    d.device.parallel(partition.tasks, .linear) { task, _ in
        let rows = partition[task]
        kernels.column_sums(
            d.pointer + rows.lowerBound * O, sums.pointer(task), rows.count, O)
    }
    sums.add(to: gradient, count: O)
}

/// Rows of a product's task: enough for the full rate of one core, few enough to share out.
package let productRows = 112

/// `max(W · x + b, 0)` over the middle axis: `[N, I, inner] -> [N, O, inner]`.
///
/// The same weights serve every channel: the "linear over tokens" of the latents' way back.
/// `weight` is `[O, I]` (or `[O, I, 1]`), plain; `bias` is `[O]`.
package func linearOverAxisReLU(_ x: Tensor, _ weight: Parameter, _ bias: Parameter) -> Tensor {
    let (N, I, inner) = x.shape3
    let O = weight.shape[0]
    precondition(
        weight.shape[1] == I && bias.count == O, "\(weight.name) \(weight.shape) over \(x.shape)")
    let out = Tensor([N, O, inner], on: x.device)
    let columns = Partition(rows: inner, target: 4096)
    x.device.parallel(N * columns.tasks, .linear) { task, workspace in
        let (n, part) = (task / columns.tasks, columns[task % columns.tasks])
        let y = out.pointer + n * O * inner + part.lowerBound
        matrixProduct(
            O, part.count, I, weight.pointer, I, x.pointer + n * I * inner + part.lowerBound,
            inner, transposed: false, into: y, inner, workspace)
        kernels.add_row_bias(y, bias.pointer, O, part.count, inner, 1)
    }
    guard let tape = x.tape else { return out }
    return tape.record(out) { d in
        let (d, dx) = (activationGradient(out, d, .relu), Tensor(x.shape, on: x.device))
        let tasks = N * columns.tasks
        let sums = ColumnSums(tasks: tasks, columns: O * I + O, on: x.device)
        x.device.parallel(tasks, .linear) { task, workspace in
            let (n, part) = (task / columns.tasks, columns[task % columns.tasks])
            let up = d.pointer + n * O * inner + part.lowerBound
            let at = n * I * inner + part.lowerBound
            matrixProduct(
                I, part.count, O, weight.pointer, I, transposedA: true, up, inner,
                transposed: false, into: dx.pointer + at, inner, workspace)
            matrixProduct(
                O, I, part.count, up, inner, x.pointer + at, inner, transposed: true,
                into: sums.pointer(task), I, workspace)
            for o in 0..<O {
                var total = 0.0
                for c in 0..<part.count { total += Double(up[o * inner + c]) }
                sums.pointer(task)[O * I + o] = Float(total)
            }
        }
        tape.add(dx, to: x)
        if let gradient = weight.gradient(on: tape) { sums.add(to: gradient, count: O * I) }
        if let gradient = bias.gradient(on: tape) {
            sums.add(to: gradient, from: O * I, count: O)
        }
    }
}

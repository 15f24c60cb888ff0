package import VidTwinKernels

/// `activation(x · Wᵀ + b)` over the last axis: `[..., I] -> [..., O]`.
///
/// `weight` is `[O, I]` or any shape that flattens to it, packed; `bias` is `[O]`.
package func linear(
    _ x: Tensor, _ weight: Parameter, _ bias: Parameter, activation: Activation = .none
) -> Tensor {
    let matrix = weight.matrix
    precondition(
        x.dim(-1) == matrix.inputs && bias.count == matrix.outputs,
        "linear \(weight.name): \(x.shape) by [\(matrix.outputs), \(matrix.inputs)]")
    let out = Tensor(x.shape.dropLast() + [matrix.outputs], on: x.device)
    let partition = Partition(rows: x.rows, target: productRows)
    x.device.parallel(partition.tasks) { task, workspace in
        let rows = partition[task]
        product(
            x.pointer + rows.lowerBound * matrix.inputs, rows: rows.count, matrix,
            bias: bias.pointer, into: out.pointer + rows.lowerBound * matrix.outputs,
            activation: activation, workspace)
    }
    return out
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
    x.device.parallel(N * columns.tasks) { task, _ in
        let (n, part) = (task / columns.tasks, columns[task % columns.tasks])
        let y = out.pointer + n * O * inner + part.lowerBound
        matrixProduct(
            O, part.count, I, weight.pointer, I, x.pointer + n * I * inner + part.lowerBound,
            inner, transposed: false, into: y, inner)
        kernels.add_row_bias(y, bias.pointer, O, part.count, inner, 1)
    }
    return out
}

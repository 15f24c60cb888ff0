import CVidTwinKernels
package import VidTwinKernels

/// `activation(conv2d(x) + b)` with zero padding: `[N, H, W, I] -> [N, H', W', O]`.
///
/// Gathers each output's neighbourhood and multiplies: `weight` is packed from `[O, k, k, I]`.
/// `H' = (H + 2·padding - kernel) / stride + 1`.
package func conv2d(
    _ x: Tensor, _ weight: Parameter, _ bias: Parameter, kernel: Int, stride: Int, padding: Int,
    activation: Activation
) -> Tensor {
    let (N, H, W, I) = x.shape4
    let matrix = weight.matrix
    let (height, width) = (
        (H + 2 * padding - kernel) / stride + 1, (W + 2 * padding - kernel) / stride + 1
    )
    let gathered = kernel * kernel * I
    precondition(
        matrix.inputs == gathered && bias.count == matrix.outputs && height > 0 && width > 0,
        "conv2d \(weight.name): \(x.shape) by [\(matrix.outputs), \(matrix.inputs)]")
    let out = Tensor([N, height, width, matrix.outputs], on: x.device)
    let partition = Partition(rows: out.rows, target: productRows)
    let device = x.device
    device.parallel(partition.tasks) { task, workspace in
        let rows = partition[task]
        let columns = workspace.floats(.rows, rows.count * gathered)
        vt_im2col(
            x.pointer, columns, rows.lowerBound, rows.count, H, W, I, height, width, kernel, stride,
            padding)
        product(
            columns, rows: rows.count, matrix, bias: bias.pointer,
            into: out.pointer + rows.lowerBound * matrix.outputs, activation: activation, workspace)
    }
    return out
}

import VidTwinKernels

/// Rows of a light, memory-bound op that one task takes.
let lightRows = 128

/// `LN(x) · (1 + scale) + shift`, LN without weights of its own, eps 1e-6: `[..., C] -> [..., C]`;
/// shift and scale are rows of a learned table, `[C]`.
package func modulatedLayerNorm(
    _ x: Tensor, shift: Parameter.Row, scale: Parameter.Row
) -> Tensor {
    normalise(
        x, residual: nil,
        Affine(
            offset: 1, eps: 1e-6, scale: { scale.pointer }, shift: { shift.pointer },
            gradients: { tape in (scale.gradient(on: tape), shift.gradient(on: tape)) }))
}

/// `LN(x + residual) · weight + bias`: `[..., C] -> [..., C]`.
package func layerNorm(
    _ x: Tensor, adding residual: Tensor? = nil, _ weight: Parameter, _ bias: Parameter,
    eps: Float
) -> Tensor {
    precondition(
        residual.map { $0.shape == x.shape } ?? true, "layerNorm: \(x.shape) and its residual")
    return normalise(
        x, residual: residual,
        Affine(
            offset: 0, eps: eps, scale: { weight.pointer }, shift: { bias.pointer },
            gradients: { tape in (weight.gradient(on: tape), bias.gradient(on: tape)) }))
}

/// What follows a norm: `· (offset + scale) + shift`.
private struct Affine {
    let offset, eps: Float
    let scale, shift: () -> UnsafePointer<Float>
    let gradients:
        (Tape) -> (scale: UnsafeMutablePointer<Float>?, shift: UnsafeMutablePointer<Float>?)
}

private func normalise(_ x: Tensor, residual: Tensor?, _ affine: Affine) -> Tensor {
    let (out, columns) = (Tensor(x.shape, on: x.device), x.dim(-1))
    let partition = Partition(rows: x.rows, target: lightRows)
    x.device.parallel(partition.tasks) { task, _ in
        let (rows, at) = (partition[task], partition[task].lowerBound * columns)
        kernels.layer_norm(
            x.pointer + at, residual.map { UnsafePointer($0.pointer + at) }, out.pointer + at,
            rows.count, columns, affine.scale(), affine.offset, affine.shift(), affine.eps)
    }
    guard let tape = x.tape ?? residual?.tape else { return out }
    return tape.record(out) { d in
        let (scale, shift) = affine.gradients(tape)
        let sums = ColumnSums(tasks: partition.tasks, columns: 2 * columns, on: x.device)
        let dx = Tensor(x.shape, on: x.device)
        x.device.parallel(partition.tasks) { task, _ in
            let (rows, at) = (partition[task], partition[task].lowerBound * columns)
            let own = sums.pointer(task)
            kernels.layer_norm_backward(
                x.pointer + at, residual.map { UnsafePointer($0.pointer + at) }, d.pointer + at,
                dx.pointer + at, rows.count, columns, affine.scale(), affine.offset, affine.eps,
                own, own + columns)
        }
        if let scale { sums.add(to: scale, count: columns) }
        if let shift { sums.add(to: shift, from: columns, count: columns) }
        tape.add(dx, to: x)
        if let residual { tape.add(dx, to: residual) }
    }
}

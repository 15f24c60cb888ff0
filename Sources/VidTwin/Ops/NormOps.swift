import VidTwinKernels

/// Rows of a light, memory-bound op that one task takes.
let lightRows = 128

/// `LN(x) · (1 + scale) + shift`, LN without weights of its own, eps 1e-6: `[..., C] -> [..., C]`.
package func modulatedLayerNorm(_ x: Tensor, _ modulation: Modulation) -> Tensor {
    normalise(
        x, residual: nil, scale: { modulation.scale }, offset: 1, shift: { modulation.shift },
        eps: 1e-6)
}

/// `LN(x + residual) · weight + bias`: `[..., C] -> [..., C]`.
package func layerNorm(
    _ x: Tensor, adding residual: Tensor? = nil, _ weight: Parameter, _ bias: Parameter,
    eps: Float
) -> Tensor {
    precondition(
        residual.map { $0.shape == x.shape } ?? true, "layerNorm: \(x.shape) and its residual")
    return normalise(
        x, residual: residual, scale: { weight.pointer }, offset: 0, shift: { bias.pointer },
        eps: eps)
}

private func normalise(
    _ x: Tensor, residual: Tensor?, scale: () -> UnsafePointer<Float>, offset: Float,
    shift: () -> UnsafePointer<Float>, eps: Float
) -> Tensor {
    let (out, columns) = (Tensor(x.shape, on: x.device), x.dim(-1))
    let partition = Partition(rows: x.rows, target: lightRows)
    x.device.parallel(partition.tasks) { task, _ in
        let (rows, at) = (partition[task], partition[task].lowerBound * columns)
        kernels.layer_norm(
            x.pointer + at, residual.map { UnsafePointer($0.pointer + at) }, out.pointer + at,
            rows.count, columns, scale(), offset, shift(), eps)
    }
    return out
}

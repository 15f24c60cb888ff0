import VidTwinKernels

/// `x + gate · y`, `gate` one row of a learned table: `[..., C] -> [..., C]`.
package func gatedResidual(_ x: Tensor, _ modulation: Modulation, _ y: Tensor) -> Tensor {
    precondition(x.shape == y.shape, "gatedResidual: \(x.shape) and \(y.shape) differ")
    let (out, columns) = (Tensor(x.shape, on: x.device), x.dim(-1))
    let partition = Partition(rows: x.rows, target: lightRows)
    x.device.parallel(partition.tasks) { task, _ in
        let (rows, at) = (partition[task], partition[task].lowerBound * columns)
        kernels.gated_residual(
            x.pointer + at, modulation.gate, y.pointer + at, out.pointer + at, rows.count, columns)
    }
    return out
}

import VidTwinKernels

/// `x + gate · y`, `gate` one row of a learned table: `[..., C] -> [..., C]`.
package func gatedResidual(_ x: Tensor, gate: Parameter.Row, _ y: Tensor) -> Tensor {
    precondition(x.shape == y.shape, "gatedResidual: \(x.shape) and \(y.shape) differ")
    let (out, columns) = (Tensor(x.shape, on: x.device), x.dim(-1))
    let partition = Partition(rows: x.rows, target: lightRows)
    x.device.parallel(partition.tasks) { task, _ in
        let (rows, at) = (partition[task], partition[task].lowerBound * columns)
        kernels.gated_residual(
            x.pointer + at, gate.pointer, y.pointer + at, out.pointer + at, rows.count, columns)
    }
    guard let tape = x.tape ?? y.tape else { return out }
    return tape.record(out) { d in  // dx += d,  dy += d · gate,  dgate += Σ d · y
        let sums = ColumnSums(tasks: partition.tasks, columns: columns, on: x.device)
        let dy = Tensor(y.shape, on: y.device)
        x.device.parallel(partition.tasks) { task, _ in
            let (rows, at) = (partition[task], partition[task].lowerBound * columns)
            kernels.gated_residual_backward(
                d.pointer + at, gate.pointer, y.pointer + at, dy.pointer + at, rows.count, columns,
                sums.pointer(task))
        }
        if let gradient = gate.gradient(on: tape) { sums.add(to: gradient, count: columns) }
        tape.add(d, to: x)
        tape.add(dy, to: y)
    }
}

import VidTwinKernels

/// Adds a table to the tokens along one axis: `[B, T, S, C] + [n, C] -> [B, T, S, C]`, n = T or S.
/// The table, of positions, is not learned.
package func add(_ x: Tensor, _ table: Parameter, along axis: TokenAxis) -> Tensor {
    let (_, T, S, C) = x.shape4
    let (period, repeats) = axis == .time ? (T, S) : (S, 1)
    precondition(table.count == period * C, "\(table.name) \(table.shape) added to \(x.shape)")
    let out = Tensor(x.shape, on: x.device)
    let partition = Partition(rows: x.rows, target: lightRows)
    x.device.parallel(partition.tasks) { task, _ in
        let (part, at) = (partition[task], partition[task].lowerBound * C)
        kernels.add_table(
            x.pointer + at, table.pointer, out.pointer + at, part.lowerBound, part.count, C,
            repeats, period)
    }
    guard let tape = x.tape else { return out }
    return tape.record(out) { d in tape.add(d, to: x) }
}

/// `s[b, t, h, w] + x[b, t, w] + y[b, t, h]`: `[B, T, H·W, C], [B, T, W, C], [B, T, H, C] ->
/// [B, T, H·W, C]`. Either the first or the last two may be left out, not both.
package func addRowAndColumn(_ s: Tensor?, columns x: Tensor?, rows y: Tensor?) -> Tensor {
    precondition((x == nil) == (y == nil), "columns and rows come together")
    guard let x, let y else {
        guard let s else { preconditionFailure("nothing to add") }
        return s
    }
    let ((B, T, W, C), H) = (x.shape4, y.dim(2))
    precondition(
        y.shape == [B, T, H, C] && (s.map { $0.shape == [B, T, H * W, C] } ?? true),
        "addRowAndColumn: \(String(describing: s?.shape)), \(x.shape), \(y.shape)")
    let out = Tensor([B, T, H * W, C], on: x.device)
    x.device.parallel(B * T) { frame, _ in
        let at = frame * H * W * C
        kernels.add_row_and_column(
            s.map { UnsafePointer($0.pointer + at) }, x.pointer + frame * W * C,
            y.pointer + frame * H * C, out.pointer + at, H, W, C)
    }
    guard let tape = s?.tape ?? x.tape ?? y.tape else { return out }
    return tape.record(out) { d in  // ds = d,  dx = Σ over rows,  dy = Σ over columns
        if let s { tape.add(d, to: s) }
        let (dx, dy) = (Tensor(x.shape, on: x.device), Tensor(y.shape, on: y.device))
        d.device.parallel(B * T) { frame, _ in
            let (dx, dy) = (dx.pointer + frame * W * C, dy.pointer + frame * H * C)
            dx.update(repeating: 0, count: W * C)
            dy.update(repeating: 0, count: H * C)
            for h in 0..<H {
                let row = d.pointer + (frame * H + h) * W * C
                kernels.add(dx, row, dx, W * C)
                kernels.column_sums(row, dy + h * C, W, C)
            }
        }
        tape.add(dx, to: x)
        tape.add(dy, to: y)
    }
}

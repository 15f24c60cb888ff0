import VidTwin

/// Rows `[n, C]` less a row.
func centred(_ rows: Tensor, about centre: [Float]) -> Tensor {
    let (n, C) = (rows.rows, rows.dim(-1))
    let out = Tensor([n, C], on: rows.device)
    out.withPointer { to in
        rows.withPointer { from in
            for row in 0..<n {
                for i in 0..<C { to[row * C + i] = from[row * C + i] - centre[i] }
            }
        }
    }
    return out
}

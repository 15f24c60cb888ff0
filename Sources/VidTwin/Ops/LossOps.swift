import VidTwinKernels

/// The largest of each 2×2 block, odd edges left out: `[N, H, W, C] -> [N, ⌊H/2⌋, ⌊W/2⌋, C]`. The
/// gradient goes to the first of equal maxima.
package func maxPool2x(_ x: Tensor) -> Tensor {
    let (N, H, W, C) = x.shape4
    let (height, width) = (H / 2, W / 2)
    let out = Tensor([N, height, width, C], on: x.device)
    x.device.parallel(N * height) { task, _ in
        let (n, y) = (task / height, task % height)
        kernels.max_pool_row(
            x.pointer + (n * H + 2 * y) * W * C, x.pointer + (n * H + 2 * y + 1) * W * C,
            out.pointer + task * width * C, width, C)
    }
    guard let tape = x.tape else { return out }
    return tape.record(out) { d in
        let dx = Tensor(x.shape, on: x.device)
        if H % 2 != 0 || W % 2 != 0 {
            elementwise(dx) { at, count in (dx.pointer + at).update(repeating: 0, count: count) }
        }
        x.device.parallel(N * height) { task, _ in
            let (n, y) = (task / height, task % height)
            let (upper, lower) = ((n * H + 2 * y) * W * C, (n * H + 2 * y + 1) * W * C)
            kernels.max_pool_row_backward(
                x.pointer + upper, x.pointer + lower, d.pointer + task * width * C,
                dx.pointer + upper, dx.pointer + lower, width, C)
        }
        tape.add(dx, to: x)
    }
}

/// LPIPS of one layer: each pixel's features scaled to length 1, squared differences weighted by
/// channel, mean over pixels: `[N, H, W, C], [N, H, W, C], [C] -> [N]`. The gradient leads to y, whose
/// all-zero pixels get none; x is what y should be.
package func lpipsDistance(_ x: Tensor, _ y: Tensor, _ weight: Parameter) -> Tensor {
    let (N, H, W, C) = x.shape4
    precondition(y.shape == x.shape && weight.count == C, "lpipsDistance: \(x.shape), \(y.shape)")
    let sums = Tensor([N * H], on: x.device)
    x.device.parallel(N * H) { row, _ in
        let at = row * W * C
        sums.pointer[row] = kernels.lpips_row(
            x.pointer + at, y.pointer + at, weight.pointer, W, C)
    }
    let values = sums.values
    let distances = (0..<N).map { n in
        Float(values[n * H..<(n + 1) * H].reduce(0.0) { $0 + Double($1) } / Double(H * W))
    }
    let out = Tensor([N], distances, on: x.device)
    guard let tape = y.tape else { return out }
    return tape.record(out) { d in
        let (dy, share) = (Tensor(y.shape, on: y.device), 1 / Float(H * W))
        y.device.parallel(N * H) { row, _ in
            let at = row * W * C
            kernels.lpips_row_backward(
                x.pointer + at, y.pointer + at, weight.pointer, d.pointer[row / H] * share,
                dy.pointer + at, W, C)
        }
        tape.add(dy, to: y)
    }
}

/// `(x − mean) / deviation`, by channel: `[..., C] -> [..., C]`.
package func normalisedChannels(_ x: Tensor, means: [Float], deviations: [Float]) -> Tensor {
    let (out, C) = (Tensor(x.shape, on: x.device), x.dim(-1))
    precondition(means.count == C && deviations.count == C, "normalisedChannels: \(x.shape)")
    let partition = Partition(rows: x.rows, target: 4096)
    x.device.parallel(partition.tasks) { task, _ in
        for row in partition[task] {
            for c in 0..<C {
                out.pointer[row * C + c] = (x.pointer[row * C + c] - means[c]) / deviations[c]
            }
        }
    }
    guard let tape = x.tape else { return out }
    return tape.record(out) { d in
        let dx = Tensor(x.shape, on: x.device)
        d.device.parallel(partition.tasks) { task, _ in
            for row in partition[task] {
                for c in 0..<C {
                    dx.pointer[row * C + c] = d.pointer[row * C + c] / deviations[c]
                }
            }
        }
        tape.add(dx, to: x)
    }
}

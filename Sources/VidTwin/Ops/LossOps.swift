import VidTwinKernels

/// The largest of each 2×2 block, odd edges left out: `[N, H, W, C] -> [N, ⌊H/2⌋, ⌊W/2⌋, C]`.
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
    return out
}

/// LPIPS of one layer: each pixel's features scaled to length 1, squared differences weighted by
/// channel, mean over pixels: `[N, H, W, C], [N, H, W, C], [C] -> N` values.
package func lpipsDistance(_ x: Tensor, _ y: Tensor, _ weight: Parameter) -> [Double] {
    let (N, H, W, C) = x.shape4
    precondition(y.shape == x.shape && weight.count == C, "lpipsDistance: \(x.shape), \(y.shape)")
    let sums = Tensor([N * H], on: x.device)
    x.device.parallel(N * H) { row, _ in
        let at = row * W * C
        sums.pointer[row] = kernels.lpips_row(
            x.pointer + at, y.pointer + at, weight.pointer, W, C)
    }
    let values = sums.values
    return (0..<N).map { n in
        values[n * H..<(n + 1) * H].reduce(0.0) { $0 + Double($1) } / Double(H * W)
    }
}

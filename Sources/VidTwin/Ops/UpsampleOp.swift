import VidTwinKernels

/// Repeats each pixel twice along both axes: `[N, H, W, C] -> [N, 2H, 2W, C]`.
package func upsample2x(_ x: Tensor) -> Tensor {
    let (N, H, W, C) = x.shape4
    let out = Tensor([N, 2 * H, 2 * W, C], on: x.device)
    x.device.parallel(N) { n, _ in
        for h in 0..<H {
            let row = out.pointer + (n * 2 * H + 2 * h) * 2 * W * C
            for w in 0..<W {
                let pixel = x.pointer + ((n * H + h) * W + w) * C
                (row + 2 * w * C).update(from: pixel, count: C)
                (row + (2 * w + 1) * C).update(from: pixel, count: C)
            }
            (row + 2 * W * C).update(from: row, count: 2 * W * C)
        }
    }
    guard let tape = x.tape else { return out }
    return tape.record(out) { d in  // the sum of each 2×2 block
        let dx = Tensor(x.shape, on: x.device)
        x.device.parallel(N) { n, _ in
            for h in 0..<H {
                let upper = d.pointer + (n * 2 * H + 2 * h) * 2 * W * C
                let lower = upper + 2 * W * C
                for w in 0..<W {
                    let to = dx.pointer + ((n * H + h) * W + w) * C
                    kernels.add(upper + 2 * w * C, upper + (2 * w + 1) * C, to, C)
                    kernels.add(to, lower + 2 * w * C, to, C)
                    kernels.add(to, lower + (2 * w + 1) * C, to, C)
                }
            }
        }
        tape.add(dx, to: x)
    }
}

/// The centre of each picture, from half the excess (rounded down) on:
/// `[N, H, W, C] -> [N, height, width, C]`.
package func centreCrop(_ x: Tensor, height: Int, width: Int) -> Tensor {
    let (N, H, W, C) = x.shape4
    precondition(height <= H && width <= W, "crop \(x.shape) to \(height)x\(width)")
    if height == H && width == W { return x }
    let out = Tensor([N, height, width, C], on: x.device)
    let (top, left) = ((H - height) / 2, (W - width) / 2)
    x.device.parallel(N) { n, _ in
        for h in 0..<height {
            (out.pointer + (n * height + h) * width * C)
                .update(
                    from: x.pointer + ((n * H + top + h) * W + left) * C, count: width * C)
        }
    }
    guard let tape = x.tape else { return out }
    return tape.record(out) { d in  // zeros around
        let dx = Tensor(x.shape, on: x.device)
        x.device.parallel(N) { n, _ in
            let picture = dx.pointer + n * H * W * C
            picture.update(repeating: 0, count: H * W * C)
            for h in 0..<height {
                (picture + ((top + h) * W + left) * C)
                    .update(from: d.pointer + (n * height + h) * width * C, count: width * C)
            }
        }
        tape.add(dx, to: x)
    }
}

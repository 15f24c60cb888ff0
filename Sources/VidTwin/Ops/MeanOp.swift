import VidTwinKernels

/// The mean over patch rows, `[N, H, W, C] -> [N, W, C]`.
package func meanOverRows(_ x: Tensor) -> Tensor {
    let (N, H, W, C) = x.shape4
    return meanOverMiddle(x, outer: N, middle: H, inner: W * C).reshaped([N, W, C])
}

/// The mean over patch columns, `[N, H, W, C] -> [N, H, C]`.
package func meanOverColumns(_ x: Tensor) -> Tensor {
    let (N, H, W, C) = x.shape4
    return meanOverMiddle(x, outer: N * H, middle: W, inner: C).reshaped([N, H, C])
}

private func meanOverMiddle(_ x: Tensor, outer: Int, middle: Int, inner: Int) -> Tensor {
    let out = Tensor([outer, inner], on: x.device)
    let partition = Partition(rows: outer, target: 16)
    x.device.parallel(partition.tasks) { task, _ in
        let rows = partition[task]
        kernels.mean_middle(
            x.pointer + rows.lowerBound * middle * inner, out.pointer + rows.lowerBound * inner,
            rows.count, middle, inner)
    }
    guard let tape = x.tape else { return out }
    return tape.record(out) { d in  // d / middle, repeated
        let (dx, share) = (Tensor(x.shape, on: x.device), 1 / Float(middle))
        x.device.parallel(outer) { o, _ in
            let (to, from) = (dx.pointer + o * middle * inner, d.pointer + o * inner)
            for i in 0..<inner { to[i] = from[i] * share }
            for m in 1..<max(middle, 1) { (to + m * inner).update(from: to, count: inner) }
        }
        tape.add(dx, to: x)
    }
}

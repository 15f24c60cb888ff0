import CVidTwinKernels
import VidTwinKernels

/// Exchanges the two middle axes: `[B, M, N, C] -> [B, N, M, C]`.
package func swapMiddleAxes(_ x: Tensor) -> Tensor {
    let (B, M, N, C) = x.shape4
    let out = Tensor([B, N, M, C], on: x.device)
    x.device.parallel(B * N) { task, _ in
        let (b, n) = (task / N, task % N)
        for m in 0..<M {
            (out.pointer + (task * M + m) * C)
                .update(from: x.pointer + ((b * M + m) * N + n) * C, count: C)
        }
    }
    guard let tape = x.tape else { return out }
    return tape.record(out) { d in tape.add(swapMiddleAxes(d.reshaped([B, N, M, C])), to: x) }
}

/// A learned table as a tensor, recorded by the tape of `other`, if any: `[Q, C] -> [1, Q, C]`.
package func tensor(of x: Parameter, beside other: Tensor) -> Tensor {
    let (out, count) = (Tensor([1] + x.shape, on: other.device), x.count)
    out.withPointer { $0.update(from: x.pointer, count: count) }
    guard let tape = other.tape else { return out }
    return tape.record(out) { d in
        guard let gradient = x.gradient(on: tape) else { return }
        d.withPointer { kernels.add(gradient, $0, gradient, count) }
    }
}

/// Repeats the only group of rows: `[1, Q, C] -> [groups, Q, C]`.
package func repeated(_ x: Tensor, groups: Int) -> Tensor {
    precondition(x.dim(0) == 1, "repeated: \(x.shape)")
    let (out, count) = (Tensor([groups] + x.shape.dropFirst(), on: x.device), x.count)
    x.device.parallel(groups) { group, _ in
        (out.pointer + group * count).update(from: x.pointer, count: count)
    }
    guard let tape = x.tape else { return out }
    return tape.record(out) { d in  // the sum over groups
        let dx = Tensor(x.shape, on: x.device)
        let partition = Partition(rows: groups, target: 16)
        let sums = ColumnSums(tasks: partition.tasks, columns: count, on: x.device)
        x.device.parallel(partition.tasks) { task, _ in
            let own = partition[task]
            kernels.column_sums(
                d.pointer + own.lowerBound * count, sums.pointer(task), own.count, count)
        }
        dx.withPointer {
            $0.update(repeating: 0, count: count)
            sums.add(to: $0, count: count)
        }
        tape.add(dx, to: x)
    }
}

/// The channels `range` of the last axis: `[..., C] -> [..., range.count]`.
package func channels(_ x: Tensor, _ range: Range<Int>) -> Tensor {
    let (out, C) = (Tensor(x.shape.dropLast() + [range.count], on: x.device), x.dim(-1))
    x.withPointer { source in
        for row in 0..<x.rows {
            (out.pointer + row * range.count)
                .update(from: source + row * C + range.lowerBound, count: range.count)
        }
    }
    guard let tape = x.tape else { return out }
    return tape.record(out) { d in
        let dx = Tensor(x.shape, on: x.device)
        dx.withPointer { to in
            d.withPointer { from in
                to.update(repeating: 0, count: x.count)
                for row in 0..<x.rows {
                    (to + row * C + range.lowerBound)
                        .update(from: from + row * range.count, count: range.count)
                }
            }
        }
        tape.add(dx, to: x)
    }
}

/// Cuts a clip into patches: `[B, T·pt, H·ph, W·pw, 3] -> [B, T, H·W, 3·pt·ph·pw]`, a patch's
/// values in the order (channel, frame, row, column) of the convolution's weights.
package func patchify(_ x: Tensor, _ patch: PatchSize) -> Tensor {
    let (B, frames, height, width, channels) = x.shape5
    let (T, S) = (frames / patch.time, height / patch.height * (width / patch.width))
    let out = Tensor([B, T, S, channels * patch.pixels], on: x.device)
    let (clip, depth) = (frames * height * width * channels, out.dim(-1))
    x.device.parallel(B * T) { task, _ in
        vt_patchify(
            x.pointer + task / T * clip, out.pointer + task * S * depth, task % T * S, S, height,
            width, channels, patch.time, patch.height, patch.width)
    }
    guard let tape = x.tape else { return out }
    return tape.record(out) { _ in
        precondition(
            !(x.node?.wantsGradient ?? false), "patchify leads no gradient back to pixels")
    }
}

/// Puts patches back together: `[B, T, H·W, pt·ph·pw·3] -> [B, T·pt, H·ph, W·pw, 3]`, a patch's
/// values in the order (frame, row, column, channel).
package func unpatchify(_ x: Tensor, _ patch: PatchSize, rows H: Int, columns W: Int) -> Tensor {
    let (B, T, S, depth) = x.shape4
    let channels = depth / patch.pixels
    precondition(S == H * W && channels * patch.pixels == depth, "unpatchify \(x.shape)")
    let (height, width) = (H * patch.height, W * patch.width)
    let out = Tensor([B, T * patch.time, height, width, channels], on: x.device)
    let clip = T * patch.time * height * width * channels
    x.device.parallel(B * T) { task, _ in
        vt_unpatchify(
            x.pointer + task * S * depth, out.pointer + task / T * clip, task % T * S, S, height,
            width, channels, patch.time, patch.height, patch.width)
    }
    guard let tape = x.tape else { return out }
    return tape.record(out) { d in
        tape.add(patches(d.reshaped(out.shape), patch), to: x)
    }
}

/// The inverse of `unpatchify`: `[B, T·pt, H·ph, W·pw, 3] -> [B, T, H·W, pt·ph·pw·3]`, a patch's
/// values in the order (frame, row, column, channel).
package func patches(_ x: Tensor, _ patch: PatchSize) -> Tensor {
    let (B, frames, height, width, channels) = x.shape5
    let (T, S) = (frames / patch.time, height / patch.height * (width / patch.width))
    let out = Tensor([B, T, S, channels * patch.pixels], on: x.device)
    let (clip, depth) = (frames * height * width * channels, out.dim(-1))
    x.device.parallel(B * T) { task, _ in
        vt_repatchify(
            x.pointer + task / T * clip, out.pointer + task * S * depth, task % T * S, S, height,
            width, channels, patch.time, patch.height, patch.width)
    }
    return out
}

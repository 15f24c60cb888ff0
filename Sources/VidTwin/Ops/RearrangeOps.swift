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
    return out
}

/// A parameter as a tensor, and a group of rows repeated: `[Q, C] -> [groups, Q, C]`.
package func repeated(_ x: Parameter, groups: Int, on device: Device) -> Tensor {
    repeated(groups, x.count, x.shape, on: device) { x.pointer }
}

/// Repeats the only group of rows: `[1, Q, C] -> [groups, Q, C]`.
package func repeated(_ x: Tensor, groups: Int) -> Tensor {
    precondition(x.dim(0) == 1, "repeated: \(x.shape)")
    return repeated(groups, x.count, Array(x.shape.dropFirst()), on: x.device) {
        UnsafePointer(x.pointer)
    }
}

private func repeated(
    _ groups: Int, _ count: Int, _ shape: [Int], on device: Device,
    _ source: () -> UnsafePointer<Float>
) -> Tensor {
    let out = Tensor([groups] + shape, on: device)
    device.parallel(groups) { group, _ in
        (out.pointer + group * count).update(from: source(), count: count)
    }
    return out
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
    return out
}

/// Size of a patch: frames, rows, columns.
public struct PatchSize: Hashable, Sendable {
    /// Frames, pixel rows and pixel columns of one patch.
    public let time, height, width: Int

    /// A patch of this size.
    public init(time: Int, height: Int, width: Int) {
        (self.time, self.height, self.width) = (time, height, width)
    }

    /// Pixels of a patch.
    public var pixels: Int { time * height * width }
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
    return out
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
    return out
}

import VidTwinKernels

/// Self-attention among the tokens of one frame (`.space`) or of one position (`.time`).
///
/// `[B, T, S, 3C] -> [B, T, S, C]`; the columns of `qkv` are q, k, v, each split by head.
/// With `causal` (meaningful over time), a token sees itself and those before it.
package func selfAttention(
    _ qkv: Tensor, heads: Int, over axis: TokenAxis, causal: Bool
) -> Tensor {
    let (B, T, S, width) = qkv.shape4
    let C = width / 3
    precondition(C * 3 == width && C % heads == 0, "selfAttention: \(qkv.shape), \(heads) heads")
    let out = Tensor([B, T, S, C], on: qkv.device)
    let overTime = axis == .time
    // First token of a group, tokens in it, and how far apart they are.
    let (groups, length, step) = overTime ? (B * S, T, S) : (B * T, S, 1)
    attend(groups, heads: heads, depth: C / heads, causal: causal, device: qkv.device) { group in
        let first = overTime ? group / S * T * S + group % S : group * S
        let base = qkv.pointer + first * 3 * C
        return AttentionGroup(
            q: Rows(base, stride: step * 3 * C, count: length),
            k: Rows(base + C, stride: step * 3 * C, count: length),
            v: Rows(base + 2 * C, stride: step * 3 * C, count: length),
            out: out.pointer + first * C, outStride: step * C)
    }
    return out
}

/// Self-attention within groups: q, k, v `[N, Q, C] -> [N, Q, C]`.
package func groupAttention(_ q: Tensor, _ k: Tensor, _ v: Tensor, heads: Int) -> Tensor {
    let (N, Q, C) = q.shape3
    precondition(
        k.shape == q.shape && v.shape == q.shape && C % heads == 0,
        "groupAttention: \(q.shape), \(k.shape), \(v.shape), \(heads) heads")
    let out = Tensor(q.shape, on: q.device)
    attend(N, heads: heads, depth: C / heads, causal: false, device: q.device) { group in
        let at = group * Q * C
        return AttentionGroup(
            q: Rows(q.pointer + at, stride: C, count: Q),
            k: Rows(k.pointer + at, stride: C, count: Q),
            v: Rows(v.pointer + at, stride: C, count: Q), out: out.pointer + at, outStride: C)
    }
    return out
}

/// Each position's queries attend to that position's tokens through time.
///
/// q `[B·S, Q, C]`, k and v `[B, T, S, C] -> [B·S, Q, C]`.
package func crossAttention(_ q: Tensor, _ k: Tensor, _ v: Tensor, heads: Int) -> Tensor {
    let ((N, Q, C), (B, T, S, keyWidth)) = (q.shape3, k.shape4)
    precondition(
        N == B * S && keyWidth == C && v.shape == k.shape && C % heads == 0,
        "crossAttention: \(q.shape), \(k.shape), \(v.shape), \(heads) heads")
    let out = Tensor(q.shape, on: q.device)
    attend(N, heads: heads, depth: C / heads, causal: false, device: q.device) { group in
        let (at, context) = (group * Q * C, (group / S * T * S + group % S) * C)
        return AttentionGroup(
            q: Rows(q.pointer + at, stride: C, count: Q),
            k: Rows(k.pointer + context, stride: S * C, count: T),
            v: Rows(v.pointer + context, stride: S * C, count: T), out: out.pointer + at,
            outStride: C)
    }
    return out
}

/// The tokens that attend to each other, and where the result goes.
private struct AttentionGroup {
    let q, k, v: Rows<Float>
    let out: UnsafeMutablePointer<Float>
    let outStride: Int
}

/// Runs all groups; `group` keeps the tensors that its pointers lead to alive. Few long groups are
/// shared out head by head, many short ones together.
private func attend(
    _ groups: Int, heads: Int, depth: Int, causal: Bool, device: Device,
    _ group: (Int) -> AttentionGroup
) {
    if groups == 0 { return }
    let first = group(0)
    let work = first.q.count * first.k.count * depth
    let byHead = work >= 1 << 16
    let partition = Partition(
        rows: byHead ? groups * heads : groups,
        target: byHead ? 1 : max((1 << 18) / max(work * heads, 1), 1))
    device.parallel(partition.tasks) { task, workspace in
        for index in partition[task] {
            let one = group(byHead ? index / heads : index)
            attention(
                one.q, one.k, one.v, into: one.out, outStride: one.outStride,
                heads: byHead ? index % heads..<index % heads + 1 : 0..<heads, depth: depth,
                causal: causal, workspace)
        }
    }
}

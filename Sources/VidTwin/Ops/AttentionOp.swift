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
    let overTime = axis == .time
    // First token of a group, tokens in it, and how far apart they are.
    let (groups, length, step) = overTime ? (B * S, T, S) : (B * T, S, 1)
    let rows = AttentionRows(count: length, stride: step * 3 * C)
    return attend(
        Attention(
            groups: groups, heads: heads, depth: C / heads, causal: causal,
            q: (qkv, rows, 0), k: (qkv, rows, C), v: (qkv, rows, 2 * C),
            out: AttentionRows(count: length, stride: step * C), keep: nil
        ) { group, _ in overTime ? group / S * T * S + group % S : group * S },
        into: [B, T, S, C])
}

/// Self-attention within groups: q, k, v `[N, Q, C] -> [N, Q, C]`; `keep` `[N, heads, Q, Q]`
/// multiplies the probabilities (dropout).
package func groupAttention(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, heads: Int, keep: Tensor? = nil
) -> Tensor {
    let (N, Q, C) = q.shape3
    precondition(
        k.shape == q.shape && v.shape == q.shape && C % heads == 0,
        "groupAttention: \(q.shape), \(k.shape), \(v.shape), \(heads) heads")
    let rows = AttentionRows(count: Q, stride: C)
    return attend(
        Attention(
            groups: N, heads: heads, depth: C / heads, causal: false, q: (q, rows, 0),
            k: (k, rows, 0), v: (v, rows, 0), out: rows, keep: keep
        ) { group, _ in group * Q }, into: q.shape)
}

/// Each position's queries attend to that position's tokens through time.
///
/// q `[B·S, Q, C]`, k and v `[B, T, S, C] -> [B·S, Q, C]`; `keep` `[B·S, heads, Q, T]` multiplies the
/// probabilities (dropout).
package func crossAttention(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, heads: Int, keep: Tensor? = nil
) -> Tensor {
    let ((N, Q, C), (B, T, S, keyWidth)) = (q.shape3, k.shape4)
    precondition(
        N == B * S && keyWidth == C && v.shape == k.shape && C % heads == 0,
        "crossAttention: \(q.shape), \(k.shape), \(v.shape), \(heads) heads")
    let (rows, context) = (
        AttentionRows(count: Q, stride: C), AttentionRows(count: T, stride: S * C)
    )
    return attend(
        Attention(
            groups: N, heads: heads, depth: C / heads, causal: false, q: (q, rows, 0),
            k: (k, context, 0), v: (v, context, 0), out: rows, keep: keep
        ) { group, isContext in isContext ? group / S * T * S + group % S : group * Q },
        into: q.shape)
}

/// Rows of a group: how many, and how many elements apart.
private struct AttentionRows {
    let count, stride: Int
}

/// Attention of many groups: where each group's queries, keys and values are.
private struct Attention {
    /// A tensor, a group's rows in it, and the first column.
    typealias Source = (tensor: Tensor, rows: AttentionRows, column: Int)

    let groups, heads, depth: Int
    let causal: Bool
    let q, k, v: Source
    let out: AttentionRows
    let keep: Tensor?
    /// The first row of a group: among the queries (and results), or among the keys and values.
    let firstRow: (_ group: Int, _ ofContext: Bool) -> Int

    var width: Int { heads * depth }

    func rows(_ source: Source, _ group: Int, ofContext: Bool) -> Rows<Float> {
        Rows(
            source.tensor.pointer + offset(source, group, ofContext), stride: source.rows.stride,
            count: source.rows.count)
    }

    func offset(_ source: Source, _ group: Int, _ ofContext: Bool) -> Int {
        firstRow(group, ofContext) * source.tensor.dim(-1) + source.column
    }

    func keep(_ group: Int) -> UnsafePointer<Float>? {
        keep.map { UnsafePointer($0.pointer + group * heads * q.rows.count * k.rows.count) }
    }

    /// Few long groups are shared out head by head, many short ones together.
    func parallel(_ body: (_ group: Int, _ heads: Range<Int>, Workspace) -> Void) {
        if groups == 0 { return }
        let work = q.rows.count * k.rows.count * depth
        let byHead = work >= 1 << 16
        let partition = Partition(
            rows: byHead ? groups * heads : groups,
            target: byHead ? 1 : max((1 << 18) / max(work * heads, 1), 1))
        q.tensor.device.parallel(partition.tasks, .attention) { task, workspace in
            for index in partition[task] {
                byHead
                    ? body(index / heads, index % heads..<index % heads + 1, workspace)
                    : body(index, 0..<heads, workspace)
            }
        }
    }
}

private func attend(_ a: Attention, into shape: [Int]) -> Tensor {
    let out = Tensor(shape, on: a.q.tensor.device)
    a.parallel { group, heads, workspace in
        attention(
            a.rows(a.q, group, ofContext: false), a.rows(a.k, group, ofContext: true),
            a.rows(a.v, group, ofContext: true), keep: a.keep(group),
            into: out.pointer + a.firstRow(group, false) * a.width, outStride: a.out.stride,
            heads: heads, depth: a.depth, causal: a.causal, workspace)
    }
    guard let tape = a.q.tensor.tape ?? a.k.tensor.tape else { return out }
    return tape.record(out) { d in
        let dq = Tensor(a.q.tensor.shape, on: d.device)
        // Self-attention over one tensor has one gradient, its three parts side by side.
        let isOne = a.q.tensor.storage === a.k.tensor.storage
        let dk = isOne ? dq : Tensor(a.k.tensor.shape, on: d.device)
        let dv = isOne ? dq : Tensor(a.v.tensor.shape, on: d.device)
        a.parallel { group, heads, workspace in
            attentionBackward(
                a.rows(a.q, group, ofContext: false), a.rows(a.k, group, ofContext: true),
                a.rows(a.v, group, ofContext: true), keep: a.keep(group),
                Rows(
                    d.pointer + a.firstRow(group, false) * a.width, stride: a.out.stride,
                    count: a.out.count),
                dq: dq.pointer + a.offset(a.q, group, false),
                dk: dk.pointer + a.offset(a.k, group, true),
                dv: dv.pointer + a.offset(a.v, group, true), heads: heads, depth: a.depth,
                causal: a.causal, workspace)
        }
        tape.add(dq, to: a.q.tensor)
        if !isOne {
            tape.add(dk, to: a.k.tensor)
            tape.add(dv, to: a.v.tensor)
        }
    }
}

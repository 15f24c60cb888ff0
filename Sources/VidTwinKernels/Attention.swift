import CVidTwinKernels

/// A set of vectors in memory: `count` of them, `stride` elements apart.
package struct Rows<Element> {
    package let pointer: UnsafePointer<Element>
    package let stride: Int
    package let count: Int

    package init(_ pointer: UnsafePointer<Element>, stride: Int, count: Int) {
        self.pointer = pointer
        self.stride = stride
        self.count = count
    }
}

/// Multi-head attention of one group: `softmax(q kᵀ / √depth) v`, heads side by side in a row.
///
/// `out` has as many rows as `q`, `outStride` apart. Each of `heads` reads and writes its own
/// `depth` columns. With `causal`, query i sees keys 0...i. `keep`, `[heads, queries, keys]`,
/// multiplies the probabilities where it is there.
package func attention(
    _ q: Rows<Float>, _ k: Rows<Float>, _ v: Rows<Float>, keep: UnsafePointer<Float>? = nil,
    into out: UnsafeMutablePointer<Float>, outStride: Int, heads: Range<Int>, depth: Int,
    causal: Bool, _ workspace: Workspace
) {
    count(q.count, k.count, depth, heads, workspace)
    let scale = attentionScale(depth)
    for head in heads {
        let (at, keep) = (head * depth, keep.map { $0 + head * q.count * k.count })
        if k.count <= shortAttention {
            kernels.short_attention(
                q.pointer + at, q.stride, k.pointer + at, k.stride, v.pointer + at, v.stride, keep,
                out + at, outStride, q.count, k.count, depth, scale, causal ? 1 : 0)
            continue
        }
        let scores = workspace.floats(.scores, q.count * k.count)
        probabilities(q, k, at: at, depth: depth, scale, causal: causal, into: scores, workspace)
        if let keep { for i in 0..<q.count * k.count { scores[i] *= keep[i] } }
        matrixProduct(
            q.count, depth, k.count, scores, k.count, v.pointer + at, v.stride, transposed: false,
            into: out + at, outStride, workspace)
    }
}

/// `softmax(q kᵀ · scale)` of one head, whose columns begin at `at`: `[queries, keys]`.
private func probabilities(
    _ q: Rows<Float>, _ k: Rows<Float>, at: Int, depth: Int, _ scale: Float, causal: Bool,
    into scores: UnsafeMutablePointer<Float>, _ workspace: Workspace
) {
    matrixProduct(
        q.count, k.count, depth, q.pointer + at, q.stride, k.pointer + at, k.stride,
        transposed: true, into: scores, k.count, workspace)
    if causal {
        for i in 0..<q.count {
            let seen = min(i + 1, k.count)
            kernels.softmax(scores + i * k.count, 1, seen, k.count, scale)
            (scores + i * k.count + seen).update(repeating: 0, count: k.count - seen)
        }
    } else {
        kernels.softmax(scores, q.count, k.count, k.count, scale)
    }
}

/// The derivative of `attention`: `d`, the gradient of its result, leads to those of q, k and v, which
/// lie as q, k and v do and are written, not added to. Probabilities are computed again.
package func attentionBackward(
    _ q: Rows<Float>, _ k: Rows<Float>, _ v: Rows<Float>, keep: UnsafePointer<Float>? = nil,
    _ d: Rows<Float>, dq: UnsafeMutablePointer<Float>, dk: UnsafeMutablePointer<Float>,
    dv: UnsafeMutablePointer<Float>, heads: Range<Int>, depth: Int, causal: Bool,
    _ workspace: Workspace
) {
    for _ in 0..<2 { count(q.count, k.count, depth, heads, workspace) }
    let (scale, elements) = (attentionScale(depth), q.count * k.count)
    for head in heads {
        let (at, keep) = (head * depth, keep.map { $0 + head * elements })
        if k.count <= shortAttention {
            kernels.short_attention_backward(
                q.pointer + at, q.stride, k.pointer + at, k.stride, v.pointer + at, v.stride,
                d.pointer + at, d.stride, keep, dq + at, dk + at, dv + at, q.count, k.count, depth,
                scale, causal ? 1 : 0)
            continue
        }
        let p = workspace.floats(.scores, 2 * elements)
        let dp = p + elements
        probabilities(q, k, at: at, depth: depth, scale, causal: causal, into: p, workspace)
        matrixProduct(
            q.count, k.count, depth, d.pointer + at, d.stride, v.pointer + at, v.stride,
            transposed: true, into: dp, k.count, workspace)
        if let keep {
            let kept = workspace.floats(.hidden, elements)
            for i in 0..<elements {
                kept[i] = p[i] * keep[i]
                dp[i] *= keep[i]
            }
            matrixProduct(
                k.count, depth, q.count, kept, k.count, transposedA: true, d.pointer + at, d.stride,
                transposed: false, into: dv + at, v.stride, workspace)
        } else {
            matrixProduct(
                k.count, depth, q.count, p, k.count, transposedA: true, d.pointer + at, d.stride,
                transposed: false, into: dv + at, v.stride, workspace)
        }
        kernels.softmax_backward(p, dp, q.count, k.count, k.count, scale)
        matrixProduct(
            q.count, depth, k.count, dp, k.count, k.pointer + at, k.stride, transposed: false,
            into: dq + at, q.stride, workspace)
        matrixProduct(
            k.count, depth, q.count, dp, k.count, transposedA: true, q.pointer + at, q.stride,
            transposed: false, into: dk + at, k.stride, workspace)
    }
}

/// The same from bfloat16, every query seeing every key; scores and their softmax are float32.
///
/// - Precondition: `ProductSupport.multipliesBFloat16`.
package func attention(
    _ q: Rows<UInt16>, _ k: Rows<UInt16>, _ v: Rows<UInt16>,
    into out: UnsafeMutablePointer<Float>, outStride: Int, heads: Range<Int>, depth: Int,
    _ workspace: Workspace
) {
    count(q.count, k.count, depth, heads, workspace)
    let elements = q.count * k.count
    let scores = workspace.floats(.scores, elements)
    let weights = workspace.memory(.weights, elements, of: UInt16.self)
    for head in heads {
        let at = head * depth
        matrixProduct(
            q.count, k.count, depth, q.pointer + at, q.stride, k.pointer + at, k.stride,
            transposed: true, into: scores, k.count, workspace)
        kernels.softmax(scores, q.count, k.count, k.count, attentionScale(depth))
        kernels.to_bf16(scores, weights, elements)
        matrixProduct(
            q.count, depth, k.count, weights, k.count, v.pointer + at, v.stride, transposed: false,
            into: out + at, outStride, workspace)
    }
}

/// Whether attention among `tokens` is computed from bfloat16, as it is on CPUs that have
/// instructions for it: rows of `depth` columns `stride` apart, the result `outStride`.
package func attendsInBFloat16(
    tokens: Int, depth: Int, stride: Int, outStride: Int
) -> Bool {
    guard ProductSupport.hasBFloat16, tokens > shortAttention else { return false }
    let scores = StridedKey(
        m: tokens, n: tokens, k: depth, aStride: stride, bStride: stride, cStride: tokens,
        transposed: true)
    let sums = StridedKey(
        m: tokens, n: depth, k: tokens, aStride: tokens, bStride: stride, cStride: outStride,
        transposed: false)
    return Products.library.hasNarrow(scores) && Products.library.hasNarrow(sums)
}

private func attentionScale(_ depth: Int) -> Float { 1 / Float(depth).squareRoot() }

private func count(
    _ queries: Int, _ keys: Int, _ depth: Int, _ heads: Range<Int>, _ workspace: Workspace
) {
    workspace.operations += UInt64(4 * queries * keys * depth * heads.count)
}

/// Contexts up to this length need no scratch and no product library.
package let shortAttention = Int(VT_SHORT_ATTENTION)

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
/// `depth` columns. With `causal`, query i sees keys 0...i.
package func attention(
    _ q: Rows<Float>, _ k: Rows<Float>, _ v: Rows<Float>, into out: UnsafeMutablePointer<Float>,
    outStride: Int, heads: Range<Int>, depth: Int, causal: Bool, _ workspace: Workspace
) {
    count(q.count, k.count, depth, heads, workspace)
    let scale = attentionScale(depth)
    for head in heads {
        let at = head * depth
        if k.count <= shortAttention {
            kernels.short_attention(
                q.pointer + at, q.stride, k.pointer + at, k.stride, v.pointer + at, v.stride,
                out + at, outStride, q.count, k.count, depth, scale, causal ? 1 : 0)
            continue
        }
        let scores = workspace.floats(.scores, q.count * k.count)
        matrixProduct(
            q.count, k.count, depth, q.pointer + at, q.stride, k.pointer + at, k.stride,
            transposed: true, into: scores, k.count)
        if causal {
            for i in 0..<q.count {
                let seen = min(i + 1, k.count)
                kernels.softmax(scores + i * k.count, 1, seen, k.count, scale)
                (scores + i * k.count + seen).update(repeating: 0, count: k.count - seen)
            }
        } else {
            kernels.softmax(scores, q.count, k.count, k.count, scale)
        }
        matrixProduct(
            q.count, depth, k.count, scores, k.count, v.pointer + at, v.stride, transposed: false,
            into: out + at, outStride)
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

private func attentionScale(_ depth: Int) -> Float { 1 / Float(depth).squareRoot() }

private func count(
    _ queries: Int, _ keys: Int, _ depth: Int, _ heads: Range<Int>, _ workspace: Workspace
) {
    workspace.operations += UInt64(4 * queries * keys * depth * heads.count)
}

/// Contexts up to this length need no scratch and no product library.
package let shortAttention = Int(VT_SHORT_ATTENTION)

import CVidTwinKernels

/// A set of vectors in memory: `rows` of them, `stride` elements apart.
package struct Rows {
    package let pointer: UnsafePointer<Float>
    package let stride: Int
    package let count: Int

    package init(_ pointer: UnsafePointer<Float>, stride: Int, count: Int) {
        self.pointer = pointer
        self.stride = stride
        self.count = count
    }
}

/// Multi-head attention of one group: `softmax(q kᵀ / √depth) v`, heads side by side in a row.
///
/// `out` has as many rows as `q`, `outStride` apart. Each of `heads` reads and writes its own
/// `depth` columns. With `causal`, query i sees keys 0...i. `scores` is scratch memory of
/// `scoreCount(queries:keys:)` floats.
package func attention(
    _ q: Rows, _ k: Rows, _ v: Rows, into out: UnsafeMutablePointer<Float>, outStride: Int,
    heads: Range<Int>, depth: Int, causal: Bool, scores: UnsafeMutablePointer<Float>
) {
    let scale = 1 / Float(depth).squareRoot()
    for head in heads {
        let at = head * depth
        if k.count <= shortAttention {
            kernels.short_attention(
                q.pointer + at, q.stride, k.pointer + at, k.stride, v.pointer + at, v.stride,
                out + at, outStride, q.count, k.count, depth, scale, causal ? 1 : 0)
            continue
        }
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

/// Contexts up to this length need no scratch and no product library.
package let shortAttention = Int(VT_SHORT_ATTENTION)

/// Floats of scratch that `attention` needs.
package func scoreCount(queries: Int, keys: Int) -> Int {
    keys <= shortAttention ? 0 : queries * keys
}

import Glibc

/// The plain twins of the fast kernels and ops: double precision, one loop nest each, nothing
/// clever. Arrays are row-major.
public enum Plain {
    /// `x · Wᵀ + b`, x `[rows, I]`, w `[O, I]`.
    public static func linear(
        _ x: [Float], rows: Int, _ w: [Float], _ b: [Float], inputs: Int, outputs: Int
    ) -> [Double] {
        var y = [Double](repeating: 0, count: rows * outputs)
        for r in 0..<rows {
            for o in 0..<outputs {
                var sum = Double(b[o])
                for i in 0..<inputs {
                    sum += Double(x[r * inputs + i]) * Double(w[o * inputs + i])
                }
                y[r * outputs + o] = sum
            }
        }
        return y
    }

    /// GELU, tanh approximation.
    public static func geluTanh(_ x: Double) -> Double {
        0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    }

    /// GELU with erf.
    public static func geluErf(_ x: Double) -> Double { 0.5 * x * (1 + erf(x / 2.0.squareRoot())) }

    /// `LN(x + residual) · (offset + scale) + shift`.
    public static func layerNorm(
        _ x: [Float], _ residual: [Float]?, columns: Int, _ scale: [Float], offset: Double,
        _ shift: [Float], eps: Double
    ) -> [Double] {
        var u = x.map { Double($0) }
        if let residual { for i in u.indices { u[i] += Double(residual[i]) } }
        var y = u
        for row in stride(from: 0, to: u.count, by: columns) {
            let values = u[row..<row + columns]
            let mean = values.reduce(0, +) / Double(columns)
            var squares = 0.0
            for value in values { squares += (value - mean) * (value - mean) }
            let deviation = (squares / Double(columns) + eps).squareRoot()
            for c in 0..<columns {
                let unit = (u[row + c] - mean) / deviation
                y[row + c] = unit * (offset + Double(scale[c])) + Double(shift[c])
            }
        }
        return y
    }

    /// `softmax(q kᵀ · scale) v`, q `[queries, depth]`, k and v `[keys, depth]`.
    public static func attention(
        _ q: [Float], _ k: [Float], _ v: [Float], depth: Int, scale: Double, causal: Bool
    ) -> [Double] {
        let (queries, keys) = (q.count / depth, k.count / depth)
        var out = [Double](repeating: 0, count: queries * depth)
        for i in 0..<queries {
            let seen = causal ? min(i + 1, keys) : keys
            let scores = (0..<seen).map { j in
                (0..<depth).reduce(0.0) {
                    $0 + Double(q[i * depth + $1]) * Double(k[j * depth + $1])
                } * scale
            }
            let top = scores.max() ?? 0
            let weights = scores.map { exp($0 - top) }
            let total = weights.reduce(0, +)
            for j in 0..<seen {
                for d in 0..<depth {
                    out[i * depth + d] += weights[j] / total * Double(v[j * depth + d])
                }
            }
        }
        return out
    }

    /// A convolution of channels-last pictures, x `[N, H, W, I]`, w `[O, I, k, k]`.
    public static func convolution(
        _ x: [Float], _ shape: (N: Int, H: Int, W: Int, I: Int), _ w: [Float], _ b: [Float],
        outputs: Int, kernel: Int, stride: Int, padding: Int
    ) -> [Double] {
        let (N, H, W, I) = shape
        let height = (H + 2 * padding - kernel) / stride + 1
        let width = (W + 2 * padding - kernel) / stride + 1
        var out: [Double] = []
        for n in 0..<N {
            for y in 0..<height {
                for x0 in 0..<width {
                    for o in 0..<outputs {
                        var sum = Double(b[o])
                        for ky in 0..<kernel {
                            for kx in 0..<kernel {
                                let (iy, ix) = (
                                    y * stride + ky - padding, x0 * stride + kx - padding
                                )
                                guard (0..<H).contains(iy), (0..<W).contains(ix) else { continue }
                                for i in 0..<I {
                                    sum +=
                                        Double(x[((n * H + iy) * W + ix) * I + i])
                                        * Double(w[((o * I + i) * kernel + ky) * kernel + kx])
                                }
                            }
                        }
                        out.append(sum)
                    }
                }
            }
        }
        return out
    }
}

extension [Double] {
    /// Rounded to float32.
    public var floats: [Float] { map { Float($0) } }
}

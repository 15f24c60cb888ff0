import CVidTwinTraining
import Glibc

/// Which of PyTorch's optimizers, and its constants.
package struct AdamOptions: Sendable, Equatable {
    /// Where the decay of weights goes: by itself (AdamW), or into the gradient (Adam).
    package enum Kind: String, Sendable { case adam = "Adam", adamW = "AdamW" }

    package var kind: Kind
    /// How slowly the two averages move.
    package var betas: (Double, Double)
    package var weightDecay: Double
    package var epsilon: Double

    package init(
        kind: Kind, betas: (Double, Double), weightDecay: Double, epsilon: Double = 1e-8
    ) {
        (self.kind, self.betas) = (kind, betas)
        (self.weightDecay, self.epsilon) = (weightDecay, epsilon)
    }

    package static func == (a: AdamOptions, b: AdamOptions) -> Bool {
        a.kind == b.kind && a.betas == b.betas && a.weightDecay == b.weightDecay
            && a.epsilon == b.epsilon
    }
}

/// One step of Adam or AdamW in PyTorch's order of operations, for any kind of number; the
/// corrections are computed in double.
package struct AdamRule<Number: BinaryFloatingPoint> {
    private let gradientScale, keep, coupledDecay, beta1, rest1, beta2, rest2: Number
    private let size, root, epsilon: Number

    /// The rule of a parameter's step number `step`, from 1; the gradient is multiplied by
    /// `gradientScale` first, for clipping.
    package init(_ options: AdamOptions, rate: Double, step: Int, gradientScale: Double = 1) {
        let (b1, b2) = options.betas
        let isDecoupled = options.kind == .adamW
        self.gradientScale = Number(gradientScale)
        keep = isDecoupled ? Number(1 - rate * options.weightDecay) : 1
        coupledDecay = isDecoupled ? 0 : Number(options.weightDecay)
        (beta1, rest1, beta2, rest2) = (Number(b1), Number(1 - b1), Number(b2), Number(1 - b2))
        size = Number(rate / (1 - pow(b1, Double(step))))
        root = Number((1 - pow(b2, Double(step))).squareRoot())
        epsilon = Number(options.epsilon)
    }

    /// Updates `count` weights and their averages; `m` is nil with β₁ = 0, where the average of
    /// gradients is the gradient itself.
    @inline(__always)
    package func callAsFunction(
        _ p: UnsafeMutablePointer<Number>, _ g: UnsafePointer<Number>,
        _ m: UnsafeMutablePointer<Number>?, _ v: UnsafeMutablePointer<Number>, count: Int
    ) {
        guard let m else {
            for i in 0..<count {
                let (weight, gradient) = decayed(p[i], g[i])
                let square = v[i] * beta2 + rest2 * gradient * gradient
                v[i] = square
                p[i] = weight - size * gradient / (square.squareRoot() / root + epsilon)
            }
            return
        }
        if rest1 < 0.5 {  // PyTorch's lerp, which ends exactly at its ends
            for i in 0..<count {
                let (weight, gradient) = decayed(p[i], g[i])
                let mean = m[i] + rest1 * (gradient - m[i])
                let square = v[i] * beta2 + rest2 * gradient * gradient
                (m[i], v[i]) = (mean, square)
                p[i] = weight - size * mean / (square.squareRoot() / root + epsilon)
            }
        } else {
            for i in 0..<count {
                let (weight, gradient) = decayed(p[i], g[i])
                let mean = gradient - (gradient - m[i]) * beta1
                let square = v[i] * beta2 + rest2 * gradient * gradient
                (m[i], v[i]) = (mean, square)
                p[i] = weight - size * mean / (square.squareRoot() / root + epsilon)
            }
        }
    }

    /// The same for float32, most of it eight weights at a time, to the same bits.
    package func step(
        _ p: UnsafeMutablePointer<Float>, _ g: UnsafePointer<Float>,
        _ m: UnsafeMutablePointer<Float>?, _ v: UnsafeMutablePointer<Float>, count: Int
    ) where Number == Float {
        var constants = vt_adam(
            gradient_scale: gradientScale, coupled_decay: coupledDecay, keep: keep, beta1: beta1,
            rest1: rest1, beta2: beta2, rest2: rest2, size: size, root: root, epsilon: epsilon)
        let done = vt_adam_step(p, g, m, v, count, &constants)
        self(p + done, g + done, m.map { $0 + done }, v + done, count: count - done)
    }

    @inline(__always)
    private func decayed(_ weight: Number, _ gradient: Number) -> (Number, Number) {
        (weight * keep, gradient * gradientScale + coupledDecay * weight)
    }
}

/// What a gradient is multiplied by so that its norm is at most `maximum`; none where that is nil.
package func clipFactor(norm: Double, maximum: Double?) -> Double {
    guard let maximum else { return 1 }
    return min(1, maximum / (norm + 1e-6))
}

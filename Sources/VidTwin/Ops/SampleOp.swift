import Glibc

/// `mean + exp(log-variance / 2) · noise`, all of one shape; the noise has no gradient.
package func sampleGaussian(_ mean: Tensor, _ logVariance: Tensor, noise: Tensor) -> Tensor {
    precondition(
        logVariance.shape == mean.shape && noise.shape == mean.shape,
        "sampleGaussian: \(mean.shape), \(logVariance.shape), \(noise.shape)")
    let (out, deviations) = (
        Tensor(mean.shape, on: mean.device), Tensor(mean.shape, on: mean.device)
    )
    elementwise(mean) { at, count in
        for i in at..<at + count {
            deviations.pointer[i] = expf(0.5 * logVariance.pointer[i])
            out.pointer[i] = mean.pointer[i] + deviations.pointer[i] * noise.pointer[i]
        }
    }
    guard let tape = mean.tape ?? logVariance.tape else { return out }
    return tape.record(out) { d in  // dμ = d,  dλ = ½ d · ε · exp(λ / 2)
        tape.add(d, to: mean)
        let dv = Tensor(logVariance.shape, on: d.device)
        elementwise(d) { at, count in
            for i in at..<at + count {
                dv.pointer[i] =
                    0.5 * d.pointer[i] * noise.pointer[i] * deviations.pointer[i]
            }
        }
        tape.add(dv, to: logVariance)
    }
}

/// `½ Σ (μ² + exp λ − 1 − λ)`
func klSum(_ mean: Tensor, _ logVariance: Tensor) -> Double {
    var total = 0.0
    for (mean, logVariance) in zip(mean.values, logVariance.values) {
        let (m, v) = (Double(mean), Double(logVariance))
        total += m * m + exp(v) - 1 - v
    }
    return total / 2
}

/// `½ Σ (μ² + exp λ − 1 − λ) / clips`, the divergence from the unit Gaussian: a tensor of one value.
package func klDivergence(_ mean: Tensor, _ logVariance: Tensor, clips: Int) -> Tensor {
    let value = Float(klSum(mean, logVariance) / Double(clips))
    let out = Tensor([1], [value], on: mean.device)
    guard let tape = mean.tape ?? logVariance.tape else { return out }
    return tape.record(out) { d in  // dμ = d · μ / B,  dλ = ½ d (exp λ − 1) / B
        let factor = d.withPointer { $0[0] } / Float(clips)
        let (dm, dv) = (Tensor(mean.shape, on: d.device), Tensor(mean.shape, on: d.device))
        elementwise(mean) { at, count in
            for i in at..<at + count {
                dm.pointer[i] = factor * mean.pointer[i]
                dv.pointer[i] = 0.5 * factor * expm1f(logVariance.pointer[i])
            }
        }
        tape.add(dm, to: mean)
        tape.add(dv, to: logVariance)
    }
}

/// `[B, d, inner]` in memory to `[B, inner, d]`: noise is drawn in the order of the reference's layout,
/// channels first, so that a seed gives its sample.
package func channelsLast(_ x: [Float], clips B: Int, channels d: Int) -> [Float] {
    let inner = x.count / max(B * d, 1)
    return [Float](unsafeUninitializedCapacity: x.count) { out, count in
        for at in 0..<x.count {
            let (b, i, channel) = (at / d / inner, at / d % inner, at % d)
            out[at] = x[(b * d + channel) * inner + i]
        }
        count = x.count
    }
}

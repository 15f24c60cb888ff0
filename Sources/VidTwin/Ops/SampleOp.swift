import Glibc

/// `mean + exp(log-variance / 2) · noise`, shapes as they are.
///
/// The noise is drawn in the order of the reference's layout, channels first:
/// `[B, d, ...]`, so that a seed gives PyTorch's sample.
func sampleGaussian(_ moments: Moments, _ generator: inout TorchGenerator) -> Tensor {
    let (mean, logVariance) = (moments.mean, moments.logVariance)
    let out = Tensor(mean.shape, on: mean.device)
    let (B, d) = (mean.dim(0), mean.dim(-1))
    let inner = mean.count / (B * d)
    let noise = generator.normals(mean.count)
    mean.withPointer { mean in
        logVariance.withPointer { logVariance in
            for at in 0..<B * inner * d {
                let (b, i, channel) = (at / d / inner, at / d % inner, at % d)
                let deviation = expf(0.5 * logVariance[at])
                out.pointer[at] = mean[at] + deviation * noise[(b * d + channel) * inner + i]
            }
        }
    }
    return out
}

/// Double-precision functions of the C library under one name.
enum Math {
    static func exp(_ x: Double) -> Double { Glibc.exp(x) }
}

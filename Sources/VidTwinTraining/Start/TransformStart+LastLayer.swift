import VidTwin

extension TransformStart {
    /// The decoder's last matrix: the ridge regression of pixels on its tokens.
    mutating func lastLayer(_ clips: [Tensor]) throws {
        guard let device = clips.first?.device else { return }
        let model = try VidTwinModel(c, weights: weights, device: device)
        let (C, P) = (c.decoder.width, basis.size)
        // Sums about the first clip's means, so that constants do not swallow what varies.
        var centre: [Float] = []
        var count = 0.0
        var sums = [Double](repeating: 0, count: C)
        var pixels = [Double](repeating: 0, count: P)
        var gram = Tensor([C, C], [Float](repeating: 0, count: C * C), on: device)
        var cross = Tensor([C, P], [Float](repeating: 0, count: C * P), on: device)
        for clip in clips {
            let latents = try model.encode(clip)
            for (part, weight) in [
                (Part.all, 1), (.structure, Scale.parts), (.dynamics, Scale.parts),
            ] {
                let features = model.reconstruct(latents, part: part).features
                let patches = patches(clip, of: part)
                let n = patches.dim(0)
                if centre.isEmpty {
                    centre = (0..<C).map { channel in
                        features.withPointer { x in
                            (0..<n).reduce(0) { $0 + x[$1 * C + channel] } / Float(n)
                        }
                    }
                }
                let centred = centred(features.reshaped([n, C]), about: centre)
                centred.withPointer { x in
                    for row in 0..<n {
                        for i in 0..<C { sums[i] += weight * Double(x[row * C + i]) }
                    }
                }
                patches.withPointer { x in
                    for row in 0..<n {
                        for i in 0..<P { pixels[i] += weight * Double(x[row * P + i]) }
                    }
                }
                gram = combined(1, gram, Float(weight), weightGradient(centred, centred))
                cross = combined(1, cross, Float(weight), weightGradient(centred, patches))
                count += weight * Double(n)
            }
        }
        let (mean, target) = (sums.map { $0 / count }, pixels.map { $0 / count })
        let (g, x) = (gram.values, cross.values)
        var matrix = [Double](repeating: 0, count: C * C)
        for i in 0..<C {
            for j in 0..<C { matrix[i * C + j] = Double(g[i * C + j]) / count - mean[i] * mean[j] }
            // What rounding costs grows with a token's square, its constant part too.
            let square =
                Double(g[i * C + i]) / count - mean[i] * mean[i]
                + (mean[i] + Double(centre[i])) * (mean[i] + Double(centre[i]))
            matrix[i * C + i] += Scale.ridge + Scale.rounding * square
        }
        let columns = (0..<P).map { p in
            (0..<C).map { Double(x[$0 * P + p]) / count - mean[$0] * target[p] }
        }
        let solved = try algebra.solve(matrix, columns)
        // A patch's numbers are rows, columns, channels here, and channels first in the embedding.
        let (h, w) = (c.decoder.patch.height, c.decoder.patch.width)
        let name = "decoder.final_layer.linear"
        for p in 0..<P {
            let (channel, row, column) = (p / (h * w), p / w % h, p % w)
            let out = (row * w + column) * 3 + channel
            var offset = target[p]
            for i in 0..<C {
                weights["\(name).weight", out, i] = solved[p][i]
                offset -= solved[p][i] * (mean[i] + Double(centre[i]))
            }
            weights["\(name).bias", out] = offset
        }
    }

    /// A clip's patches as a part of its latents is to show them: its mean picture, or how it leaves that
    /// about the mean of all patches.
    private func patches(_ clip: Tensor, of part: Part) -> Tensor {
        let patches = TransformStart.patches(clip, c)
        if part == .all { return patches }
        let (T, S, P) = (c.encoder.grid.time, places.count, basis.size)
        patches.withPointer { x in
            for at in 0..<S * P {
                let mean = (0..<T).reduce(Float(0)) { $0 + x[$1 * S * P + at] } / Float(T)
                for t in 0..<T {
                    x[t * S * P + at] =
                        part == .structure
                        ? mean : x[t * S * P + at] - mean + Float(basis.mean[at % P])
                }
            }
        }
        return patches
    }
}

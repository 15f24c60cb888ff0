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
            let features = model.reconstruct(try model.encode(clip)).features
            let patches = TransformStart.patches(clip, c)
            let n = patches.dim(0)
            if centre.isEmpty {
                centre = (0..<C).map { channel in
                    features.withPointer { x in
                        (0..<n).reduce(0) { $0 + x[$1 * C + channel] } / Float(n)
                    }
                }
            }
            let centred = Tensor([n, C], on: device)
            centred.withPointer { to in
                features.withPointer { from in
                    for row in 0..<n {
                        for i in 0..<C {
                            to[row * C + i] = from[row * C + i] - centre[i]
                            sums[i] += Double(to[row * C + i])
                        }
                    }
                }
            }
            patches.withPointer { x in
                for row in 0..<n { for i in 0..<P { pixels[i] += Double(x[row * P + i]) } }
            }
            gram = combined(1, gram, 1, weightGradient(centred, centred))
            cross = combined(1, cross, 1, weightGradient(centred, patches))
            count += Double(n)
        }
        let (mean, target) = (sums.map { $0 / count }, pixels.map { $0 / count })
        let (g, x) = (gram.values, cross.values)
        var matrix = [Double](repeating: 0, count: C * C)
        for i in 0..<C {
            for j in 0..<C { matrix[i * C + j] = Double(g[i * C + j]) / count - mean[i] * mean[j] }
            matrix[i * C + i] += Scale.ridge
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
}

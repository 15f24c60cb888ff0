import Glibc
import VidTwin

extension TransformStart {
    /// Embedding, and the first block's attention over time: a soft window around each moment. It gives
    /// tokens labels of their time, and takes the neighbourhood away from what is to move.
    mutating func encoder() throws {
        let (C, P) = (c.encoder.width, basis.size)
        let name = "encoder.x_embedder.proj"
        weights.clear("\(name).weight")
        weights.clear("\(name).bias")
        let pairs = Array(content.enumerated()) + Array(moving.enumerated())
        for (k, channel) in pairs {
            let factor = Scale.embedding / basis.deviations[k]
            var offset = 0.0
            for i in 0..<P {
                weights["\(name).weight", channel, i] = basis.directions[k][i] * factor
                offset -= basis.directions[k][i] * factor * basis.mean[i]
            }
            weights["\(name).bias", channel] = offset
        }

        let attention = "encoder.blocks.0.attn_temp"
        let (heads, size) = (c.encoder.heads, C / c.encoder.heads)
        let root = Double(size).squareRoot()
        weights.clear("\(attention).qkv.weight")
        weights.clear("\(attention).qkv.bias")
        let (time, offset) = try timeFunctionals()
        let span = neighbourhood * neighbourhood
        for head in 0..<heads {
            let (query, key) = (head * size, C + head * size)
            for channel in 0..<C {
                weights["\(attention).qkv.weight", query, channel] = time[0][channel]
                weights["\(attention).qkv.weight", key, channel] =
                    time[0][channel] * 2 * root / span
                weights["\(attention).qkv.weight", key + 1, channel] =
                    -time[1][channel] * root / span
            }
            weights["\(attention).qkv.bias", query] = offset
            weights["\(attention).qkv.bias", query + 1] = 1
        }
        for (index, channel) in (labels + moving).enumerated() where index < size {
            weights["\(attention).qkv.weight", 2 * C + index, channel] = 1
            weights["\(attention).proj.weight", channel, index] =
                (index < labels.count ? 1 : -1) / Scale.gate
        }
    }

    /// The neighbourhood's reach, in units of half a clip.
    private var neighbourhood: Double { Scale.neighbourhood / halfClip }

    var halfClip: Double { Double(c.encoder.grid.time - 1) / 2 }

    /// Moments as −1…1, and their squares.
    var times: [[Double]] {
        let tau = (0..<c.encoder.grid.time).map { (Double($0) - halfClip) / halfClip }
        return [tau, tau.map { $0 * $0 }]
    }

    /// Two functionals of tokens with their time's table added: the moment and its square but for
    /// constants, the same at all places; and what makes the first one right.
    private func timeFunctionals() throws -> (weights: [[Double]], offset: Double) {
        let C = c.encoder.width
        let own = centred(moments.map { row in labels.map { row[$0] } })
        let targets = times.map { time in time.map { $0 - TransformStart.mean(time) } }
        let fits = try algebra.leastSquares(own, targets, ridge: 1e-3)
        var out: [[Double]] = []
        for fit in fits {
            var functional = [Double](repeating: 0, count: C)
            for (label, value) in zip(labels, fit) { functional[label] = value }
            // Spare channels take the place out, and leave the time.
            let leak = places.map { row in zip(labels, fit).reduce(0) { $0 + row[$1.0] * $1.1 } }
            let mean = TransformStart.mean(leak)
            let rows =
                places.map { row in spare.map { row[$0] } + [1, 0] }
                + moments.map { row in spare.map { row[$0] } + [0, 1] }
            let right = leak.map { mean - $0 } + moments.map { _ in 0 }
            let repair = try algebra.leastSquares(rows, [right], ridge: 1e-5)[0]
            for (channel, value) in zip(spare, repair) { functional[channel] = value }
            out.append(functional)
        }
        let constant =
            TransformStart.mean(places.map { dot($0, out[0]) })
            + TransformStart.mean(moments.map { dot($0, out[0]) })
        return (out, TransformStart.mean(times[0]) - constant)
    }

    /// The labels of moments that the first block leaves in the tokens, without their places.
    func labelsAfterBlock() throws -> [[Double]] {
        let (time, offset) = try timeFunctionals()
        let place = places[places.count / 2]
        let tokens = moments.map { row in zip(row, place).map { $0 + $1 } }
        let values = tokens.map { [dot($0, time[0]), dot($0, time[1])] }
        let span = neighbourhood * neighbourhood
        return tokens.indices.map { t in
            let query = values[t][0] + offset
            let logits = values.map { (2 * query * $0[0] - $0[1]) / span }
            let most = logits.max() ?? 0
            let shares = logits.map { exp($0 - most) }
            let sum = shares.reduce(0, +)
            return labels.map { label in
                tokens.indices.reduce(0) { $0 + shares[$1] / sum * tokens[$1][label] }
            }
        }
    }

    /// Rows less their mean.
    func centred(_ rows: [[Double]]) -> [[Double]] {
        let means = (rows.first ?? []).indices.map { i in
            TransformStart.mean(rows.map { $0[i] })
        }
        return rows.map { row in zip(row, means).map { $0 - $1 } }
    }

    func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
}

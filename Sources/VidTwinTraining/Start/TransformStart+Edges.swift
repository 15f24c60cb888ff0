import Glibc
import VidTwin

/// The decoder's second block, where there is one: four heads of its attention over space bring each
/// patch what its neighbours show along the borders with it, so that the last layer can close the steps
/// between them that patches told apart would leave. At the picture's own border a head finds nothing but
/// the patch itself; units of the MLP take that away.
extension TransformStart {
    /// A neighbour: how far it is, which of its pixels lie along the border, and the rows or columns of
    /// the grid that have none.
    private struct Neighbour {
        let row, column: Int
        let touches: (_ row: Int, _ column: Int) -> Bool
        let isMissing: (row: Bool, index: Int)
    }

    private var neighbours: [Neighbour] {
        let (h, w) = (c.decoder.patch.height, c.decoder.patch.width)
        let grid = c.decoder.grid
        return [
            Neighbour(
                row: 0, column: -1, touches: { $1 == w - 1 }, isMissing: (row: false, index: 0)),
            Neighbour(
                row: 0, column: 1, touches: { $1 == 0 },
                isMissing: (row: false, index: grid.columns - 1)),
            Neighbour(
                row: -1, column: 0, touches: { row, _ in row == h - 1 },
                isMissing: (row: true, index: 0)),
            Neighbour(
                row: 1, column: 0, touches: { row, _ in row == 0 },
                isMissing: (row: true, index: grid.rows - 1)),
        ]
    }

    /// Rates of the tables of places by which a patch is found: the sine's and the cosine's channel for
    /// columns, then for rows. Over the grid's sides they go less than once round.
    static func placeKeys(_ c: Configuration) -> (channels: [Int], rate: Double) {
        let quarter = c.encoder.width / 4
        let wanted = 4 / Double(max(c.encoder.grid.rows, c.encoder.grid.columns))
        let index = min(
            max(Int((-log(wanted) / log(10000) * Double(quarter)).rounded()), 0), quarter - 1)
        return (
            [index, quarter + index, 2 * quarter + index, 3 * quarter + index],
            pow(10000, -Double(index) / Double(quarter))
        )
    }

    /// - Precondition: the last layer is there, and the second block silent.
    mutating func edges(_ clips: [Tensor]) throws {
        let block = "decoder.blocks.1"
        let size = c.decoder.width / c.decoder.heads
        let pool = tokenChannels.moments.flatMap { $0 }
        let tokens = try tokens(clips)
        weights.clear("\(block).attn.qkv.weight")
        weights.clear("\(block).attn.qkv.bias")
        weights.scale("\(block).mlp.fc1.weight", by: 0.02)
        let deviation = tokenDeviation(tokens.places)
        var units = GatedUnits("\(block).mlp", deviation: deviation)
        for (head, neighbour) in neighbours.enumerated() {
            find(neighbour, "\(block).attn", head: head, size: size, tokens.places, deviation)
            let values = try border(neighbour, tokens, most: min(pool.count / 4, size))
            let gate = gate(
                neighbour.isMissing.index, isRow: neighbour.isMissing.row, tokenChannels.labels,
                constants: decoderConstants, shut: -1)
            for (index, value) in values.enumerated() {
                let channel = pool[head * (pool.count / 4) + index]
                bring(
                    value, times: Scale.slot, "\(block).attn", head: head, size: size,
                    value: index, to: channel)
                units.add(
                    difference(channel, tokenChannels.zero, by: 1 / Scale.slot), gates: [gate],
                    to: [(channel, -Scale.slot)], &weights)
            }
        }
    }

    /// Queries and keys of a head that looks at a neighbour, and where there is none at the patch itself.
    private mutating func find(
        _ neighbour: Neighbour, _ attention: String, head: Int, size: Int, _ seen: [[Double]],
        _ deviation: Double
    ) {
        let (keys, rate) = TransformStart.placeKeys(c)
        // One step off is e^-6 of what is looked at.
        let height = 6 / (1 - cos(rate)) * deviation * Double(size).squareRoot()
        let labels = tokenChannels.labels
        let columns = c.decoder.grid.columns
        for (z, channel) in keys.enumerated() {
            var fit = LeastNorm()
            for (place, token) in seen.enumerated() {
                let at =
                    z < 2
                    ? place % columns + neighbour.column : place / columns + neighbour.row
                let phase = rate * Double(at)
                fit.add(
                    labels.map { token[$0] } + [1], near: z % 2 == 0 ? sin(phase) : cos(phase),
                    off: 0.01)
            }
            // What the norm takes from all channels alike is to be nothing here.
            fit.add(labels.map { _ in 3 } + [0], near: 0, off: 0.003)
            let query = fit.solved()
            pair(
                attention, row: head * size + z,
                Functional(weights: spread(query, labels), offset: query.last ?? 0), key: channel,
                height: height)
        }
    }

    /// What a neighbour shows along the border: the strongest components of its pixels there, as
    /// functionals of its token, in deviations.
    private func border(
        _ neighbour: Neighbour, _ tokens: TokenStatistics, most: Int
    ) throws -> [Functional] {
        let (C, h, w) = (c.decoder.width, c.decoder.patch.height, c.decoder.patch.width)
        var pixels: [[Double]] = []
        for row in 0..<h {
            for column in 0..<w where neighbour.touches(row, column) {
                for channel in 0..<3 {
                    let out = (row * w + column) * 3 + channel
                    pixels.append(
                        (0..<C).map { weights["decoder.final_layer.linear.weight", out, $0] })
                }
            }
        }
        let varied = pixels.map { pixel in
            tokens.covariance.map { dot(pixel, $0) }
        }
        let (values, directions) = try algebra.eigenvectors(
            varied.flatMap { row in pixels.map { dot(row, $0) } })
        let strongest = values.first ?? 0
        return (0..<min(most, values.count)).filter { values[$0] > 1e-6 * strongest }.map { k in
            let scale = 1 / values[k].squareRoot()
            let read = (0..<C).map { i in
                pixels.indices.reduce(0) { $0 + directions[k][$1] * pixels[$1][i] } * scale
            }
            return Functional(weights: read, offset: -dot(read, tokens.mean))
        }
    }

    /// What the norm divides by, as the keys' channels have it, which only tables are in.
    private func tokenDeviation(_ seen: [[Double]]) -> Double {
        var (both, square) = (0.0, 0.0)
        for channel in TransformStart.placeKeys(c).channels {
            let (table, token) = (places.map { $0[channel] }, seen.map { $0[channel] })
            let (a, b) = (TransformStart.mean(table), TransformStart.mean(token))
            for (x, y) in zip(table, token) {
                both += (x - a) * (y - b)
                square += (x - a) * (x - a)
            }
        }
        return square / max(both, 1e-9)
    }
}

/// What the decoder's tokens are behind its last norm.
private struct TokenStatistics {
    /// Means over clips and moments by place, `[S][C]`; over places too, `[C]`.
    var places: [[Double]]
    var mean: [Double]
    /// `[C][C]`
    var covariance: [[Double]]
}

extension TransformStart {
    /// Over 64 of the clips, or all if they are fewer.
    private func tokens(_ clips: [Tensor]) throws -> TokenStatistics {
        let (C, T, S) = (c.decoder.width, c.decoder.grid.time, places.count)
        let step = max(clips.count / 64, 1)
        let some = stride(from: 0, to: clips.count, by: step).map { clips[$0] }
        let model = try VidTwinModel(c, weights: weights, device: clips[0].device)
        let features = try some.map { model.reconstruct(try model.encode($0), part: .all).features }
        let count = Double(some.count * T)
        var seen = [[Double]](repeating: [Double](repeating: 0, count: C), count: S)
        for tokens in features {
            tokens.withPointer { x in
                for row in 0..<T * S {
                    for i in 0..<C { seen[row % S][i] += Double(x[row * C + i]) / count }
                }
            }
        }
        let mean = (0..<C).map { i in TransformStart.mean(seen.map { $0[i] }) }
        var gram = [Double](repeating: 0, count: C * C)
        for tokens in features {
            let centred = centred(tokens, about: mean.map { Float($0) })
            for (at, value) in weightGradient(centred, centred).values.enumerated() {
                gram[at] += Double(value) / (count * Double(S))
            }
        }
        return TokenStatistics(
            places: seen, mean: mean,
            covariance: (0..<C).map { Array(gram[$0 * C..<($0 + 1) * C]) })
    }
}

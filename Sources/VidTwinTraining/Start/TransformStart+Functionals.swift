import Glibc
import VidTwin

/// A number that is read off a token: a weight a channel, and an offset.
struct Functional {
    var weights: [Double]
    var offset = 0.0

    /// Less what channels' constants make of it.
    func without(_ constants: [Double]) -> Functional {
        let sum = zip(weights, constants).reduce(0) { $0 + $1.0 * $1.1 }
        return Functional(weights: weights, offset: offset - sum)
    }
}

/// Functionals by least squares on the tables of places and moments, which tokens hold beside content.
extension TransformStart {
    /// What reads f(moment) + g(place) off a token to which its moment's table has been added. Where
    /// `places` is nil, what it makes of places is left open.
    func functional(
        _ channels: [Int], moments f: [Double], places g: [Double]?
    ) throws -> Functional {
        // What is constant is to be the offset's, which costs nothing.
        let free = 1e3
        let rows =
            moments.map { row in channels.map { row[$0] } + [0, free] }
            + (g == nil ? [] : places.map { row in channels.map { row[$0] } + [free, 0] })
        let fit = try algebra.leastSquares(rows, [f + (g ?? [])], ridge: Scale.fit)[0]
        return Functional(weights: spread(fit, channels), offset: free * fit.suffix(2).reduce(0, +))
    }

    /// What reads off a token whether its place is in a row (or column) of the grid: 0 there and at most
    /// `shut` elsewhere; norms of a block leave it what it is but for a factor, since its weights sum to 0.
    func gate(
        _ index: Int, isRow: Bool, _ channels: [Int], constants: [Double], shut: Double
    ) -> [Double] {
        // Half of the channels have tables of columns, half of rows.
        let (grid, half) = (c.encoder.grid, c.encoder.width / 2)
        let own = channels.filter { ($0 >= half) == isRow }
        var fit = LeastNorm()
        for other in 0..<(isRow ? grid.rows : grid.columns) {
            let place = places[isRow ? other * grid.columns : other]
            let row = own.map { place[$0] + constants[$0] }
            fit.add(row, other == index ? -0.05 : -.infinity, other == index ? 0.05 : shut)
        }
        fit.add(own.map { _ in 3 }, near: 0, off: 0.003)
        return spread(fit.solved(), own)
    }

    /// What reads a function of moments, and nothing of places, off a token to which its moment's table
    /// has been added: bounds a moment on what `seen` makes of tables of moments.
    func bounded(
        _ channels: [Int], _ seen: [(table: [Double], low: Double, high: Double)],
        places off: Double
    ) -> Functional {
        let count = Double(places.count)
        let means = channels.map { channel in places.reduce(0) { $0 + $1[channel] } / count }
        var fit = LeastNorm()
        for (table, low, high) in seen { fit.add(channels.map { table[$0] } + [1], low, high) }
        for place in places {
            fit.add(zip(channels, means).map { place[$0] - $1 } + [0], near: 0, off: off)
        }
        let found = fit.solved(turns: 2000)
        return Functional(
            weights: spread(found, channels), offset: (found.last ?? 0) - dot(means + [0], found))
    }

    /// What reads a channel's content off a token, without its table; its weights sum to 0.
    func content(of channel: Int, _ channels: [Int], constants: [Double]) throws -> [Double] {
        let rows =
            places.map { row in channels.map { row[$0] + constants[$0] } }
            + [channels.map { _ in Scale.sum }]
        let right = places.map { -$0[channel] - constants[channel] } + [-Scale.sum]
        var out = spread(
            try algebra.leastSquares(rows, [right], ridge: Scale.fit)[0], channels)
        out[channel] += 1
        return out
    }

    func spread(_ fit: [Double], _ channels: [Int]) -> [Double] {
        var out = [Double](repeating: 0, count: c.encoder.width)
        for (channel, value) in zip(channels, fit) { out[channel] = value }
        return out
    }

    /// A channel list's constant, as a row of all channels.
    func constant(_ channels: [Int], _ value: Double) -> [Double] {
        var out = [Double](repeating: 0, count: c.encoder.width)
        for channel in channels { out[channel] = value }
        return out
    }
}

// MARK: - Queries and keys

extension TransformStart {
    /// Queries and keys of a head by a window; queries are right at the moments that matter.
    mutating func look(
        _ attention: String, head: Int, size: Int, through window: TimeWindow, _ channels: [Int],
        off: Double = 0.01, matters: (Int) -> Bool = { _ in true }
    ) {
        let root = Double(size).squareRoot()
        for (n, wave) in window.waves.enumerated() {
            for (z, channel) in windows.rates.channels(wave.index).enumerated() {
                let seen = moments.indices.filter(matters).map { t in
                    let phase = windows.rates.rate(wave.index) * window.look(Double(t))
                    let value = z == 0 ? sin(phase) : cos(phase)
                    return (table: moments[t], low: value - off, high: value + off)
                }
                pair(
                    attention, row: head * size + 2 * n + z,
                    bounded(channels, seen, places: off), key: channel, height: wave.height * root)
            }
        }
    }

    /// A row of queries by a functional, and its key, which is one channel: their product is `height`
    /// times both. The key's weight is one that bfloat16 has.
    mutating func pair(
        _ attention: String, row: Int, _ query: Functional, key channel: Int, height: Double
    ) {
        let (C, name) = (c.encoder.width, "\(attention).qkv")
        let key = Double(Float(bfloat16: Float(height)))
        for i in 0..<C { weights["\(name).weight", row, i] = query.weights[i] * height / key }
        weights["\(name).bias", row] = query.offset * height / key
        weights["\(name).weight", C + row, channel] = key
    }

    /// A head's value by a functional, `factor` times, and the channel that it is brought to.
    mutating func bring(
        _ read: Functional, times factor: Double = 1, _ attention: String, head: Int, size: Int,
        value index: Int, to channel: Int
    ) {
        let (C, column) = (c.encoder.width, head * size + index)
        let row = 2 * C + column
        for i in 0..<C { weights["\(attention).qkv.weight", row, i] = read.weights[i] * factor }
        weights["\(attention).qkv.bias", row] = read.offset * factor
        weights["\(attention).proj.weight", channel, column] = 1 / Scale.gate
    }
}

// MARK: - Gated units

/// Units of a block's MLP in pairs: where gates are open (0), a pair's difference is its functional as
/// far as `Scale.open` deviations; where one is shut (-1 or less), it is nothing.
struct GatedUnits {
    let mlp: String
    /// The deviation of a token's channels, by which the norm divides.
    let deviation: Double
    private var count = 0

    init(_ mlp: String, deviation: Double) {
        (self.mlp, self.deviation) = (mlp, deviation)
    }

    mutating func add(
        _ functional: [Double], gates: [[Double]], to outputs: [(channel: Int, factor: Double)],
        _ weights: inout NamedWeights
    ) {
        let gate = functional.indices.map { channel in gates.reduce(0) { $0 + $1[channel] } }
        // Shut a little harder, so that in steps of a 127th of the largest weight, which int8 has, what
        // is read has no rest.
        let (read, most) = (functional.map(abs).max() ?? 0, gate.map(abs).max() ?? 0)
        var shutting = TransformStart.Scale.shutting
        if shutting * most > read {
            let steps = max((127 * read / (shutting * most)).rounded(.down), 1)
            shutting = 127 * read / (steps * most)
        }
        for sign in [1.0, -1] {
            for channel in functional.indices {
                weights["\(mlp).fc1.weight", count, channel] =
                    deviation * (sign * functional[channel] + shutting * gate[channel])
            }
            weights["\(mlp).fc1.bias", count] = TransformStart.Scale.open
            for (channel, factor) in outputs {
                weights["\(mlp).fc2.weight", channel, count] =
                    sign * factor / 2 / TransformStart.Scale.gate
            }
            count += 1
        }
    }
}

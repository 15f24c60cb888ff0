import Glibc
import VidTwin

extension TransformStart {
    /// Embedding, and the first block: its attention over time finds how coefficients leave their means
    /// at each knot, its MLP sorts that by rows and columns (`TransformPlan`).
    mutating func encoder(_ samples: StartingSamples) throws {
        embedding()
        let constants = constant(channels.constants, Scale.constant.encoder)
        let turns = try attentionOverTime(samples.ways, constants)
        try sorting(deviation: encoderDeviation(turns, samples), constants)
    }

    private mutating func embedding() {
        let name = "encoder.x_embedder.proj"
        weights.clear("\(name).weight")
        weights.clear("\(name).bias")
        for (k, channel) in channels.content.enumerated() {
            let factor = gains[k] / basis.deviations[k]
            var offset = 0.0
            for i in 0..<basis.size {
                weights["\(name).weight", channel, i] = basis.directions[k][i] * factor
                offset -= basis.directions[k][i] * factor * basis.mean[i]
            }
            weights["\(name).bias", channel] = offset
        }
        for channel in channels.constants {
            weights["\(name).bias", channel] = Scale.constant.encoder
        }
    }

    /// Heads at the knots of each coefficient, one at the whole clip, one at the own frame. Returns what
    /// the channels of turns hold, `[strong][T]`.
    private mutating func attentionOverTime(
        _ ways: [Double], _ constants: [Double]
    ) throws -> [[Double]] {
        let (C, T, J) = (c.encoder.width, c.encoder.grid.time, plan.strong)
        let size = C / c.encoder.heads
        let name = "encoder.blocks.0.attn_temp"
        let values = 2 * C
        weights.clear("\(name).qkv.weight")
        weights.clear("\(name).qkv.bias")
        for j in 0..<J {
            look(name, head: j, size: size, through: windows.knots(of: j), channels.calm) {
                [plan] t in
                plan.isSlot(t, of: j)
            }
            for (index, k) in [j, J + j].enumerated() {
                // Its own table of moments is taken away; that of places goes with the mean.
                let (channel, unit) = (channels.content[k], gains[k] * ways[k] / Scale.way)
                var read = try functional(
                    channels.calm, moments: moments.map { -$0[channel] / unit }, places: nil)
                read.weights[channel] = 1 / unit
                for row in [values + j * size + index, values + J * size + k] {
                    for i in 0..<C { weights["\(name).qkv.weight", row, i] = read.weights[i] }
                }
                let to = channels.deviations[k]
                weights["\(name).proj.weight", to, j * size + index] = 1 / Scale.gate
                weights["\(name).proj.weight", to, J * size + k] = -1 / Scale.gate
            }
        }
        let (head, window) = (J + 1, windows.own)
        look(name, head: head, size: size, through: window, channels.calm, off: 0.08)
        let seen = (0..<T).map { t in
            let shares = window.shares(t, of: T)
            return (0..<C).map { i in moments.indices.reduce(0) { $0 + shares[$1] * moments[$1][i] }
            }
        }
        return (0..<J).map { j in
            let read = bounded(
                channels.calm,
                seen.enumerated().map { t, table in
                    plan.isSlot(t, of: j) ? (table, -0.1, Scale.over) : (table, -.infinity, -1)
                }, places: 0.03)
            bring(
                read, times: Scale.turn, name, head: head, size: size, value: j,
                to: channels.turns[j])
            // Tables of places leave the mean they have there.
            let mean = TransformStart.mean(places.map { dot($0, read.weights) })
            return seen.map { (dot($0, read.weights) + mean + read.offset) * Scale.turn }
        }
    }

    /// What the norm before the MLP divides by.
    private func encoderDeviation(_ turns: [[Double]], _ samples: StartingSamples) -> Double {
        var squares = constant([], 0)
        for (channel, gain) in zip(channels.content, gains) { squares[channel] = gain * gain }
        for (channel, square) in zip(channels.deviations, samples.wayPower) {
            squares[channel] = square * Scale.way * Scale.way
        }
        var known = constant(channels.constants, Scale.constant.encoder)
        for (channel, turn) in zip(channels.turns, turns) {
            known[channel] = TransformStart.mean(turn)
            squares[channel] = TransformStart.deviation(turn) * TransformStart.deviation(turn)
        }
        return deviation(known, squares)
    }

    /// The deviation of a token's channels: of the table of places with what is known of them, and with
    /// the variances of what is not.
    func deviation(_ known: [Double], _ variances: [Double]) -> Double {
        let rest = TransformStart.mean(variances)
        return TransformStart.mean(
            places.map { place in
                let spread = TransformStart.deviation(zip(place, known).map { $0 + $1 })
                return (spread * spread + rest).squareRoot()
            })
    }

    /// Units that hand a way to its row's channel, of the first map, or to its column's, of the second;
    /// on the diagonal, where the two would meet, the first has a channel and the second gives way.
    private mutating func sorting(deviation: Double, _ constants: [Double]) throws {
        let (columns, rows) = (c.encoder.grid.columns, c.encoder.grid.rows)
        var units = GatedUnits("encoder.blocks.0.mlp", deviation: deviation)
        weights.scale("encoder.blocks.0.mlp.fc1.weight", by: 0.02)
        let ways = channels.deviations.map {
            difference($0, channels.zero, by: 1 / Scale.way)
        }
        let turns = try channels.turns.map {
            try content(of: $0, channels.quiet, constants: constants).map { $0 / Scale.turn }
        }
        let maps = channels.maps
        for r in 0..<plan.side {
            // Where a turn is open, by as much as it may be, these must still shut.
            let shut = -1 - Scale.over
            let row = gate(r, isRow: true, channels.quiet, constants: constants, shut: shut)
            let column = gate(r, isRow: false, channels.quiet, constants: constants, shut: shut)
            for j in 0..<plan.strong {
                let (first, second, turn) = (ways[j], ways[plan.strong + j], turns[j])
                let hasBoth = r < rows && r < columns
                if r < rows {
                    units.add(first, gates: [row, turn], to: [(maps[r], 1)], &weights)
                }
                if r < columns {
                    units.add(second, gates: [column, turn], to: [(maps[r], 1)], &weights)
                }
                if hasBoth {
                    units.add(
                        first, gates: [row, column, turn],
                        to: [(maps[r], -1), (maps[plan.side], 1)], &weights)
                    units.add(
                        second, gates: [row, column, turn], to: [(maps[r], -1)], &weights)
                }
            }
        }
    }

    /// What a channel has more than another.
    func difference(_ channel: Int, _ other: Int, by factor: Double) -> [Double] {
        var out = constant([channel], factor)
        out[other] = -factor
        return out
    }
}

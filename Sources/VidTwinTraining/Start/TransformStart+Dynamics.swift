import VidTwin

extension TransformStart {
    /// The dynamics latents: the means of maps over rows, and over columns.
    mutating func dynamics() throws {
        let d = c.dynamicsChannels
        weights.clear("motion_head.weight")
        weights.clear("motion_emb.0.weight")
        weights.clear("motion_emb.2.weight")
        let (columns, rows) = (c.encoder.grid.columns, c.encoder.grid.rows)
        let rest = channels.rest
        // Tables of places as the means over rows and over columns see them.
        let means =
            (0..<columns).map { i in mean(places.indices.filter { $0 % columns == i }) }
            + (0..<rows).map { i in mean(places.indices.filter { $0 / columns == i }) }
        let tables = means.map { row in rest.map { row[$0] } + [1] }
        for index in 0...plan.side {
            let own = channels.maps[index]
            let height = Double(index == plan.side ? columns : rows)
            var target = means.map { -$0[own] * height }
            if index == plan.side {
                let tag = tag(tables)
                for i in 0..<columns { target[i] += tag[i] }
            }
            let fit = try algebra.leastSquares(tables, [target], ridge: Scale.fit)[0]
            for (channel, value) in zip(rest, fit) {
                weights[centre: "motion_head.weight", index, channel] = value * Scale.latent
            }
            weights[centre: "motion_head.weight", index, own] = height * Scale.latent
            weights["motion_head.bias", index] = (fit.last ?? 0) * Scale.latent
        }
        for channel in d..<2 * d { weights["motion_head.bias", channel] = -10 }
        back()
    }

    /// What tells columns from rows, in the latent along columns: at least `Scale.side` or at most
    /// minus that, on the average 0, as it is along rows.
    private func tag(_ tables: [[Double]]) -> [Double] {
        let columns = c.encoder.grid.columns
        var fit = LeastNorm()
        for (index, table) in tables.enumerated() {
            if index >= columns {
                fit.add(table, near: 0, off: 0.02)
            } else if index < columns / 2 {
                fit.add(table, Scale.side, .infinity)
            } else {
                fit.add(table, -.infinity, -Scale.side)
            }
        }
        let found = fit.solved()
        return tables.prefix(columns).map { dot($0, found) }
    }

    private func mean(_ of: [Int]) -> [Double] {
        (0..<c.encoder.width).map { i in TransformStart.mean(of.map { places[$0][i] }) }
    }

    /// Both latents pass through the same layers: one set of channels has the sum, the other only what
    /// came along rows, where there is no tag. All have an offset, and a constant says that there are
    /// dynamics.
    private mutating func back() {
        let side = plan.side
        for index in 0...side {
            weights["motion_emb.0.weight", index, index] = 1 / Scale.latent
            weights["motion_emb.0.bias", index] = Scale.swing
            let out = tokenChannels.alongRows[index]
            weights["motion_emb.2.weight", out, index] = Scale.part
            for unit in 0..<2 {
                weights["motion_emb.2.weight", out, side + 1 + unit] = -4 * Scale.part
            }
            if index < side {
                weights["motion_emb.2.weight", tokenChannels.alongColumns[index], index] =
                    Scale.part
            }
        }
        for (unit, sign) in [1.0, -1].enumerated() {
            weights["motion_emb.0.weight", side + 1 + unit, side] = sign / Scale.latent
            weights["motion_emb.0.bias", side + 1 + unit] = 0.5 - Scale.side / 2
        }
        // Both bring half of it: then what takes the offset away has weight 1, as the maps have.
        weights["motion_emb.2.bias", tokenChannels.presence[1]] = 0.5 * Scale.swing * Scale.part
    }
}

extension TransformStart {
    /// The decoder's first block: its attention over time brings the knots of each coefficient to all
    /// frames, its MLP takes the own row's and the own column's.
    mutating func decoder(_ samples: StartingSamples) throws {
        let block = "decoder.blocks.0"
        let constants = decoderConstants
        for (channel, value) in constants.enumerated() {
            weights["\(block).attn.proj.bias", channel] = value / Scale.gate
        }
        try knotsToFrames("\(block).attn_temp", constants)
        try choosing("\(block).mlp", deviation: decoderDeviation(samples), constants)
    }

    /// What a bias adds to the decoder's tokens: constants, of several values so that narrow forms do not
    /// err alike in all; and what takes away the offsets that brought numbers through ReLUs, and their
    /// tables, since they cost them digits.
    var decoderConstants: [Double] {
        let channels = tokenChannels
        var out = constant([], 0)
        let count = channels.constants.count
        for (index, channel) in channels.constants.enumerated() {
            let part = 0.9 + 0.2 * Double(index) / Double(max(count - 1, 1))
            out[channel] = Scale.constant.decoder * part
        }
        for channel in channels.slots {
            out[channel] =
                -Scale.offset * Scale.slot - TransformStart.mean(places.map { $0[channel] })
        }
        for channel in channels.alongColumns { out[channel] = -2 * Scale.swing * Scale.part }
        for channel in channels.alongRows { out[channel] = -Scale.swing * Scale.part }
        return out
    }

    private mutating func knotsToFrames(_ name: String, _ constants: [Double]) throws {
        let channels = tokenChannels
        let side = plan.side
        let size = c.decoder.width / c.decoder.heads
        weights.clear("\(name).qkv.weight")
        weights.clear("\(name).qkv.bias")
        // What came along columns, along rows, and the diagonal, without offsets and tables.
        var sources: [[(Int, Double)]] = (0..<side).map {
            [(channels.alongColumns[$0], 1), (channels.alongRows[$0], -1)]
        }
        sources += channels.alongRows.map { [($0, 1)] }
        let values = try sources.map { terms -> Functional in
            let all = terms + [(channels.presence[1], -1)]
            func table(_ row: [Double]) -> Double {
                all.reduce(0) { $0 - row[$1.0] * $1.1 }
            }
            var read = try functional(
                channels.calm, moments: moments.map(table), places: places.map(table)
            )
            for (channel, factor) in all { read.weights[channel] += factor }
            // Where there are dynamics, what says so is as much as the offset that went.
            read.offset += Scale.swing * Scale.part
            return read
        }
        for j in 0..<plan.strong {
            look(name, head: j, size: size, through: windows.moment(of: j), channels.calm)
            for (index, value) in values.enumerated() {
                bring(
                    value, name, head: j, size: size, value: index,
                    to: channels.moments[j][index])
            }
        }
    }

    private mutating func choosing(
        _ mlp: String, deviation: Double, _ constants: [Double]
    ) throws {
        let channels = tokenChannels
        let (columns, rows) = (c.decoder.grid.columns, c.decoder.grid.rows)
        var units = GatedUnits(mlp, deviation: deviation)
        weights.scale("\(mlp).fc1.weight", by: 0.02)
        let reads = channels.moments.map { moments in
            moments.map { difference($0, channels.zero, by: 1 / Scale.part) }
        }
        for r in 0..<plan.side {
            let row = gate(r, isRow: true, channels.quiet, constants: constants, shut: -1)
            let column = gate(r, isRow: false, channels.quiet, constants: constants, shut: -1)
            for j in 0..<plan.strong {
                let first = channels.out[j], second = channels.out[plan.strong + j]
                let (own, along, diagonal) = (
                    reads[j][r], reads[j][plan.side + r], reads[j][2 * plan.side]
                )
                if r < rows {
                    units.add(own, gates: [row], to: [(first, Scale.slot)], &weights)
                }
                if r < columns {
                    units.add(along, gates: [column], to: [(second, Scale.slot)], &weights)
                }
                if r < rows && r < columns {
                    let both = [row, column]
                    units.add(own, gates: both, to: [(first, -Scale.slot)], &weights)
                    units.add(diagonal, gates: both, to: [(first, Scale.slot)], &weights)
                    units.add(along, gates: both, to: [(second, -Scale.slot)], &weights)
                }
            }
        }
        // Then the maps are done with, and the second block has their channels.
        if plan.closesSteps {
            for (moments, reads) in zip(channels.moments, reads) {
                for (channel, read) in zip(moments, reads) {
                    units.add(read, gates: [], to: [(channel, -Scale.part)], &weights)
                }
            }
        }
    }

    /// What the norm before the MLP divides by.
    private func decoderDeviation(_ samples: StartingSamples) -> Double {
        let channels = tokenChannels
        var known = decoderConstants
        for channel in channels.slots { known[channel] += Scale.offset * Scale.slot }
        for channel in channels.alongColumns + channels.alongRows { known[channel] = 0 }
        known[channels.presence[0]] = 1
        known[channels.presence[1]] = Scale.swing * Scale.part
        var variances = constant(channels.slots, Scale.slot * Scale.slot / 3)
        for (j, moments) in channels.moments.enumerated() {
            for (index, channel) in moments.enumerated() {
                let k = index < plan.side || index == 2 * plan.side ? j : plan.strong + j
                variances[channel] = samples.wayPower[k] * Scale.part * Scale.part
            }
        }
        return deviation(known, variances)
    }
}

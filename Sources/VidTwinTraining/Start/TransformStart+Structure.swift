import Glibc
import VidTwin

extension TransformStart {
    /// Q-Former, latent and the decoder's tokens.
    mutating func structure(_ samples: StartingSamples) throws {
        try attention()
        let tag = gates(samples.still)
        latent(tag)
        tokens()
    }

    // MARK: - Q-Former

    private func layer(_ name: String) -> String {
        "temporal_qformer.qformer.encoder.layer.0.\(name)"
    }

    /// Queries are tags; cross-attention puts means over time into channels of their own.
    private mutating func attention() throws {
        let (Q, d, width) = (c.qformer.queries, c.structureChannels, c.qformer.width)
        let tag = (Double(width) / (1 + 1 / Double(Q - 1))).squareRoot()
        weights.clear("temporal_qformer.query_embeds")
        for query in 0..<Q {
            for other in 0..<Q {
                weights["temporal_qformer.query_embeds", query, other] =
                    query == other ? tag : -tag / Double(Q - 1)
            }
        }
        for index in 0..<c.qformer.layers {
            let name = "temporal_qformer.qformer.encoder.layer.\(index)"
            weights.clear("\(name).attention.output.dense.weight")
            weights.clear("\(name).output_query.dense.weight")
            if index % c.qformer.crossAttentionEvery == 0 {
                weights.clear("\(name).crossattention.output.dense.weight")
            }
        }
        let cross = layer("crossattention.attention")
        for part in ["query", "key", "value"] {
            weights.clear("\(cross).\(part).weight")
            weights.clear("\(cross).\(part).bias")
        }
        // Channels that the first block leaves alone take the table of places out.
        let rest = channels.rest
        let tables = places.map { row in rest.map { row[$0] } + [1] }
        let factors = gains.map { Scale.query / $0 }
        let right = (0..<plan.count).map { k in
            places.map { -$0[channels.content[k]] * factors[k] }
        }
        let repairs = try algebra.leastSquares(tables, right, ridge: 1e-6)
        for (k, repair) in repairs.enumerated() {
            weights["\(cross).value.weight", k, channels.content[k]] = factors[k]
            for (channel, value) in zip(rest, repair) {
                weights["\(cross).value.weight", k, channel] = value
            }
            weights["\(cross).value.bias", k] = repair.last ?? 0
            weights[layer("crossattention.output.dense.weight"), Q + d + k, k] = 1
        }
    }

    /// Channels of queries that hold nothing: what a norm subtracts from all.
    private var idle: Range<Int> {
        c.qformer.queries + c.structureChannels + plan.count..<c.qformer.width
    }

    /// Pairs of units a carried number, shut for other queries; they end in channels that all queries
    /// share. Returns a tag's value there, its own and another's.
    private mutating func gates(_ still: [[Double]]) -> (own: Double, other: Double) {
        let (Q, d, width) = (c.qformer.queries, c.structureChannels, c.qformer.width)
        let embedded = (0..<Q).map { weights["temporal_qformer.query_embeds", 0, $0] }
        // After the first norm: a row's own factor, tags made even to what bfloat16 can say.
        let factors = still.map { row -> (shift: Double, factor: Double) in
            let values = embedded + row.map { $0 * Scale.query }
            let mean = values.reduce(0, +) / Double(width)
            let square = values.reduce(0) { $0 + $1 * $1 } / Double(width)
            return (mean, 1 / (square - mean * mean).squareRoot())
        }
        let own = TransformStart.mean(factors.map { (embedded[0] - $0.shift) * $0.factor })
        let other = TransformStart.mean(factors.map { (embedded[1] - $0.shift) * $0.factor })
        let even = TransformStart.even(own) / own
        let (norm, shut) = (layer("crossattention.output.LayerNorm.weight"), Scale.shut)
        for channel in 0..<Q { weights[norm, channel] = even }
        let (hidden, out) = (layer("intermediate_query.dense"), layer("output_query.dense"))
        weights.scale("\(hidden).weight", by: 0.05)
        weights.clear("\(hidden).weight", rows: 0..<4 * Q * d)
        let (tagOwn, tagOther) = (own * even, other * even)
        var power = 0.0
        for (place, k) in plan.carriers.enumerated() {
            let values = zip(still, factors).map { $0[k] * Scale.query * $1.factor }
            let mean = TransformStart.mean(values)
            let reach = (values.map { abs($0 - mean) }.max() ?? 0) / Scale.limit
            let deviation = max(TransformStart.deviation(values), reach, 1e-9)
            power += values.reduce(0) {
                let x = min(max(($1 - mean) / deviation, -Scale.limit), Scale.limit)
                return $0 + x * x / Double(values.count)
            }
            for unit in 0..<4 {
                let (sign, isCut) = (unit & 1 == 0 ? 1.0 : -1, unit >= 2)
                let row = place * 4 + unit
                weights["\(hidden).weight", row, Q + d + k] = sign / deviation
                for channel in idle {
                    weights["\(hidden).weight", row, channel] =
                        -sign / deviation / Double(idle.count)
                }
                weights["\(hidden).weight", row, place / d] = shut
                weights["\(hidden).bias", row] =
                    -sign * mean / deviation - shut * tagOwn - (isCut ? Scale.limit : 0)
                weights["\(out).weight", Q + place % d, row] = sign * Scale.slot * (isCut ? -1 : 1)
            }
        }
        // After the last norm, which the carried numbers hardly move.
        let first = TransformStart.mean(
            zip(still, factors).map { row, factor in
                row.reduce(0) {
                    let x = ($1 * Scale.query - factor.shift) * factor.factor
                    return $0 + x * x
                }
            })
        let tags = tagOwn * tagOwn + Double(Q - 1) * tagOther * tagOther
        let carried = power / Double(Q) * Scale.slot * Scale.slot
        let scale = 1 / ((tags + first + carried) / Double(width)).squareRoot()
        let last = TransformStart.even(tagOwn * scale) / (tagOwn * scale)
        for channel in 0..<Q { weights[layer("output_query.LayerNorm.weight"), channel] = last }
        return (tagOwn * scale * last, tagOther * scale * last)
    }

    /// The nearest number of few digits, which bfloat16 holds.
    private static func even(_ x: Double) -> Double { (x * 4).rounded() / 4 }

    // MARK: - Latent and tokens

    private func sign(_ query: Int) -> Double { query < c.structureChannels ? 1 : -1 }

    /// The tag's offset of a latent, in deviations, as the products make it.
    private mutating func latent(_ tag: (own: Double, other: Double)) {
        let (Q, d) = (c.qformer.queries, c.structureChannels)
        weights.clear("conv_in.weight", rows: 0..<Q + d)
        weights.clear("bottle_down.weight")
        for channel in 0..<Q + d { weights[centre: "conv_in.weight", channel, channel] = 1 }
        for channel in Q..<Q + d {
            for other in idle {
                weights[centre: "conv_in.weight", channel, other] = -1 / Double(idle.count)
            }
        }
        let weight = Double(
            Float(bfloat16: Float(Scale.tag * Scale.latent / (tag.own - tag.other))))
        for j in 0..<d {
            weights[centre: "bottle_down.weight", j, Q + j] = Scale.latent / Scale.slot
            weights["bottle_down.bias", d + j] = -10
        }
        for query in 0..<Q {
            weights[centre: "bottle_down.weight", query % d, query] = sign(query) * weight
        }
        // Where fewer than 2d queries share the channels, another's tag leaves a constant.
        for j in 0..<d where j + d >= Q {
            weights["bottle_down.bias", j] = -weight * tag.other
        }
        let offset = weight * (tag.own - tag.other) / Scale.latent
        structureBack(offset)
    }

    /// The way back: pairs that pass the latent, and a gate a query that is shut (0) where its tag is.
    private mutating func structureBack(_ offset: Double) {
        let (Q, d) = (c.qformer.queries, c.structureChannels)
        weights.clear("bottle_up.0.weight", rows: 0..<2 * d + Q)
        weights.clear("conv_out.weight", rows: 0..<2 * d + Q)
        for j in 0..<d {
            weights[centre: "bottle_up.0.weight", j, j] = 1 / Scale.latent
            weights[centre: "bottle_up.0.weight", d + j, j] = -1 / Scale.latent
        }
        for query in 0..<Q {
            weights[centre: "bottle_up.0.weight", 2 * d + query, query % d] =
                -sign(query) / Scale.latent
            weights["bottle_up.0.bias", 2 * d + query] = Scale.tag / 2
        }
        for channel in 0..<2 * d + Q {
            weights[centre: "conv_out.weight", channel, channel] = 1
        }
        weights.clear("cont_emb.0.weight")
        // A place of the tokens a number; others' content stays below the gate's 0.5.
        let shut = 2 * (Scale.limit + 0.5 + Scale.offset)
        for query in 0..<Q {
            for j in 0..<d {
                let channel = tokenChannels.slots[query * d + j]
                weights["cont_emb.0.weight", channel, j] = Scale.slot
                weights["cont_emb.0.weight", channel, d + j] = -Scale.slot
                weights["cont_emb.0.weight", channel, 2 * d + query] = -shut * Scale.slot
                let own = j == query % d ? sign(query) * offset : 0
                weights["cont_emb.0.bias", channel] = (Scale.offset - own) * Scale.slot
            }
        }
    }

    /// All moments of the decoder's tokens are the mean picture's; a constant says that there is one.
    private mutating func tokens() {
        let (T, Q) = (c.encoder.grid.time, c.qformer.queries)
        for query in 0..<Q {
            for t in 0..<T { weights["cont_emb.2.weight", t, query] = 1 }
        }
        weights["cont_emb.0.bias", tokenChannels.presence[0]] = 1 / Double(Q)
    }
}

extension Float {
    /// The nearest number of bfloat16.
    init(bfloat16 x: Float) {
        let bits = x.bitPattern
        self = Float(bitPattern: (bits &+ 0x7fff &+ (bits >> 16 & 1)) & 0xffff_0000)
    }
}

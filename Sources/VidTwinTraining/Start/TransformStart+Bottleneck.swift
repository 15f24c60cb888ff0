import Glibc
import VidTwin

/// What the Q-Former's heads make of clips: a row a clip and place.
struct PooledContent {
    /// Weights of moments in each window, `[windows][T]`.
    let windows: [[Double]]
    /// Functionals of a token's labels by which a window's keys are made: the moment, and its square.
    let keys: [[Double]]
    /// The still coefficients' means over time, then each window's means of those that move.
    var rows: [[Double]] = []
}

extension TransformStart {
    /// Heads that average over the whole clip; the others have windows.
    private var stillHeads: Int { (plan.count - plan.moving + headSize - 1) / headSize }
    private var headSize: Int { c.qformer.width / c.qformer.heads }
    private var windowWidth: Double { Scale.window / halfClip }

    private func centre(_ window: Int, of count: Int) -> Double {
        0.93 * (count == 1 ? 0 : Double(2 * window) / Double(count - 1) - 1)
    }

    /// Windows and contents over a set of clips.
    func samples(_ clips: [Tensor]) throws -> PooledContent {
        let T = c.encoder.grid.time
        let labels = centred(try labelsAfterBlock())
        let targets = times.map { time in time.map { $0 - TransformStart.mean(time) } }
        let keys = try algebra.leastSquares(labels, targets, ridge: 1e-3)
        let count = c.qformer.heads - stillHeads
        let span = windowWidth * windowWidth
        let windows = (0..<count).map { window -> [Double] in
            let at = centre(window, of: count)
            let logits = labels.map { (2 * at * dot($0, keys[0]) - dot($0, keys[1])) / span }
            let shares = logits.map { exp($0 - (logits.max() ?? 0)) }
            let sum = shares.reduce(0, +)
            return shares.map { $0 / sum }
        }
        var pooled = PooledContent(windows: windows, keys: keys)
        for clip in clips {
            let all = basis.coefficients(TransformStart.patches(clip, c))
            let S = places.count
            for place in 0..<S {
                var row: [Double] = []
                for k in plan.moving..<plan.count {
                    row.append((0..<T).reduce(0) { $0 + all[k][$1 * S + place] } / Double(T))
                }
                for window in windows {
                    for k in 0..<plan.moving {
                        row.append((0..<T).reduce(0) { $0 + window[$1] * all[k][$1 * S + place] })
                    }
                }
                pooled.rows.append(row)
            }
        }
        return pooled
    }

    /// Q-Former, latent and the decoder's tokens.
    mutating func bottleneck(_ pooled: PooledContent) throws {
        try attention(pooled)
        let tag = try gates(pooled)
        latent(tag)
        tokens()
        dynamics()
    }

    // MARK: - Q-Former

    private func layer(_ name: String) -> String {
        "temporal_qformer.qformer.encoder.layer.0.\(name)"
    }

    /// Queries are tags; cross-attention puts every head's averages into channels of their own.
    private mutating func attention(_ pooled: PooledContent) throws {
        let (Q, width, size) = (c.qformer.queries, c.qformer.width, headSize)
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
        let (root, span) = (Double(size).squareRoot(), windowWidth * windowWidth)
        var column = Q + c.structureChannels
        for head in 0..<c.qformer.heads {
            for (index, label) in labels.enumerated() {
                weights["\(cross).key.weight", head * size, label] = pooled.keys[0][index]
                weights["\(cross).key.weight", head * size + 1, label] = pooled.keys[1][index]
            }
            if head >= stillHeads {
                let at = centre(head - stillHeads, of: pooled.windows.count)
                weights["\(cross).query.bias", head * size] = 2 * at / span * root
                weights["\(cross).query.bias", head * size + 1] = -1 / span * root
            }
            for (index, k) in coefficients(of: head).enumerated() {
                let row = head * size + index
                let factor = Scale.query / Scale.embedding
                weights["\(cross).value.weight", row, content[k]] = factor
                // Spare channels take the table of places out.
                let right = places.map { -$0[content[k]] * factor }
                let repair = try algebra.leastSquares(
                    places.map { row in spare.map { row[$0] } + [1] }, [right], ridge: 1e-6)[0]
                for (channel, value) in zip(spare, repair) {
                    weights["\(cross).value.weight", row, channel] = value
                }
                weights["\(cross).value.bias", row] = repair.last ?? 0
                weights[layer("crossattention.output.dense.weight"), column, row] = 1
                column += 1
            }
        }
    }

    /// The coefficients that a head averages.
    private func coefficients(of head: Int) -> Range<Int> {
        if head >= stillHeads { return 0..<plan.moving }
        let first = plan.moving + head * headSize
        return first..<min(first + headSize, plan.count)
    }

    /// Pairs of units a carried number, shut for other queries; they end in channels that all queries
    /// share. Returns a tag's value there, its own and another's.
    private mutating func gates(
        _ pooled: PooledContent
    ) throws -> (own: Double, other: Double) {
        let (Q, d, width) = (c.qformer.queries, c.structureChannels, c.qformer.width)
        let embedded = (0..<Q).map { weights["temporal_qformer.query_embeds", 0, $0] }
        // After the first norm: a row's own factor, tags made even to what bfloat16 can say.
        let factors = pooled.rows.map { row -> (shift: Double, factor: Double) in
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
        var squares = [Double](repeating: 0, count: Q)
        for (query, carrier) in plan.carriers.enumerated() {
            let dual = try dual(carrier, pooled)
            for j in 0..<d {
                let functional = columns(carrier.first + j, dual)
                let values = zip(pooled.rows, factors).map { row, factor in
                    functional.reduce(0) {
                        $0 + (row[$1.0] * Scale.query - factor.shift) * $1.1 * factor.factor
                    }
                }
                let mean = TransformStart.mean(values)
                let sizes = values.map { abs($0 - mean) }.sorted()
                let reach = sizes[Int(Scale.quantile * Double(sizes.count - 1))] / Scale.limit
                let deviation = max(TransformStart.deviation(values), reach, 1e-9)
                squares[query] +=
                    values.reduce(0) {
                        let x = min(max(($1 - mean) / deviation, -Scale.limit), Scale.limit)
                        return $0 + x * x
                    } / Double(values.count)
                for unit in 0..<4 {
                    let (sign, isCut) = (unit & 1 == 0 ? 1.0 : -1, unit >= 2)
                    let row = (query * d + j) * 4 + unit
                    for (column, weight) in functional {
                        weights["\(hidden).weight", row, Q + d + column] =
                            sign * weight / deviation
                    }
                    weights["\(hidden).weight", row, query] = shut
                    weights["\(hidden).bias", row] =
                        -sign * mean / deviation - shut * tagOwn - (isCut ? Scale.limit : 0)
                    weights["\(out).weight", Q + j, row] = sign * Scale.slot * (isCut ? -1 : 1)
                }
            }
        }
        // After the last norm, which the carried numbers hardly move.
        let first = TransformStart.mean(
            zip(pooled.rows, factors).map { row, factor in
                row.reduce(0) {
                    let x = ($1 * Scale.query - factor.shift) * factor.factor
                    return $0 + x * x
                }
            })
        let tags = tagOwn * tagOwn + Double(Q - 1) * tagOther * tagOther
        let carried = TransformStart.mean(squares) * Scale.slot * Scale.slot
        let scale = 1 / ((tags + first + carried) / Double(width)).squareRoot()
        let last = TransformStart.even(tagOwn * scale) / (tagOwn * scale)
        for channel in 0..<Q { weights[layer("output_query.LayerNorm.weight"), channel] = last }
        return (tagOwn * scale * last, tagOther * scale * last)
    }

    /// The nearest number of few digits, which bfloat16 holds.
    private static func even(_ x: Double) -> Double { (x * 4).rounded() / 4 }

    /// What windows count for a carrier's number: least squares over time, as far as windows reach.
    private func dual(_ carrier: TransformPlan.Carrier, _ pooled: PooledContent) throws -> [Double]
    {
        if carrier.knots == 1 { return [] }
        let T = c.encoder.grid.time
        let hats = TransformPlan.hats(carrier.knots, frames: T)
        let identity = (0..<T).map { t in (0..<T).map { $0 == t ? 1.0 : 0 } }
        let exact = try algebra.leastSquares(hats, identity, ridge: 1e-6)
            .map { $0[carrier.knot] }
        let rows = (0..<T).map { t in pooled.windows.map { $0[t] } }
        return try algebra.leastSquares(rows, [exact], ridge: 1e-3)[0]
    }

    /// Where the content of a coefficient stands among a row's columns, with its weights.
    private func columns(_ k: Int, _ dual: [Double]) -> [(Int, Double)] {
        if dual.isEmpty { return [(k - plan.moving, 1 / Scale.query)] }
        let still = plan.count - plan.moving
        return dual.enumerated().map { (still + $0 * plan.moving + k, $1 / Scale.query) }
    }

    // MARK: - Latent and tokens

    private func sign(_ query: Int) -> Double { query < c.structureChannels ? 1 : -1 }

    /// The tag's offset of a latent, in deviations, as the products make it.
    private mutating func latent(_ tag: (own: Double, other: Double)) {
        let (Q, d) = (c.qformer.queries, c.structureChannels)
        weights.clear("conv_in.weight", rows: 0..<Q + d)
        weights.clear("bottle_down.weight")
        for channel in 0..<Q + d { weights[centre: "conv_in.weight", channel, channel] = 1 }
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
        // A place of the tokens a number; others' content stays below the gate's 0.5.
        let shut = 2 * (Scale.limit + 0.5 + Scale.offset)
        for query in 0..<Q {
            for j in 0..<d {
                let channel = slots[query * d + j]
                weights.clear("cont_emb.0.weight", rows: channel..<channel + 1)
                weights["cont_emb.0.weight", channel, j] = Scale.slot
                weights["cont_emb.0.weight", channel, d + j] = -Scale.slot
                weights["cont_emb.0.weight", channel, 2 * d + query] = -shut * Scale.slot
                let own = j == query % d ? sign(query) * offset : 0
                weights["cont_emb.0.bias", channel] = (Scale.offset - own) * Scale.slot
            }
        }
    }

    private var tokenChannels: [Int] { TransformStart.flattest(places) }
    private var slots: [Int] {
        Array(tokenChannels.prefix(c.qformer.queries * c.structureChannels))
    }

    /// Moments of the decoder's tokens from those of the queries, and constants beside them.
    private mutating func tokens() {
        let T = c.encoder.grid.time
        let first = slots.count + 2 * c.dynamicsChannels
        weights.clear("cont_emb.2.weight")
        var sum = 0.0
        for (query, carrier) in plan.carriers.enumerated() {
            let hats = TransformPlan.hats(carrier.knots, frames: T)
            sum += hats[0][carrier.knot]
            for t in 0..<T {
                weights["cont_emb.2.weight", t, query] = hats[t][carrier.knot]
                weights["cont_emb.2.bias", t] = 0.02
            }
        }
        for channel in tokenChannels[first..<first + Scale.constants] {
            weights.clear("cont_emb.0.weight", rows: channel..<channel + 1)
            weights["cont_emb.0.bias", channel] = Scale.constant / max(sum, 1)
        }
    }

    /// Dynamics: what moves, without offset, so that none is silence.
    private mutating func dynamics() {
        let d = c.dynamicsChannels
        weights.clear("motion_head.weight", rows: 0..<d)
        let factor = Scale.latent * 2 / 0.08 / Scale.embedding
        for j in 0..<d {
            weights[centre: "motion_head.weight", j, moving[j]] = factor
            weights["motion_head.bias", d + j] = -10
            // The neighbourhood that was taken away had the moments' table in it: its mean is put back.
            weights["motion_head.bias", j] =
                factor * TransformStart.mean(moments.map { $0[moving[j]] })
            for unit in 0..<2 {
                let (row, sign) = (2 * j + unit, unit == 0 ? 1.0 : -1)
                weights.clear("motion_emb.0.weight", rows: row..<row + 1)
                weights["motion_emb.0.weight", row, j] = sign / (Scale.latent * 2)
                let channel = tokenChannels[slots.count + row]
                weights.clear("motion_emb.2.weight", rows: channel..<channel + 1)
                for other in 0..<c.encoder.width { weights["motion_emb.2.weight", other, row] = 0 }
                weights["motion_emb.2.weight", channel, row] = Scale.slot
            }
        }
    }
}

extension Float {
    /// The nearest number of bfloat16.
    fileprivate init(bfloat16 x: Float) {
        let bits = x.bitPattern
        self = Float(bitPattern: (bits &+ 0x7fff &+ (bits >> 16 & 1)) & 0xffff_0000)
    }
}

/// One spatio-temporal block (reference: vidtwin/modules/st_transformer.py @d6ad92d, `STBlock`).
///
///     h₁ = x  + g₁ · SpatialAttention( (1 + γ₁) · LN(x) + β₁ )
///     h₂ = h₁ + g₁ · TemporalAttention( h₁ + position in time, in the first block )
///     y  = h₂ + g₂ · MLP( (1 + γ₂) · LN(h₂) + β₂ )
///
/// Reference: `g₁` serves both attentions, and the temporal input is not normalised.
/// Reference: without flash-attention it forgets the causal mask; here it is always applied.
package struct STBlock {
    let spatial, temporal: SelfAttention
    let mlp: MLP
    let attentionModulation, mlpModulation: Modulation

    package init(_ weights: Weights, _ configuration: TransformerConfiguration) {
        let (width, heads) = (configuration.width, configuration.heads)
        spatial = SelfAttention(weights / "attn", width: width, heads: heads, over: .space)
        temporal = SelfAttention(
            weights / "attn_temp", width: width, heads: heads, over: .time,
            causal: configuration.causal)
        mlp = MLP(weights / "mlp", width: width, hidden: configuration.hidden)
        let table = weights("scale_shift_table", [6, width])
        attentionModulation = Modulation(table, from: 0)
        mlpModulation = Modulation(table, from: 3)
    }

    /// `[B, T, S, C] -> [B, T, S, C]`; `positions` `[1, T, C]` only in the first block.
    package func callAsFunction(_ x: Tensor, positions: Parameter?) -> Tensor {
        steps(positions).reduce(x) { x, step in fused(x, as: step.formula, fast: step.fast) }
    }

    /// A step of the block: its formula, of small ops, and the one op that computes it faster.
    package struct Step {
        package let name: String
        package let formula, fast: (Tensor) -> Tensor
    }

    /// h₁, h₂ and y, each of the one before.
    package func steps(_ positions: Parameter?) -> [Step] {
        let (a, f) = (attentionModulation, mlpModulation)
        return [
            Step(name: "spatial attention") { x in
                gatedResidual(
                    x, gate: a.gate,
                    spatial(modulatedLayerNorm(x, shift: a.shift, scale: a.scale)))
            } fast: { x in
                spatialBranch(
                    x, shift: a.shift, scale: a.scale, gate: a.gate, qkv: spatial.qkv.branch,
                    projection: spatial.projection.branch, heads: spatial.heads)
            },
            Step(name: "temporal attention") { h1 in
                let input = positions.map { add(h1, $0, along: .time) } ?? h1
                return gatedResidual(h1, gate: a.gate, temporal(input))
            } fast: { h1 in
                temporalBranch(
                    h1, gate: a.gate, qkv: temporal.qkv.branch,
                    projection: temporal.projection.branch, heads: temporal.heads,
                    causal: temporal.causal, positions: positions)
            },
            Step(name: "MLP") { h2 in
                gatedResidual(
                    h2, gate: f.gate, mlp(modulatedLayerNorm(h2, shift: f.shift, scale: f.scale)))
            } fast: { h2 in
                mlpBranch(
                    h2, shift: f.shift, scale: f.scale, gate: f.gate, fc1: mlp.fc1.branch,
                    fc2: mlp.fc2.branch)
            },
        ]
    }
}

/// Position tables and blocks, the same in encoder and decoder.
package struct Trunk {
    let spacePositions: Parameter  // [1, S, C], a 2-D sin-cos table
    let timePositions: Parameter  // [1, T, C], a sin-cos table
    let blocks: [STBlock]

    init(_ weights: Weights, _ configuration: TransformerConfiguration) {
        let (T, S) = (configuration.grid.time, configuration.grid.positions)
        spacePositions = weights("pos_embed", [1, S, configuration.width])
        timePositions = weights("pos_embed_temporal", [1, T, configuration.width])
        blocks = (0..<configuration.depth).map {
            STBlock((weights / "blocks" / $0).quantisable, configuration)
        }
    }

    /// `[B, T, S, C] -> [B, T, S, C]`
    package func callAsFunction(_ x: Tensor) -> Tensor {
        var x = add(x, spacePositions, along: .space)
        for (index, block) in blocks.enumerated() {
            x = recomputed(x) { block($0, positions: index == 0 ? timePositions : nil) }
        }
        return x
    }
}

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

    init(_ weights: Weights, _ configuration: TransformerConfiguration) {
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
        let (a, f) = (attentionModulation, mlpModulation)
        let h1 = fused(
            x,
            as: {
                gatedResidual(
                    $0, gate: a.gate,
                    spatial(modulatedLayerNorm($0, shift: a.shift, scale: a.scale)))
            }, fast: { spatialBranch($0, a, spatial) })
        let h2 = fused(
            h1,
            as: { h1 in
                let input = positions.map { add(h1, $0, along: .time) } ?? h1
                return gatedResidual(h1, gate: a.gate, temporal(input))
            }, fast: { temporalBranch($0, a, temporal, positions: positions) })
        return fused(
            h2,
            as: {
                gatedResidual(
                    $0, gate: f.gate, mlp(modulatedLayerNorm($0, shift: f.shift, scale: f.scale)))
            }, fast: { mlpBranch($0, f, mlp) })
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

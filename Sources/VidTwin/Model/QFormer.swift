import VidTwinKernels

/// Learned queries that gather a position's tokens through time (BLIP-2's Q-Former, query branch
/// only; reference: vidtwin/modules/qformer.py @d6ad92d).
package struct QFormer {
    let queries: Parameter  // [Q, c]
    let norm: LayerNorm
    let layers: [QFormerLayer]

    init(_ weights: Weights, _ configuration: QFormerConfiguration) {
        queries = weights("query_embeds", [configuration.queries, configuration.width])
        let inner = weights / "qformer"
        norm = LayerNorm(inner / "layernorm", width: configuration.width, eps: QFormer.eps)
        layers = (0..<configuration.layers).map {
            QFormerLayer(
                inner / "encoder" / "layer" / $0, configuration,
                cross: $0 % configuration.crossAttentionEvery == 0)
        }
    }

    /// `[B, T, S, C] -> [B·S, Q, c]`
    package func callAsFunction(_ context: Tensor, _ dropout: Dropout? = nil) -> Tensor {
        let (B, _, S, _) = context.shape4
        let start = norm(tensor(of: queries, beside: context))
        guard let first = layers.first else {
            return dropped(repeated(start, groups: B * S), dropout, Dropout.inputSite)
        }
        var x: Tensor
        if let dropout {  // every position drops others
            x = dropped(repeated(start, groups: B * S), dropout, Dropout.inputSite)
            x = first(x, context, dropout.layer(0))
        } else {
            // What the first layer does among the queries depends on no input: once for all positions.
            x = first.gather(repeated(first.attention(start), groups: B * S), context)
        }
        for (index, layer) in layers.enumerated().dropFirst() {
            x = layer(x, context, dropout?.layer(index))
        }
        return x
    }

    static let eps: Float = 1e-12
}

/// Self-attention among the queries, cross-attention to the context in some layers, an MLP;
/// each followed by a norm of the sum with its input.
package struct QFormerLayer {
    let attention: QFormerAttention
    let cross: QFormerAttention?
    let intermediate, output: Linear
    let norm: LayerNorm

    package init(
        _ weights: Weights, _ configuration: QFormerConfiguration, cross hasCross: Bool
    ) {
        let (width, heads) = (configuration.width, configuration.heads)
        attention = QFormerAttention(
            weights / "attention", width: width, context: width, heads: heads)
        cross =
            hasCross
            ? QFormerAttention(
                weights / "crossattention", width: width, context: configuration.contextWidth,
                heads: heads) : nil
        intermediate = Linear(
            weights / "intermediate_query" / "dense", width, configuration.hidden,
            activation: .geluErf)
        output = Linear(weights / "output_query" / "dense", configuration.hidden, width)
        norm = LayerNorm(weights / "output_query" / "LayerNorm", width: width, eps: QFormer.eps)
    }

    /// x `[B·S, Q, c]`, context `[B, T, S, C] -> [B·S, Q, c]`
    package func callAsFunction(
        _ x: Tensor, _ context: Tensor, _ dropout: Dropout.Layer? = nil
    ) -> Tensor {
        gather(attention(x, dropout), context, dropout)
    }

    /// What follows the attention among the queries; shapes as above.
    func gather(_ x: Tensor, _ context: Tensor, _ dropout: Dropout.Layer? = nil) -> Tensor {
        var x = x
        if let cross { x = cross(x, context: context, dropout) }
        return norm(dropped(output(intermediate(x)), dropout, .output), adding: x)
    }
}

/// Attention with separate projections and a post-norm.
package struct QFormerAttention {
    let query, key, value, output: Linear
    let norm: LayerNorm
    let heads: Int

    init(_ weights: Weights, width: Int, context: Int, heads: Int) {
        let inner = weights / "attention"
        query = Linear(inner / "query", width, width)
        key = Linear(inner / "key", context, width)
        value = Linear(inner / "value", context, width)
        output = Linear(weights / "output" / "dense", width, width)
        norm = LayerNorm(weights / "output" / "LayerNorm", width: width, eps: QFormer.eps)
        self.heads = heads
    }

    /// Among the queries of a position: `[N, Q, c] -> [N, Q, c]`
    package func callAsFunction(_ x: Tensor, _ dropout: Dropout.Layer? = nil) -> Tensor {
        let keep = dropout?.mask([x.dim(0), heads, x.dim(1), x.dim(1)], .selfProbabilities, on: x)
        let gathered = groupAttention(query(x), key(x), value(x), heads: heads, keep: keep)
        return norm(dropped(output(gathered), dropout, .selfOutput), adding: x)
    }

    /// From the queries of a position to its tokens through time:
    /// x `[B·S, Q, c]`, context `[B, T, S, C] -> [B·S, Q, c]`
    package func callAsFunction(
        _ x: Tensor, context: Tensor, _ dropout: Dropout.Layer? = nil
    ) -> Tensor {
        let keep = dropout?.mask(
            [x.dim(0), heads, x.dim(1), context.dim(1)], .crossProbabilities, on: x)
        let gathered = crossAttention(
            query(x), key(context), value(context), heads: heads, keep: keep)
        return norm(dropped(output(gathered), dropout, .crossOutput), adding: x)
    }
}

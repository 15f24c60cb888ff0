package import VidTwin

/// Weights to start from scratch with, distributed as the reference's are, reproducible by a seed:
/// element i of a name is made of word i of the counter (`Philox.Site.weights`, hash of the name).
///
/// Reference: `initialize_weights` of st_transformer.py, qformer.py and discriminator.py @d6ad92d;
/// what they leave alone keeps PyTorch's own distribution, uniform within 1/√(fan in).
package struct InitialWeights: WeightSource {
    package let path: String
    package let shapes: [String: [Int]]
    private let random: Philox
    private let logVariance: Float
    private let tables: [String: [Double]]

    /// Weights of these names and shapes, the discriminator's as `loss.discriminator.main.N.*`;
    /// `loss.logvar` starts at `logVariance`.
    package init(
        _ shapes: [String: [Int]], configuration: Configuration, seed: UInt64, logVariance: Double
    ) {
        self.shapes = shapes
        random = Philox(seed: seed)
        path = "initial weights, seed \(seed)"
        self.logVariance = Float(logVariance)
        var tables: [String: [Double]] = [:]
        for (part, transformer) in [
            ("encoder", configuration.encoder), ("decoder", configuration.decoder),
        ] {
            let (grid, width) = (transformer.grid, transformer.width)
            tables["\(part).pos_embed"] = PositionTable.space(
                width, rows: grid.rows, columns: grid.columns)
            tables["\(part).pos_embed_temporal"] = PositionTable.time(width, frames: grid.time)
        }
        self.tables = tables
    }

    /// How the values of a weight are distributed.
    package enum Distribution: Equatable {
        case constant(Double)
        case uniform(Double)
        case normal(mean: Double, deviation: Double)
        /// A position table.
        case table
    }

    package func read(_ name: String, into destination: UnsafeMutableBufferPointer<Float>) {
        guard let base = destination.baseAddress else { return }
        let range = 0..<destination.count
        let clip = InitialWeights.hash(name)
        switch distribution(name) {
        case .constant(let value): destination.update(repeating: Float(value))
        case .table:
            for (i, value) in (tables[name] ?? []).enumerated() where range.contains(i) {
                destination[i] = Float(value)
            }
        case .uniform(let bound):
            random.uniforms(
                range, bound: bound, site: Philox.Site.weights, clip: clip, batch: 0, into: base)
        case .normal(let mean, let deviation):
            random.normals(range, site: Philox.Site.weights, clip: clip, batch: 0, into: base)
            for i in range { base[i] = Float(mean + deviation * Double(base[i])) }
        }
    }

    /// FNV-1a of a name.
    private static func hash(_ name: String) -> UInt32 {
        name.utf8.reduce(0x811c_9dc5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
    }

    /// What a name starts as.
    package func distribution(_ name: String) -> Distribution {
        let (parts, shape) = (name.split(separator: "."), shapes[name] ?? [])
        if parts.last?.hasPrefix("pos_embed") ?? false { return .table }
        switch parts.first {
        case "encoder", "decoder": return transformer(name, parts, shape)
        case "temporal_qformer": return qformer(name, shape)
        case "loss": return loss(name, shape)
        default: return byDefault(name)
        }
    }

    private func transformer(
        _ name: String, _ parts: [Substring], _ shape: [Int]
    ) -> Distribution {
        if name.hasSuffix("scale_shift_table") {
            return .normal(mean: 0, deviation: 1 / Double(max(shape.last ?? 1, 1)).squareRoot())
        }
        if name.contains(".x_embedder.") {
            return name.hasSuffix("weight") ? xavier(shape) : byDefault(name)
        }
        if name.contains(".final_layer.") {
            // Reference: the decoder's is made anew after the zeroing, so it is not zero.
            return parts.first == "decoder" ? byDefault(name) : .constant(0)
        }
        if name.hasSuffix("bias") || name.hasSuffix("attn_temp.proj.weight") { return .constant(0) }
        return xavier(shape)
    }

    private func qformer(_ name: String, _ shape: [Int]) -> Distribution {
        if name.hasSuffix("query_embeds") { return .normal(mean: 0, deviation: 1) }
        if name.hasSuffix("bias") { return .constant(0) }
        return shape.count == 1 ? .constant(1) : .normal(mean: 0, deviation: 0.02)
    }

    private func loss(_ name: String, _ shape: [Int]) -> Distribution {
        if name == "loss.logvar" { return .constant(Double(logVariance)) }
        if name.hasSuffix("running_var") { return .constant(1) }
        if name.hasSuffix("running_mean") || name.hasSuffix("num_batches_tracked") {
            return .constant(0)
        }
        if name.hasSuffix("weight") {
            return .normal(mean: shape.count == 1 ? 1 : 0, deviation: 0.02)
        }
        // The bias of a norm, or of a convolution.
        let weight = shapes[String(name.dropLast("bias".count)) + "weight"] ?? []
        return weight.count == 1 ? .constant(0) : byDefault(name)
    }

    /// Xavier's, with everything behind the first axis as inputs.
    private func xavier(_ shape: [Int]) -> Distribution {
        let (outputs, inputs) = (shape.first ?? 1, shape.dropFirst().reduce(1, *))
        return .uniform((6 / Double(inputs + outputs)).squareRoot())
    }

    /// PyTorch's own for linear layers and convolutions, weight and bias.
    private func byDefault(_ name: String) -> Distribution {
        let weight =
            name.hasSuffix("bias") ? String(name.dropLast("bias".count)) + "weight" : name
        let inputs = (shapes[weight] ?? []).dropFirst().reduce(1, *)
        return .uniform(1 / Double(max(inputs, 1)).squareRoot())
    }
}

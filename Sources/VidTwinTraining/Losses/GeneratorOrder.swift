package import VidTwin

/// The order of the generator's parameters, which numbers its optimizer's state: encoder, decoder, then
/// the latents' heads as the reference lists them (vidtwin_ae.py @d6ad92d, `get_params`).
package enum GeneratorOrder {
    private static let tops = [
        "encoder", "decoder", "temporal_qformer", "cont_emb", "conv_in",
        "content_downsample_blocks", "bottle_down", "bottle_up", "conv_out",
        "content_upsample_blocks", "motion_emb", "motion_head", "downsample_motion_module",
        "up_motion",
    ]
    private static let insideTransformer = ["x_embedder", "blocks", "final_layer"]
    private static let insideBlock = ["scale_shift_table", "attn", "mlp", "attn_temp"]
    /// In the order of the list. Within a block's part and within a head, the order in which the layers
    /// ask for them is the reference's.
    package static func sorted(_ parameters: [Parameter]) -> [Parameter] {
        parameters.enumerated().sorted { a, b in
            let (x, y) = (key(a.element.name), key(b.element.name))
            return x == y ? a.offset < b.offset : x.lexicographicallyPrecedes(y)
        }.map(\.element)
    }

    private static func key(_ name: String) -> [Int] {
        let parts = name.split(separator: ".").map(String.init)
        let key = [tops.firstIndex(of: parts[0]) ?? tops.count]
        guard parts[0] == "encoder" || parts[0] == "decoder", parts.count > 2 else { return key }
        let inside = key + [insideTransformer.firstIndex(of: parts[1]) ?? 0]
        guard parts[1] == "blocks", parts.count > 3 else { return inside }
        return inside + [Int(parts[2]) ?? 0, insideBlock.firstIndex(of: parts[3]) ?? 0]
    }
}

extension Objective {
    /// Parameters that the reference's model has and never uses: in the optimizer's list, without a
    /// gradient ever.
    static func unusedParameters(
        _ weights: Weights, _ configuration: Configuration
    ) -> [Parameter] {
        let (C, patch) = (configuration.encoder.width, configuration.encoder.patch)
        let end = weights / "encoder" / "final_layer"
        let start = weights / "decoder" / "x_embedder" / "proj"
        return [
            end("scale_shift_table", [2, C]), (end / "linear")("weight", [patch.pixels * 3, C]),
            (end / "linear")("bias", [patch.pixels * 3]),
            start(
                "weight",
                [configuration.decoder.width, 3, patch.time, patch.height, patch.width]),
            start("bias", [configuration.decoder.width]),
        ]
    }
}

/// The names of a run's terms, in the order in which they are written.
package enum TermNames {
    /// Of a training batch; the reference's, then ours.
    package static let training = [
        "aeloss", "discloss", "total_loss", "logvar", "nll_loss", "rec_loss", "p_loss", "kl_loss",
        "d_weight", "disc_factor", "g_loss", "disc_loss", "logits_real", "logits_fake",
        "non_saturated_d_loss", "lecam_loss", "grad_norm_g", "grad_norm_d", "clips_per_second",
        "wait_for_data", "peak_memory",
    ]

    /// Of those, what the reference does not log.
    package static let ours: Set = [
        "grad_norm_g", "grad_norm_d", "clips_per_second", "wait_for_data", "peak_memory",
    ]

    /// Of a validation.
    package static let validation = [
        "total_loss", "logvar", "nll_loss", "rec_loss", "p_loss", "kl_loss", "d_weight",
        "disc_factor", "g_loss", "disc_loss", "logits_real", "logits_fake",
        "non_saturated_d_loss", "psnr", "ssim",
    ]

    /// Terms in their order, with what stands before their names.
    static func ordered(
        _ terms: [String: Double], _ names: [String], prefix: String
    ) -> [(String, Double)] {
        names.compactMap { name in terms[name].map { (prefix + name, $0) } }
    }
}

import CDNNL

/// The form in which the weights of a product are held, and its activations are multiplied.
package enum WeightFormat: String, Sendable, CaseIterable {
    case float32, bfloat16
    /// Weights symmetric by output, activations by row with a zero of their own; sums are exact.
    case int8
}

/// What this CPU's products can do, as oneDNN sees it (`ONEDNN_MAX_CPU_ISA` caps that).
package enum ProductSupport {
    private static let isa = dnnl_get_effective_cpu_isa().rawValue

    private static func has(_ level: dnnl_cpu_isa_t) -> Bool {
        isa & level.rawValue == level.rawValue
    }

    /// oneDNN multiplies bfloat16, if need be by way of float32; elsewhere weights are widened.
    package static let multipliesBFloat16 =
        has(dnnl_cpu_isa_avx512_core) && ProductLibrary.shared.isRightInBFloat16()

    /// The CPU has instructions for bfloat16: twice the rate of float32.
    package static let hasBFloat16 = has(dnnl_cpu_isa_avx512_core_bf16) && multipliesBFloat16

    /// The CPU sums four products of bytes in 32 bits. Without that, pairs are summed in 16 bits,
    /// which hold two products of 127 by 127, not of 255 by 127.
    package static let hasVNNI = has(dnnl_cpu_isa_avx512_core_vnni)

    /// The largest value of a quantised activation.
    package static let activationLevels: Int32 = hasVNNI ? 255 : 127

    /// The version of the library that is loaded.
    package static var version: String {
        guard let version = dnnl_version()?.pointee else { return "unknown" }
        return "\(version.major).\(version.minor).\(version.patch)"
    }

    /// The level's name, as oneDNN's own variable has it.
    package static var name: String {
        for (level, name) in [
            (dnnl_cpu_isa_avx512_core_amx, "AVX512_CORE_AMX"),
            (dnnl_cpu_isa_avx512_core_bf16, "AVX512_CORE_BF16"),
            (dnnl_cpu_isa_avx512_core_vnni, "AVX512_CORE_VNNI"),
            (dnnl_cpu_isa_avx512_core, "AVX512_CORE"), (dnnl_cpu_isa_avx2_vnni, "AVX2_VNNI"),
            (dnnl_cpu_isa_avx2, "AVX2"), (dnnl_cpu_isa_avx, "AVX"),
            (dnnl_cpu_isa_sse41, "SSE41"),
        ] where has(level) {
            return name
        }
        return "unknown"
    }
}

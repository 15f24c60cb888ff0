import CDNNL

// What this CPU's products can do, as oneDNN sees it (`ONEDNN_MAX_CPU_ISA` caps that).
extension OneDNNProducts {
    var title: String {
        guard let version = dnnl_version()?.pointee else { return "oneDNN" }
        return "oneDNN \(version.major).\(version.minor).\(version.patch)"
    }

    var level: String {
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

    private func has(_ level: dnnl_cpu_isa_t) -> Bool {
        dnnl_get_effective_cpu_isa().rawValue & level.rawValue == level.rawValue
    }

    var multipliesBFloat16: Bool { has(dnnl_cpu_isa_avx512_core) && isRightInBFloat16() }
    var hasBFloat16: Bool { has(dnnl_cpu_isa_avx512_core_bf16) }
    var hasVNNI: Bool { has(dnnl_cpu_isa_avx512_core_vnni) }
    var activationLevels: Int32 { hasVNNI ? 255 : 127 }

    /// Multiplies one small matrix of bfloat16, so that a library that cannot do what it should on
    /// this CPU is not asked to: whole numbers, whose sums are exact.
    private func isRightInBFloat16() -> Bool {
        let (rows, inputs, outputs) = (33, 96, 80)
        let shape = ProductShape(
            inputs: inputs, outputs: outputs, source: .bfloat16, weights: .bfloat16)
        let key = ProductKey(
            rows: rows, shape: shape, destination: .float32, bias: false, activation: .none)
        func value(_ i: Int) -> Float { Float(i * 7 % 11 - 5) }
        let x = (0..<rows * inputs).map { UInt16(value($0).bitPattern >> 16) }
        let w = (0..<outputs * inputs).map(value)
        guard let layout = try? layout(shape), let product = try? product(key),
            let plain = try? OneDNNLayout.plain([outputs, inputs], .float32),
            let packed = AlignedBuffer(count: layout.byteCount / 4 + 1),
            (try? reorder(w, plain, into: packed.pointer, as: layout)) != nil
        else { return false }
        var y = [Float](repeating: .nan, count: rows * outputs)
        guard (try? product.call().run(x, packed.pointer, nil, &y, Workspace())) != nil else {
            return false
        }
        return y.indices.allSatisfy { at in
            let (r, o) = (at / outputs, at % outputs)
            return y[at]
                == (0..<inputs).reduce(Float(0)) {
                    $0 + value(r * inputs + $1) * value(o * inputs + $1)
                }
        }
    }
}

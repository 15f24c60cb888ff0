package import CVidTwinKernels
import Glibc

/// The CPU levels the inner loops are compiled for.
package enum CPULevel: String, CaseIterable, Comparable, Sendable {
    case baseline, avx2, avx512

    /// The kernels of this level, or nil where the CPU or the build lacks it.
    package var kernels: vt_kernels? {
        let level: vt_cpu_level =
            switch self {
            case .baseline: VT_CPU_BASELINE
            case .avx2: VT_CPU_AVX2
            case .avx512: VT_CPU_AVX512
            }
        return vt_kernels_at(level)?.pointee
    }

    package static func < (a: CPULevel, b: CPULevel) -> Bool {
        (allCases.firstIndex(of: a) ?? 0) < (allCases.firstIndex(of: b) ?? 0)
    }

    /// The levels that this machine can run, lowest first.
    package static var available: [CPULevel] { allCases.filter { $0.kernels != nil } }

    /// The level in use: the highest available one, capped by `VIDTWIN_CPU` (a level's name).
    package static let current: CPULevel = {
        let highest = available.last ?? .baseline
        guard let name = getenv("VIDTWIN_CPU").map({ String(cString: $0) }),
            let cap = CPULevel(rawValue: name)
        else { return highest }
        return min(cap, highest)
    }()
}

/// The kernels of the level in use (`CPULevel.current`): A table of constant function pointers: nothing in it ever changes.
package nonisolated(unsafe) let kernels: vt_kernels =
    CPULevel.current.kernels ?? vt_kernels_at(VT_CPU_BASELINE).pointee

import Glibc

/// PyTorch's CPU random numbers: the same seed gives the same normal numbers as `torch.randn`
/// with a CPU generator, to float32 rounding of sine, cosine and logarithm.
///
/// Mersenne twister (Matsumoto and Nishimura 1998), seeded as `torch.Generator.manual_seed` does,
/// and PyTorch's block-wise Box-Muller transform (aten/src/ATen/native/cpu/DistributionTemplates.h).
public struct TorchGenerator: Sendable {
    private var state: [UInt32]
    private var next = 624
    /// Small draws make normals in pairs and keep the second one for the next call.
    private var spare: Double?

    /// A generator with this seed; like PyTorch, only its low 32 bits matter.
    public init(seed: UInt64) {
        state = [UInt32](repeating: UInt32(truncatingIfNeeded: seed), count: 624)
        for i in 1..<624 {
            let last = state[i - 1]
            state[i] = 1_812_433_253 &* (last ^ (last >> 30)) &+ UInt32(i)
        }
    }

    private mutating func word() -> UInt32 {
        if next == 624 { twist() }
        var y = state[next]
        next += 1
        y ^= y >> 11
        y ^= (y << 7) & 0x9d2c_5680
        y ^= (y << 15) & 0xefc6_0000
        return y ^ (y >> 18)
    }

    private mutating func twist() {
        for i in 0..<624 {
            let y = (state[i] & 0x8000_0000) | (state[(i + 1) % 624] & 0x7fff_ffff)
            state[i] = state[(i + 397) % 624] ^ (y >> 1) ^ (y & 1 == 0 ? 0 : 0x9908_b0df)
        }
        next = 0
    }

    /// Uniform in 0..<1 with 24 bits.
    private mutating func uniform() -> Float { Float(word() & 0xff_ffff) * 0x1p-24 }

    /// Uniform in 0..<1 with 53 bits.
    private mutating func uniformDouble() -> Double {
        let (high, low) = (UInt64(word()), UInt64(word()))
        return Double((high << 32 | low) & (1 << 53 - 1)) * 0x1p-53
    }

    /// `count` standard normal numbers, as one call of `torch.randn` gives them.
    public mutating func normals(_ count: Int) -> [Float] {
        if count < 16 { return (0..<count).map { _ in smallNormal() } }
        var values = (0..<count).map { _ in uniform() }
        func transform(_ start: Int) {
            for j in start..<start + 8 {
                let radius = sqrtf(-2 * logf(1 - values[j]))
                let angle = 2 * Float.pi * values[j + 8]
                values[j] = radius * cosf(angle)
                values[j + 8] = radius * sinf(angle)
            }
        }
        for start in stride(from: 0, through: count - 16, by: 16) { transform(start) }
        if count % 16 != 0 {  // the last 16 are drawn and transformed once more
            for i in count - 16..<count { values[i] = uniform() }
            transform(count - 16)
        }
        return values
    }

    private mutating func smallNormal() -> Float {
        if let value = spare {
            spare = nil
            return Float(value)
        }
        let (angle, draw) = (2 * Double.pi * uniformDouble(), uniformDouble())
        let radius = sqrt(-2 * log1p(-draw))
        spare = radius * sin(angle)
        return Float(radius * cos(angle))
    }
}

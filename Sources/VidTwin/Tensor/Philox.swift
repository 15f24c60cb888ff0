import Glibc

/// Random numbers by counter: Philox4x32-10 (Salmon et al. 2011). A number depends on seed, site,
/// clip and batch alone, so any split of the work draws the same ones.
package struct Philox: Sendable {
    /// The places that need randomness: where the counter's second word comes from.
    package enum Site {
        /// Noise of the latents.
        package static let structure: UInt32 = 1, dynamicsX: UInt32 = 2, dynamicsY: UInt32 = 3
        /// Dropout of the Q-Former's queries.
        package static let queries: UInt32 = 16
        /// Order of an epoch, starts of windows, choice of a share, validation lists.
        package static let order: UInt32 = 64, start: UInt32 = 65, share: UInt32 = 66
        /// Whether a clip is mirrored, and where it is cut out.
        package static let view: UInt32 = 67
        /// Initial weights.
        package static let weights: UInt32 = 80

        /// The first of a Q-Former layer's five: self probabilities, self output, cross
        /// probabilities, cross output, MLP output.
        package static func layer(_ index: Int) -> UInt32 { UInt32(32 + 8 * index) }
    }

    private let key: SIMD2<UInt32>

    package init(seed: UInt64) {
        key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
    }

    /// The four words of a counter.
    package func callAsFunction(_ counter: SIMD4<UInt32>) -> SIMD4<UInt32> {
        var (c, k) = (counter, key)
        for _ in 0..<10 {
            let p0 = UInt64(c[0]) &* 0xd251_1f53
            let p1 = UInt64(c[2]) &* 0xcd9e_8d57
            c = SIMD4(
                UInt32(truncatingIfNeeded: p1 >> 32) ^ c[1] ^ k[0],
                UInt32(truncatingIfNeeded: p1),
                UInt32(truncatingIfNeeded: p0 >> 32) ^ c[3] ^ k[1],
                UInt32(truncatingIfNeeded: p0))
            k = SIMD2(k[0] &+ 0x9e37_79b9, k[1] &+ 0xbb67_ae85)
        }
        return c
    }

    /// Word `index` of a site.
    package func word(_ index: Int = 0, site: UInt32, clip: UInt32, batch: UInt32) -> UInt32 {
        self(SIMD4(UInt32(truncatingIfNeeded: index / 4), site, clip, batch))[index % 4]
    }

    /// Calls `body(index, word)` for the words of a range of a site, in order.
    @inline(__always)
    private func each(
        _ range: Range<Int>, _ site: UInt32, _ clip: UInt32, _ batch: UInt32,
        _ body: (Int, UInt32) -> Void
    ) {
        var index = range.lowerBound
        while index < range.upperBound {
            let block = index / 4
            let words = self(SIMD4(UInt32(truncatingIfNeeded: block), site, clip, batch))
            while index < min(4 * block + 4, range.upperBound) {
                body(index, words[index % 4])
                index += 1
            }
        }
    }

    /// Numbers uniform in −`bound`…`bound`: `destination[i]` gets element `range.lowerBound + i`.
    package func uniforms(
        _ range: Range<Int>, bound: Double, site: UInt32, clip: UInt32, batch: UInt32,
        into destination: UnsafeMutablePointer<Float>
    ) {
        each(range, site, clip, batch) { index, word in
            let u = (Double(word) + 0.5) * 0x1p-32
            destination[index - range.lowerBound] = Float((2 * u - 1) * bound)
        }
    }

    /// Standard normal numbers by Box–Muller on words (0, 1), (2, 3), … in double, rounded.
    package func normals(
        _ range: Range<Int>, site: UInt32, clip: UInt32, batch: UInt32,
        into destination: UnsafeMutablePointer<Float>
    ) {
        var index = range.lowerBound
        while index < range.upperBound {
            let block = index / 4
            let words = self(SIMD4(UInt32(truncatingIfNeeded: block), site, clip, batch))
            while index < min(4 * block + 4, range.upperBound) {
                let pair = index % 4 / 2 * 2
                let u = (Double(words[pair]) + 0.5) * 0x1p-32
                let angle = 2 * Double.pi * ((Double(words[pair + 1]) + 0.5) * 0x1p-32)
                let radius = (-2 * log(u)).squareRoot()
                if index % 2 == 0 {
                    destination[index - range.lowerBound] = Float(radius * cos(angle))
                    index += 1
                    if index == range.upperBound { return }
                }
                destination[index - range.lowerBound] = Float(radius * sin(angle))
                index += 1
            }
        }
    }

    /// Dropout: whether each element is kept, that is, its word at least ⌊p·2³²⌋.
    package func keeps(
        _ range: Range<Int>, dropping p: Double, site: UInt32, clip: UInt32, batch: UInt32,
        into destination: UnsafeMutablePointer<Bool>
    ) {
        let threshold = Philox.threshold(p)
        each(range, site, clip, batch) { index, word in
            destination[index - range.lowerBound] = word >= threshold
        }
    }

    /// The least word that dropout at rate `p` keeps.
    package static func threshold(_ p: Double) -> UInt32 {
        UInt32(min(max(p, 0) * 0x1p32, 0x1p32 - 1))
    }
}

/// IEEE binary16, without needing a CPU or compiler that knows it; by arithmetic, so that loops over
/// it vectorise.
package enum Binary16 {
    /// Rounded to nearest, ties to even; too large becomes infinity.
    package static func encode(_ value: Float) -> UInt16 {
        let sign = UInt16(value.bitPattern >> 16) & 0x8000
        let magnitude = value.magnitude
        if magnitude.isNaN { return sign | 0x7e00 }
        if magnitude >= 65520 { return sign | 0x7c00 }
        if magnitude < 0x1p-14 {  // subnormal: multiples of 2^-24
            return sign | UInt16((magnitude * 0x1p24).rounded(.toNearestOrEven))
        }
        let bits = magnitude.bitPattern
        let rounded = bits + 0xfff + (bits >> 13 & 1)
        return sign | UInt16((rounded >> 13) - (112 << 10))
    }

    /// Exact.
    package static func decode(_ bits: UInt16) -> Float {
        let sign = UInt32(bits & 0x8000) << 16
        let magnitude = UInt32(bits & 0x7fff)
        if magnitude >= 0x7c00 {
            return Float(bitPattern: sign | 0x7f80_0000 | (magnitude & 0x3ff) << 13)
        }
        // Exponent and mantissa moved into place are 2^112 too small; subnormals come out right.
        let value = Float(bitPattern: magnitude << 13) * 0x1p112
        return Float(bitPattern: sign | value.bitPattern)
    }
}

/// A number of 64 bits that other numbers give another one of: to see whether processes agree.
struct StateHash {
    private(set) var value: UInt64 = 0x9e37_79b9_7f4a_7c15

    /// That of a text and a seed.
    static func of(_ text: String, seed: UInt64) -> UInt64 {
        var hash = StateHash()
        hash.add(seed)
        for byte in text.utf8 { hash.add(UInt64(byte)) }
        return hash.value
    }

    mutating func add(_ word: UInt64) {
        value = (value ^ word) &* 0xff51_afd7_ed55_8ccd
        value ^= value >> 32
    }

    /// The bits of numbers, two at a time.
    mutating func add(_ values: UnsafePointer<Float>, _ count: Int) {
        let raw = UnsafeRawPointer(values)
        for i in stride(from: 0, to: count - 1, by: 2) {
            add(raw.loadUnaligned(fromByteOffset: 4 * i, as: UInt64.self))
        }
        if count % 2 == 1 { add(UInt64(values[count - 1].bitPattern)) }
    }
}

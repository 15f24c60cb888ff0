import VidTwinTestSupport

/// Changes to a seed, all of them from one number, so that the number alone makes an input again.
struct Mutation {
    private var random: SplitMix64
    private var bytes: [UInt8]

    /// Ends of ranges and what formats count with.
    private static let numbers: [[UInt8]] = [
        [0], [0xff], [0x80], [0x7f, 0xff, 0xff, 0xff], [0, 0, 0, 0], [0xff, 0xff, 0xff, 0xff],
        [0xff, 0xff, 0xff, 0x7f], [0, 0, 0, 0x80], [UInt8](repeating: 0xff, count: 8),
        [0, 0, 0, 0, 0, 0, 0, 0x80], [0, 0, 0, 0, 1, 0, 0, 0], Array("99999999999".utf8),
        Array("-1".utf8), Array("1e999".utf8), Array("\"".utf8), Array("[[[[[[[[".utf8),
        Array("{\"a\":".utf8), Array("&a [*a".utf8), Array("${a.b}".utf8), [10], [0xc3, 0x28],
    ]

    /// The input of a number.
    static func of(_ seeds: [[UInt8]], number: UInt64) -> [UInt8] {
        var random = SplitMix64(seed: number)
        let seed = seeds[Int(random.next() % UInt64(seeds.count))]
        let other = seeds[Int(random.next() % UInt64(seeds.count))]
        var mutation = Mutation(random: random, bytes: seed)
        for _ in 0..<1 + mutation.below(4) { mutation.change(other) }
        return mutation.bytes
    }

    private mutating func below(_ limit: Int) -> Int { Int(random.next() % UInt64(max(limit, 1))) }

    private mutating func change(_ other: [UInt8]) {
        if bytes.isEmpty { bytes = [0] }
        let at = below(bytes.count)
        switch below(8) {
        case 0: bytes[at] = UInt8(truncatingIfNeeded: random.next())
        case 1: bytes[at] ^= 1 << UInt8(below(8))
        case 2:
            let number = Mutation.numbers[below(Mutation.numbers.count)]
            let end = min(at + number.count, bytes.count)
            bytes.replaceSubrange(at..<end, with: number.prefix(end - at))
        case 3: bytes.insert(contentsOf: Mutation.numbers[below(Mutation.numbers.count)], at: at)
        case 4: bytes.removeSubrange(at..<min(at + 1 + below(64), bytes.count))
        case 5: bytes.removeLast(bytes.count - at)
        case 6:  // a piece of it once more, or of another seed
            let source = below(2) == 0 ? bytes : other
            let from = below(source.count)
            bytes.insert(
                contentsOf: source[from..<min(from + 1 + below(512), source.count)], at: at)
        default:  // a small number is another one
            bytes[at] = UInt8(below(17))
        }
    }
}

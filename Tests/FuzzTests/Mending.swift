/// What stands in the way of mutated bytes before they reach a parser, made right again.
enum Mending {
    /// A safetensors file whose header is as long as it says: from the first brace to the one before the
    /// data, where bytes were put in or taken out.
    static func safeTensors(_ bytes: [UInt8], _ seeds: [[UInt8]]) -> [UInt8] {
        guard let seed = seeds.first, bytes.count > 8, bytes.count != seed.count else {
            return bytes
        }
        let header = littleEndian(seed.prefix(8)) + bytes.count - seed.count
        if header < 0 { return bytes }
        return (0..<8).map { UInt8(truncatingIfNeeded: header >> (8 * $0)) } + bytes.dropFirst(8)
    }

    /// A tar stream whose headers have the checksums of what is in them.
    static func tar(_ bytes: [UInt8], _ seeds: [[UInt8]]) -> [UInt8] {
        var bytes = bytes
        for block in stride(from: 0, through: bytes.count - 512, by: 512)
        where bytes[block + 257..<block + 262].elementsEqual("ustar".utf8) {
            let place = block + 148..<block + 156
            bytes.replaceSubrange(place, with: [UInt8](repeating: 32, count: 8))
            var sum = bytes[block..<block + 512].reduce(0) { $0 + Int($1) }
            for at in (block + 148..<block + 154).reversed() {
                bytes[at] = 48 + UInt8(sum & 7)
                sum >>= 3
            }
            bytes[block + 154] = 0
        }
        return bytes
    }

    private static func littleEndian(_ bytes: ArraySlice<UInt8>) -> Int {
        bytes.reversed().reduce(0) { $0 << 8 | Int($1) }
    }
}

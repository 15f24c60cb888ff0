/// The checksums of a zip archive's entries, so that changes get past them.
struct ZipChecksums {
    private let places: [(data: Range<Int>, sums: [Int])]
    private let count: Int

    /// Finds the entries of an archive that is whole: data, and where their checksums stand.
    init(_ zip: [UInt8]) {
        func number(_ at: Int, _ width: Int) -> Int {
            (0..<width).reduce(0) { $0 | Int(zip[at + $1]) << (8 * $1) }
        }
        var places: [(data: Range<Int>, sums: [Int])] = []
        for at in zip.indices.dropLast(46)
        where zip[at] == 0x50 && number(at, 4) == 0x0201_4b50 {
            let (size, local) = (number(at + 20, 4), number(at + 42, 4))
            guard local + 30 <= zip.count, number(local, 4) == 0x0403_4b50 else { continue }
            let start = local + 30 + number(local + 26, 2) + number(local + 28, 2)
            guard start + size <= zip.count else { continue }
            places.append((start..<start + size, [at + 16, local + 14]))
        }
        (self.places, count) = (places, zip.count)
    }

    /// The same file with checksums that are right, where entries lie as they did.
    func mended(_ zip: [UInt8]) -> [UInt8] {
        if zip.count != count { return zip }
        var zip = zip
        for (data, sums) in places {
            let sum = ZipChecksums.sum(zip[data])
            for at in sums {
                for i in 0..<4 { zip[at + i] = UInt8(truncatingIfNeeded: sum >> (8 * i)) }
            }
        }
        return zip
    }

    private static func sum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var sum: UInt32 = 0xffff_ffff
        for byte in bytes {
            sum = sum >> 8 ^ table[Int((sum ^ UInt32(byte)) & 0xff)]
        }
        return ~sum
    }

    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in
            value & 1 == 1 ? value >> 1 ^ 0xedb8_8320 : value >> 1
        }
    }
}

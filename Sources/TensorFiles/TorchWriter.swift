import CDeflate

/// Writes what `torch.save` writes: a zip with the pickled object and an entry for the bytes of
/// each tensor, all stored as they are and aligned to 64 bytes.
package struct TorchWriter {
    private let output: Descriptor
    private var at = 0
    private var directory: [UInt8] = []
    private var entries = 0

    private init(output: Descriptor, wideFrom: Int) {
        (self.output, self.wideFrom) = (output, wideFrom)
    }

    /// Writes a whole archive to a descriptor; of 4 GB and more, as zip64. `wideFrom` is less in tests,
    /// which do not write so much.
    ///
    /// - Throws: `StreamError`.
    package static func write(
        _ value: TorchValue, to output: Descriptor, wideFrom: Int = 0xffff_ffff
    ) throws {
        let pickle = PickleWriter(value)
        var writer = TorchWriter(output: output, wideFrom: wideFrom)
        func add(_ name: String, _ bytes: [UInt8]) throws {
            try bytes.withUnsafeBytes { try writer.add("archive/\(name)", $0) }
        }
        try add("data.pkl", pickle.bytes)
        try add("byteorder", Array("little".utf8))
        for (number, tensor) in pickle.tensors.enumerated() {
            try tensor.bytes { bytes in
                precondition(
                    bytes.count == tensor.count * tensor.type.byteCount,
                    "\(bytes.count) bytes for \(tensor.type) \(tensor.shape)")
                try writer.add("archive/data/\(number)", bytes)
            }
        }
        try add("version", Array("3\n".utf8))
        try writer.finish()
    }

    private static func little(_ value: Int, _ width: Int) -> [UInt8] {
        (0..<width).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    private static let all32 = 0xffff_ffff
    /// Sizes and places from which on 64 bits hold them.
    private let wideFrom: Int

    private mutating func put(_ bytes: [UInt8]) throws {
        try output.write(bytes)
        at += bytes.count
    }

    private mutating func add(_ name: String, _ bytes: UnsafeRawBufferPointer) throws {
        let little = TorchWriter.little
        let (nameBytes, size, start) = (Array(name.utf8), bytes.count, at)
        let crc = little(Int(libdeflate_crc32(0, bytes.baseAddress, bytes.count)), 4)
        let isLarge = size >= wideFrom
        let size32 = little(isLarge ? TorchWriter.all32 : size, 4)
        // Version 4.5, UTF-8 names, stored, no time (1 January 1980).
        let common: [UInt8] = little(45, 2) + little(0x800, 2) + little(0, 4) + little(0x21, 2)
        let sizes64 =
            isLarge ? little(1, 2) + little(16, 2) + little(size, 8) + little(size, 8) : []
        // PyTorch fills up with an extra field "FB", so that data can be mapped.
        let before = start + 30 + nameBytes.count + sizes64.count + 4
        let filling = (64 - before % 64) % 64
        let extra =
            sizes64 + Array("FB".utf8) + little(filling, 2)
            + [UInt8](repeating: UInt8(ascii: "Z"), count: filling)
        try put(
            little(0x0403_4b50, 4) + common + crc + size32 + size32 + little(nameBytes.count, 2)
                + little(extra.count, 2) + nameBytes + extra)
        try output.write(bytes)
        at += size
        let isFar = start >= wideFrom
        var wide: [UInt8] = []
        if isLarge { wide += little(size, 8) + little(size, 8) }
        if isFar { wide += little(start, 8) }
        if !wide.isEmpty { wide = little(1, 2) + little(wide.count, 2) + wide }
        directory +=
            little(0x0201_4b50, 4) + little(45, 2) + common + crc + size32 + size32
            + little(nameBytes.count, 2) + little(wide.count, 2) + little(0, 2) + little(0, 2)
            + little(0, 2) + little(0, 4) + little(isFar ? TorchWriter.all32 : start, 4)
            + nameBytes + wide
        entries += 1
    }

    private mutating func finish() throws {
        let little = TorchWriter.little
        let (start, size, end) = (at, directory.count, at + directory.count)
        try put(directory)
        let isFar = start >= wideFrom
        if isFar || entries >= 0xffff {
            try put(
                little(0x0606_4b50, 4) + little(44, 8) + little(45, 2) + little(45, 2)
                    + little(0, 4) + little(0, 4) + little(entries, 8) + little(entries, 8)
                    + little(size, 8) + little(start, 8))
            try put(little(0x0706_4b50, 4) + little(0, 4) + little(end, 8) + little(1, 4))
        }
        let count = little(min(entries, 0xffff), 2)
        try put(
            little(0x0605_4b50, 4) + little(0, 4) + count + count + little(size, 4)
                + little(isFar ? TorchWriter.all32 : start, 4) + little(0, 2))
    }
}

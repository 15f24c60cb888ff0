/// Writes a ustar stream; the same members give the same bytes.
package struct TarWriter {
    private let output: Descriptor

    /// Writes to an open descriptor.
    package init(_ output: Descriptor) { self.output = output }

    /// Writes members in one go.
    ///
    /// - Throws: `StreamError`.
    package func write(_ members: [(name: String, bytes: [UInt8])]) throws(StreamError) {
        var block: [UInt8] = []
        for (name, bytes) in members {
            block += try TarWriter.header(name, size: bytes.count)
            block += bytes
            block += [UInt8](repeating: 0, count: (512 - bytes.count % 512) % 512)
        }
        try output.write(block)
    }

    /// Ends the archive: two empty blocks.
    package func finish() throws(StreamError) {
        try output.write([UInt8](repeating: 0, count: 1024))
    }

    private static func header(_ name: String, size: Int) throws(StreamError) -> [UInt8] {
        let nameBytes = Array(name.utf8)
        guard nameBytes.count <= 100 else {
            throw .malformed(
                place: name, expected: "a name of at most 100 bytes", found: "\(nameBytes.count)")
        }
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ bytes: [UInt8], _ offset: Int) {
            header.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        }
        func octal(_ value: Int, _ digits: Int) -> [UInt8] {
            let text = String(value, radix: 8)
            return Array((String(repeating: "0", count: max(digits - text.count, 0)) + text).utf8)
        }
        put(nameBytes, 0)
        put(Array("0000644".utf8), 100)
        put(Array("0000000".utf8), 108)
        put(Array("0000000".utf8), 116)
        put(octal(size, 11), 124)
        put(octal(0, 11), 136)  // no time: the same input gives the same bytes
        put([UInt8](repeating: 32, count: 8), 148)
        header[156] = UInt8(ascii: "0")
        put(Array("ustar".utf8) + [0] + Array("00".utf8), 257)
        let sum = header.reduce(0) { $0 + Int($1) }
        put(octal(sum, 6) + [0, 32], 148)
        return header
    }
}

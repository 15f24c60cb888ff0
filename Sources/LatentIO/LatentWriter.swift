import Glibc

/// Writes samples as a ustar stream in WebDataset layout; each is complete before the next begins.
public final class LatentWriter {
    private let descriptor: Int32
    private let place: String
    private let type: LatentType

    /// Writes to an open descriptor, which stays the caller's; `place` names it in messages.
    public init(descriptor: Int32, place: String, type: LatentType) {
        (self.descriptor, self.place, self.type) = (descriptor, place, type)
    }

    /// Writes a sample.
    ///
    /// - Throws: `LatentError`.
    public func write(_ sample: LatentSample) throws {
        var block: [UInt8] = []
        for (name, bytes) in try sample.members(type) {
            block += try LatentWriter.header(name, size: bytes.count)
            block += bytes
            block += [UInt8](repeating: 0, count: (512 - bytes.count % 512) % 512)
        }
        try write(block)
    }

    /// Ends the archive: two empty blocks.
    public func finish() throws { try write([UInt8](repeating: 0, count: 1024)) }

    private func write(_ bytes: [UInt8]) throws(LatentError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done)
            }
            if count >= 0 {
                done += count
            } else if errno == EPIPE {
                throw .brokenPipe(place: place)
            } else if errno == EAGAIN {
                var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&entry, 1, -1)
            } else if errno != EINTR {
                throw .failure(
                    place: place, problem: "writing failed: \(String(cString: strerror(errno)))")
            }
        }
    }

    private static func header(_ name: String, size: Int) throws(LatentError) -> [UInt8] {
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

/// Reads the regular files of a tar stream, one at a time: constant memory, no seeking.
package struct TarReader {
    private let input: Descriptor
    /// What was read of the stream before.
    private var start: ArraySlice<UInt8>
    private let maximumMember: Int
    /// Members came, and no end mark after them yet: a stream that ends so was cut between two.
    private var isOpen = false

    /// Bytes that `isTar` needs to see.
    package static let peek = 512

    /// Whether a stream that begins so is a tar stream.
    package static func isTar(_ start: [UInt8]) -> Bool {
        start.count >= 262 && start[257..<262].elementsEqual("ustar".utf8)
    }

    /// Reads from an open descriptor, of which `start` was read before; members of more than
    /// `maximumMember` bytes are an error.
    package init(_ input: Descriptor, start: [UInt8] = [], maximumMember: Int) {
        (self.input, self.start, self.maximumMember) = (input, start[...], maximumMember)
    }

    /// The next regular file of the archive, or nil at the end.
    ///
    /// - Throws: `StreamError`.
    package mutating func next() throws(StreamError) -> (name: String, bytes: [UInt8])? {
        while true {
            let header = try read(512, allowEnd: true)
            if header.isEmpty {
                if isOpen { throw .truncated(place: input.place, expected: 512, found: 0) }
                return nil
            }
            if header.allSatisfy({ $0 == 0 }) {  // ends, or joins two archives
                isOpen = false
                continue
            }
            isOpen = true
            let sum = header.enumerated().reduce(0) {
                $0 + ((148..<156).contains($1.offset) ? 32 : Int($1.element))
            }
            guard let size = octal(header[124..<136]), octal(header[148..<156]) == sum else {
                throw .malformed(place: input.place, expected: "a tar header", found: "other data")
            }
            guard size <= maximumMember else {
                throw .malformed(
                    place: input.place, expected: "members of at most \(maximumMember >> 20) MB",
                    found: "\(size) bytes")
            }
            let bytes = try read(size, allowEnd: false)
            _ = try read((512 - size % 512) % 512, allowEnd: false)
            guard header[156] == UInt8(ascii: "0") || header[156] == 0 else { continue }
            return (String(decoding: header[0..<100].prefix { $0 != 0 }, as: UTF8.self), bytes)
        }
    }

    private func octal(_ field: ArraySlice<UInt8>) -> Int? {
        let digits = field.drop { $0 == 32 }.prefix { (48...55).contains($0) }
        return digits.isEmpty ? nil : Int(String(decoding: digits, as: UTF8.self), radix: 8)
    }

    /// Exactly `count` bytes; none at the end of the stream, where that is allowed.
    private mutating func read(_ count: Int, allowEnd: Bool) throws(StreamError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: min(count, 1 << 16))
        var done = 0
        while done < count {
            if done == bytes.count {  // grows with what really comes
                bytes += [UInt8](repeating: 0, count: min(bytes.count, count - bytes.count))
            }
            let got = try read(into: &bytes, from: done)
            if got == 0 {
                if done == 0 && allowEnd { return [] }
                throw .truncated(place: input.place, expected: count, found: done)
            }
            done += got
        }
        return bytes
    }

    private mutating func read(into bytes: inout [UInt8], from: Int) throws(StreamError) -> Int {
        if !start.isEmpty {
            let part = start.prefix(bytes.count - from)
            bytes.replaceSubrange(from..<from + part.count, with: part)
            start = start.dropFirst(part.count)
            return part.count
        }
        var (got, problem): (Int, StreamError?) = (0, nil)
        bytes.withUnsafeMutableBytes { buffer in
            let room = UnsafeMutableRawBufferPointer(rebasing: buffer[from...])
            do throws(StreamError) { got = try input.read(into: room) } catch { problem = error }
        }
        if let problem { throw problem }
        return got
    }
}

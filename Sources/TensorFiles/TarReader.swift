/// Reads the regular files of a tar stream, one at a time, packed by gzip or not: constant memory,
/// no seeking. Names may be of any length (ustar's prefix, GNU's `L`, pax's `path`); what macOS puts
/// beside each file (`._NAME`) is passed over.
package struct TarReader {
    /// A file of the archive.
    package struct Member {
        /// Its path, without a leading `./`.
        package let name: String
        /// Its bytes.
        package let size: Int
        /// When it was changed, in seconds since 1970; 0 where that is not said.
        package var modified = 0
    }

    /// Names of links, and of files with holes, that were passed over since the caller emptied it: their bytes
    /// are not there as they are. No more than a thousand.
    package var links: [String] = []

    private let input: ByteInput
    /// Bytes of the member that were not read, and what fills its last block.
    private var rest = 0
    /// Members came, and no end mark after them yet: a stream that ends so was cut between two.
    private var isOpen = false

    /// Largest header that says more of the next member.
    private static let maximumHeader = 1 << 20
    /// Empty blocks that may follow each other: tapes are written in large records.
    private static let maximumEmptyBlocks = 1 << 15

    /// Bytes that `isTar` needs to see.
    package static let peek = 512

    /// Whether a stream that begins so is a tar stream, or one of gzip.
    package static func isTar(_ start: [UInt8]) -> Bool {
        ByteInput.isGzip(start)
            || start.count >= 262 && start[257..<262].elementsEqual("ustar".utf8)
    }

    /// Reads from an open descriptor, of which `start` was read before.
    package init(_ input: Descriptor, start: [UInt8] = []) {
        self.input = ByteInput(input, start: start)
    }

    /// Goes on to the next regular file, or to the end, where it is nil.
    ///
    /// - Throws: `StreamError`.
    package mutating func next() throws(StreamError) -> Member? {
        var (name, size): (String?, Int?) = (nil, nil)
        var emptyBlocks = 0
        try skip()
        while true {
            let header = try read(512, allowEnd: true)
            if header.isEmpty {
                if isOpen { throw .truncated(place: input.place, expected: 512, found: 0) }
                return nil
            }
            if header.allSatisfy({ $0 == 0 }) {  // ends, or joins two archives
                isOpen = false
                emptyBlocks += 1
                if emptyBlocks > TarReader.maximumEmptyBlocks {
                    throw malformed(
                        "a tar header within \(TarReader.maximumEmptyBlocks) blocks",
                        "zeros without end")
                }
                continue
            }
            (isOpen, emptyBlocks) = (true, 0)
            guard let said = TarReader.number(header[124..<136]), TarReader.isWhole(header) else {
                throw malformed("a tar header", TarReader.kind(header))
            }
            let count = size ?? said
            rest = (count + 511) / 512 * 512
            switch header[156] {
            case UInt8(ascii: "L"):
                name = String(decoding: try extra(said).prefix { $0 != 0 }, as: UTF8.self)
            case UInt8(ascii: "x"), UInt8(ascii: "X"):
                for (key, value) in try records(try extra(said)) {
                    if key == "path" { name = value }
                    if key == "size" { size = Int(value).flatMap { $0 < 1 << 60 ? $0 : nil } }
                }
            case UInt8(ascii: "K"), UInt8(ascii: "g"):  // of links; of all members
                try skip()
            default:
                if let member = TarReader.member(header, name, count) { return member }
                if [UInt8(ascii: "1"), UInt8(ascii: "2"), UInt8(ascii: "S")].contains(header[156]),
                    links.count < 1000
                {
                    links.append(name ?? TarReader.name(header))
                }
                try skip()
                (name, size) = (nil, nil)
            }
        }
    }

    /// The bytes of the member that `next` went to.
    ///
    /// - Throws: `StreamError`, where they are more than `limit` too.
    package mutating func contents(
        of member: Member, limit: Int
    ) throws(StreamError) -> [UInt8] {
        guard member.size <= limit else {
            throw malformed("members of at most \(limit >> 20) MB", "\(member.size) bytes")
        }
        rest -= member.size
        return try read(member.size, allowEnd: false)
    }

    /// Writes the bytes of the member that `next` went to, a piece at a time.
    ///
    /// - Throws: `StreamError`.
    package mutating func copy(_ member: Member, to output: Descriptor) throws(StreamError) {
        var left = member.size
        while left > 0 {
            let piece = try read(min(left, 1 << 20), allowEnd: false)
            left -= piece.count
            rest -= piece.count
            try output.write(piece)
        }
    }

    // MARK: - Headers

    /// What a header describes, if it is a file that is wanted.
    private static func member(_ header: [UInt8], _ name: String?, _ size: Int) -> Member? {
        guard [UInt8(ascii: "0"), UInt8(ascii: "7"), 0].contains(header[156]) else { return nil }
        var path = Substring(name ?? self.name(header))
        while path.hasPrefix("./") { path = path.dropFirst(2) }
        let base = path.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
        if base.isEmpty || base.hasPrefix("._") { return nil }
        return Member(
            name: String(path), size: size, modified: number(header[136..<148]) ?? 0)
    }

    /// The name within a header, with ustar's prefix.
    private static func name(_ header: [UInt8]) -> String {
        func text(_ range: Range<Int>) -> String {
            String(decoding: header[range].prefix { $0 != 0 }, as: UTF8.self)
        }
        // GNU's own headers have other things there, and a space behind `ustar`.
        let prefix = header[257..<263].elementsEqual("ustar\0".utf8) ? text(345..<500) : ""
        return prefix.isEmpty ? text(0..<100) : "\(prefix)/\(text(0..<100))"
    }

    /// Whether a header has the checksum that it says.
    private static func isWhole(_ header: [UInt8]) -> Bool {
        let sum = header.enumerated().reduce(0) {
            $0 + ((148..<156).contains($1.offset) ? 32 : Int($1.element))
        }
        return number(header[148..<156]) == sum
    }

    /// A number in octal digits; or, where the first bit is set, in the bits behind it.
    private static func number(_ field: ArraySlice<UInt8>) -> Int? {
        if let first = field.first, first & 0x80 != 0 {
            var value = Int(first & 0x3f)
            for byte in field.dropFirst() {
                if value >= 1 << 52 { return nil }
                value = value << 8 | Int(byte)
            }
            return first & 0x40 == 0 ? value : nil
        }
        let digits = field.drop { $0 == 32 }.prefix { (48...55).contains($0) }
        return digits.isEmpty ? nil : Int(String(decoding: digits, as: UTF8.self), radix: 8)
    }

    /// What begins so, for messages.
    private static func kind(_ header: [UInt8]) -> String {
        let kinds: KeyValuePairs<[UInt8], String> = [
            [0x28, 0xb5, 0x2f, 0xfd]: "zstd's data: unpack it before (zstd -dc)",
            [0xfd, 0x37, 0x7a, 0x58]: "xz's data: unpack it before (xz -dc)",
            [0x42, 0x5a, 0x68]: "bzip2's data: unpack it before (bzip2 -dc)",
        ]
        return kinds.first { header.starts(with: $0.key) }?.value ?? "other data"
    }

    /// The contents of a header that says more of the next member.
    private mutating func extra(_ size: Int) throws(StreamError) -> [UInt8] {
        let member = Member(name: "", size: size)
        let bytes = try contents(of: member, limit: TarReader.maximumHeader)
        try skip()
        return bytes
    }

    /// The pairs of a pax header: `LENGTH KEY=VALUE`, each on a line.
    private func records(_ bytes: [UInt8]) throws(StreamError) -> [(key: String, value: String)] {
        var (records, rest): ([(String, String)], ArraySlice<UInt8>) = ([], bytes[...])
        while !rest.isEmpty, rest.first != 0 {
            guard let space = rest.firstIndex(of: 32),
                let length = Int(String(decoding: rest[..<space], as: UTF8.self)),
                length > space - rest.startIndex, length <= rest.count,
                let equals = rest[space...].firstIndex(of: UInt8(ascii: "=")),
                equals < rest.startIndex + length - 1
            else { throw malformed("a pax header", "another text") }
            let end = rest.startIndex + length
            records.append(
                (
                    String(decoding: rest[(space + 1)..<equals], as: UTF8.self),
                    String(decoding: rest[(equals + 1)..<(end - 1)], as: UTF8.self)
                ))
            rest = rest[end...]
        }
        return records
    }

    private func malformed(_ expected: String, _ found: String) -> StreamError {
        .malformed(place: input.place, expected: expected, found: found)
    }

    // MARK: - Bytes

    /// Goes to the end of the member's blocks.
    private mutating func skip() throws(StreamError) {
        while rest > 0 {
            let count = min(rest, 1 << 16)
            _ = try read(count, allowEnd: false)
            rest -= count
        }
    }

    /// Exactly `count` bytes; none at the end of the stream, where that is allowed.
    private func read(_ count: Int, allowEnd: Bool) throws(StreamError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: min(count, 1 << 16))
        var done = 0
        while done < count {
            if done == bytes.count {  // grows with what really comes
                bytes += [UInt8](repeating: 0, count: min(bytes.count, count - bytes.count))
            }
            var (got, problem): (Int, StreamError?) = (0, nil)
            bytes.withUnsafeMutableBytes { buffer in
                let room = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
                do throws(StreamError) { got = try input.read(into: room) } catch {
                    problem = error
                }
            }
            if let problem { throw problem }
            if got == 0 {
                if done == 0 && allowEnd { return [] }
                throw .truncated(place: input.place, expected: count, found: done)
            }
            done += got
        }
        return bytes
    }
}

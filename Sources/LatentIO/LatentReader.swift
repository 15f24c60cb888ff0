import Glibc

/// Reads samples from a tar stream, one at a time: constant memory, no seeking.
///
/// Members that belong to no sample are passed over. Whole samples before a fault are delivered
/// before the fault is thrown.
public final class LatentReader {
    private let descriptor: Int32
    private let place: String
    private var waiting: (key: String, members: [String: [UInt8]])?
    private var fault: LatentError?
    private var ended = false
    /// Members came, and no end mark after them yet: a stream that ends so was cut between two.
    private var isOpen = false

    /// Largest member that is read, and all that is kept of a sample: latents of a clip are a few
    /// thousand numbers.
    private static let maximumMember = 64 << 20
    private static let maximumMembers = 32

    private let cancelDescriptor: Int32?
    private var start: ArraySlice<UInt8>

    /// Reads from an open descriptor, which stays the caller's; `place` names it in messages,
    /// `start` is what was read of it before. When `cancelDescriptor` becomes readable, waiting ends
    /// with `LatentError.cancelled`.
    public init(
        descriptor: Int32, place: String, start: [UInt8] = [], cancelDescriptor: Int32? = nil
    ) {
        (self.descriptor, self.place, self.start) = (descriptor, place, start[...])
        self.cancelDescriptor = cancelDescriptor
    }

    /// Waits until there is something to read.
    private func wait() throws(LatentError) {
        var entries = [  // one below 0 is passed over
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: cancelDescriptor ?? -1, events: Int16(POLLIN), revents: 0),
        ]
        while poll(&entries, 2, -1) < 0 && errno == EINTR {}
        if entries[1].revents != 0 { throw .cancelled }
    }

    /// Bytes that `isLatents` needs to see.
    public static let peek = 512

    /// Whether a stream that begins so is a tar stream.
    public static func isLatents(_ start: [UInt8]) -> Bool {
        start.count >= 262 && start[257..<262].elementsEqual("ustar".utf8)
    }

    /// The next sample, or nil at the end.
    ///
    /// - Throws: `LatentError`.
    public func next() throws(LatentError) -> LatentSample? {
        while !ended {
            do throws(LatentError) {
                guard let (name, bytes) = try member() else {
                    ended = true
                    break
                }
                let dot = name.firstIndex(of: ".") ?? name.endIndex
                let (key, ending) = (String(name[..<dot]), String(name[dot...].dropFirst()))
                if waiting?.key == key {
                    guard (waiting?.members.count ?? 0) < LatentReader.maximumMembers else {
                        throw .malformed(
                            place: key, expected: "at most \(LatentReader.maximumMembers) files",
                            found: "more")
                    }
                    let held = waiting?.members.values.reduce(0) { $0 + $1.count } ?? 0
                    guard held + bytes.count <= LatentReader.maximumMember else {
                        throw .malformed(
                            place: key,
                            expected: "samples of at most \(LatentReader.maximumMember >> 20) MB",
                            found: "more")
                    }
                    waiting?.members[ending] = bytes
                } else {
                    let complete = waiting
                    waiting = (key, [ending: bytes])
                    if let complete, let sample = try sample(complete) { return sample }
                }
            } catch {
                fault = error
                ended = true
            }
        }
        // A sample that a fault cut off is not whole: its JSON comes last.
        if let last = waiting {
            waiting = nil
            if fault == nil || last.members["json"] != nil, let sample = try sample(last) {
                return sample
            }
        }
        if let fault {
            self.fault = nil
            throw fault
        }
        return nil
    }

    private func sample(
        _ found: (key: String, members: [String: [UInt8]])
    ) throws(LatentError) -> LatentSample? {
        var arrays: [String: NPYArray] = [:]
        for (ending, bytes) in found.members where ending.hasSuffix(".npy") {
            let name = String(ending.dropLast(4))
            arrays[name] = try NPYArray(bytes[...], place: "\(place): \(found.key).\(ending)")
        }
        if arrays.isEmpty { return nil }
        guard let json = found.members["json"] else {
            throw .malformed(
                place: "\(place): \(found.key)", expected: "\(found.key).json beside the arrays",
                found: "none")
        }
        let name = "\(place): \(found.key).json"
        let info = try LatentInfo.decode(LatentInfo.self, json, name)
        try info.check(name)
        return LatentSample(key: found.key, info: info, arrays: arrays)
    }

    // MARK: - Tar

    /// The next regular file of the archive, or nil at the end.
    private func member() throws(LatentError) -> (name: String, bytes: [UInt8])? {
        while true {
            let header = try read(512, allowEnd: true)
            if header.isEmpty {
                if isOpen { throw .truncated(place: place, expected: 512, found: 0) }
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
                throw .malformed(place: place, expected: "a tar header", found: "other data")
            }
            guard size <= LatentReader.maximumMember else {
                throw .malformed(
                    place: place,
                    expected: "members of at most \(LatentReader.maximumMember >> 20) MB",
                    found: "\(size) bytes")
            }
            let bytes = try read(size, allowEnd: false)
            _ = try read((512 - size % 512) % 512, allowEnd: false)
            guard header[156] == UInt8(ascii: "0") || header[156] == 0 else { continue }
            let name = String(decoding: header[0..<100].prefix { $0 != 0 }, as: UTF8.self)
            return (String(name.split(separator: "/").last ?? ""), bytes)
        }
    }

    private func octal(_ field: ArraySlice<UInt8>) -> Int? {
        let digits = field.drop { $0 == 32 }.prefix { (48...55).contains($0) }
        return digits.isEmpty ? nil : Int(String(decoding: digits, as: UTF8.self), radix: 8)
    }

    /// Exactly `count` bytes; none at the end of the stream, where that is allowed.
    private func read(_ count: Int, allowEnd: Bool) throws(LatentError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: min(count, 1 << 16))
        var done = 0
        while done < count {
            if done == bytes.count {  // grows with what really comes
                bytes += [UInt8](repeating: 0, count: min(bytes.count, count - bytes.count))
            }
            let (room, offset) = (bytes.count - done, done)
            if !start.isEmpty {
                let part = start.prefix(room)
                bytes.replaceSubrange(offset..<offset + part.count, with: part)
                start = start.dropFirst(part.count)
                done += part.count
                continue
            }
            try wait()
            let got = bytes.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress.map { $0 + offset }, room)
            }
            if got > 0 {
                done += got
            } else if got == 0 {
                if done == 0 && allowEnd { return [] }
                throw .truncated(place: place, expected: count, found: done)
            } else if errno == EAGAIN {
                var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                poll(&entry, 1, cancelDescriptor == nil ? -1 : 100)
            } else if errno != EINTR {
                throw .failure(
                    place: place, problem: "reading failed: \(String(cString: strerror(errno)))")
            }
        }
        return bytes
    }
}

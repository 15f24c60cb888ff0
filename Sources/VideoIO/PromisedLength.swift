import Glibc

/// How long a file must be by what its container says of itself: libav takes the end of a file that
/// was cut off for the end of the video.
struct PromisedLength {
    /// Reads bytes at a place; fewer at the end.
    private let bytes: (_ offset: Int64, _ count: Int) -> [UInt8]
    private let size: Int64

    /// What is known of a container of this format: a file of `size` bytes, or the first bytes of a
    /// pipe that delivered so many.
    init(size: Int64, bytes: @escaping (_ offset: Int64, _ count: Int) -> [UInt8]) {
        (self.size, self.bytes) = (size, bytes)
    }

    /// Where the file would end if it were whole; nil where it is, or nothing tells.
    func missing(_ format: String) -> Int64? {
        let names = format.split(separator: ",")
        let end: Int64? =
            if names.contains("mp4") {
                boxes
            } else if names.contains("matroska") {
                elements
            } else if names.contains("avi") || names.contains("webp_pipe") {
                chunks
            } else if names.contains("mpegts") {
                transportPackets
            } else if names.contains("asf") {
                asf
            } else if names.contains("mxf") {
                triplets
            } else if names.contains("flv") {
                tags
            } else if names.contains("png_pipe") || names.contains("apng") {
                pngChunks
            } else {
                nil
            }
        return end.flatMap { $0 > size ? $0 : nil }
    }

    /// More parts are not looked at, so that no file takes long.
    private static let maximumParts = 1_000_000

    private func number(_ bytes: some Sequence<UInt8>) -> Int64 {
        bytes.reduce(Int64(0)) { ($0 & (Int64.max >> 8)) << 8 | Int64($1) }
    }

    // MARK: - Containers

    private static let boxTypes: Set<String> = [
        "ftyp", "styp", "moov", "moof", "mdat", "free", "skip", "wide", "sidx", "ssix", "mfra",
        "meta", "uuid", "udta", "emsg", "prft", "pnot", "pdin",
    ]

    /// mp4: boxes one after the other.
    private var boxes: Int64? {
        var offset: Int64 = 0
        for _ in 0..<PromisedLength.maximumParts {
            let head = bytes(offset, 16)
            guard head.count >= 8 else { return nil }
            var length = number(head[..<4])
            guard PromisedLength.boxTypes.contains(String(decoding: head[4..<8], as: UTF8.self))
            else { return nil }  // what was put behind the end
            if length == 1, head.count == 16 { length = number(head[8...]) }
            if length < 8 { return nil }  // to the end
            let (end, overflow) = offset.addingReportingOverflow(length)
            if overflow || end > size { return overflow ? .max : end }
            offset = end
        }
        return nil
    }

    /// Matroska: a segment of known length, or the elements in it.
    private var elements: Int64? {
        guard let header = element(at: 0), header.id == 0x1a45_dfa3, let first = header.end,
            let segment = element(at: first), segment.id == 0x1853_8067
        else { return nil }
        if let end = segment.end { return end }
        var offset = segment.data
        for _ in 0..<PromisedLength.maximumParts {
            guard let next = element(at: offset) else { return nil }
            if let end = next.end {
                if end > size { return end }
                offset = end
            } else if next.id == 0x1f43_b675 {
                offset = next.data  // a cluster of unknown length: its blocks
            } else {
                return nil
            }
        }
        return nil
    }

    private func element(at offset: Int64) -> (id: Int64, data: Int64, end: Int64?)? {
        let head = bytes(offset, 12)
        guard let first = head.first, first > 0x0f else { return nil }
        let idLength = first.leadingZeroBitCount + 1
        guard head.count > idLength, head[idLength] > 0 else { return nil }
        let length = head[idLength].leadingZeroBitCount + 1
        guard head.count >= idLength + length else { return nil }
        let digits = head[idLength..<idLength + length]
        let value = number(digits) & ((Int64(1) << (7 * length)) - 1)
        let data = offset + Int64(idLength + length)
        let isUnknown = value == (Int64(1) << (7 * length)) - 1
        return (number(head[..<idLength]), data, isUnknown ? nil : data &+ value)
    }

    /// RIFF: chunks of known length, unless the writer could not go back to say it.
    private var chunks: Int64? {
        var offset: Int64 = 0
        for _ in 0..<PromisedLength.maximumParts {
            let head = bytes(offset, 8)
            guard head.count == 8, head.starts(with: Array("RIFF".utf8)) else { return nil }
            let length = number(head[4...].reversed())
            if length == 0 || length == 0xffff_ffff { return nil }
            offset += 8 + length + length % 2
            if offset > size + 1 { return offset }
            if offset >= size { return nil }
        }
        return nil
    }

    /// MPEG-TS: packets of 188 bytes, or 192 or 204 with something around them.
    private var transportPackets: Int64? {
        let head = bytes(0, 204 * 8)
        for length in [188, 192, 204] {
            for start in 0..<min(length, head.count) {
                let marks = stride(from: start, to: head.count, by: length)
                if head.count - start < 4 * length { break }
                guard marks.allSatisfy({ head[$0] == 0x47 }) else { continue }
                let first = Int64(length == 192 ? max(start - 4, 0) : start)
                let rest = (size - first) % Int64(length)
                return rest == 0 ? nil : size + Int64(length) - rest
            }
        }
        return nil
    }

    /// ASF: the file's properties say how long it is, unless it was broadcast.
    private var asf: Int64? {
        let head = bytes(0, 8192)
        let properties: [UInt8] = [
            0xa1, 0xdc, 0xab, 0x8c, 0x47, 0xa9, 0xcf, 0x11, 0x8e, 0xe4, 0, 0xc0, 0x0c, 0x20, 0x53,
            0x65,
        ]
        guard head.count > 104 else { return nil }
        for start in 0..<head.count - 104 where head[start..<start + 16].elementsEqual(properties) {
            let isBroadcast = head[start + 88] & 1 == 1
            return isBroadcast ? nil : number(head[start + 40..<start + 48].reversed())
        }
        return nil
    }

    /// MXF: keys, lengths and values.
    private var triplets: Int64? {
        var offset: Int64 = 0
        for _ in 0..<PromisedLength.maximumParts {
            let head = bytes(offset, 25)
            guard head.count > 16, head.starts(with: [0x06, 0x0e, 0x2b, 0x34]) else { return nil }
            var (length, digits) = (Int64(head[16]), 0)
            if length >= 0x80 {
                digits = Int(length & 0x7f)
                guard digits <= 8, head.count >= 17 + digits else { return nil }
                length = number(head[17..<17 + digits])
            }
            let (end, overflow) = (offset + 17 + Int64(digits)).addingReportingOverflow(length)
            if overflow || end > size { return overflow ? .max : end }
            offset = end
        }
        return nil
    }

    /// FLV: tags, and after each its length.
    private var tags: Int64? {
        var offset: Int64 = 13
        for _ in 0..<PromisedLength.maximumParts {
            let head = bytes(offset, 4)
            guard head.count == 4, [8, 9, 18].contains(head[0] & 0x1f) else { return nil }
            offset += 11 + number(head[1..<4]) + 4
            if offset > size { return offset }
        }
        return nil
    }

    /// PNG: chunks, the last of which is the end's.
    private var pngChunks: Int64? {
        var offset: Int64 = 8
        for _ in 0..<PromisedLength.maximumParts {
            let head = bytes(offset, 8)
            guard head.count == 8 else { return offset + 12 }
            offset += 12 + number(head[..<4])
            if offset > size { return offset }
            if head[4...].elementsEqual(Array("IEND".utf8)) { return nil }
        }
        return nil
    }
}

import CZlib

/// A stream of bytes, unpacked where it is one of gzip; what it is, its first bytes tell.
final class ByteInput {
    /// For messages.
    var place: String { descriptor.place }

    private let descriptor: Descriptor
    /// Bytes that were read and not used.
    private var held: ArraySlice<UInt8>
    private var gzip: UnsafeMutablePointer<z_stream>?
    private var isKnown = false
    /// Between two parts of a gzip stream, or after the last.
    private var isBetween = false

    private static let chunk = 1 << 16

    /// Reads from an open descriptor, of which `start` was read before.
    init(_ descriptor: Descriptor, start: [UInt8]) {
        (self.descriptor, held) = (descriptor, start[...])
    }

    deinit {
        guard let gzip else { return }
        inflateEnd(gzip)
        gzip.deallocate()
    }

    /// Whether a stream that begins so is one of gzip.
    static func isGzip(_ start: some Collection<UInt8>) -> Bool {
        start.starts(with: [0x1f, 0x8b])
    }

    /// Reads at most as much as there is room for.
    ///
    /// - Returns: the number of bytes; 0 at the end.
    func read(into room: UnsafeMutableRawBufferPointer) throws(StreamError) -> Int {
        if !isKnown {
            while held.count < 2, try fill() {}
            isKnown = true
            if ByteInput.isGzip(held) { try startGzip() }
        }
        if gzip != nil { return try inflate(into: room) }
        if held.isEmpty { return try descriptor.read(into: room) }
        let part = held.prefix(room.count)
        room.copyBytes(from: part)
        held = held.dropFirst(part.count)
        return part.count
    }

    /// Reads more into what is held; false at the end.
    private func fill() throws(StreamError) -> Bool {
        var (got, problem): (Int, StreamError?) = (0, nil)
        let bytes = [UInt8](unsafeUninitializedCapacity: ByteInput.chunk) { buffer, count in
            do throws(StreamError) {
                got = try descriptor.read(into: UnsafeMutableRawBufferPointer(buffer))
            } catch { problem = error }
            count = got
        }
        if let problem { throw problem }
        held = held.isEmpty ? bytes[...] : held + bytes
        return got > 0
    }

    // MARK: - Gzip

    private func startGzip() throws(StreamError) {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard vt_inflate_gzip(stream) == Z_OK else {
            stream.deallocate()
            throw .failure(place: place, problem: "no memory to unpack gzip")
        }
        gzip = stream
    }

    private func inflate(into room: UnsafeMutableRawBufferPointer) throws(StreamError) -> Int {
        guard let gzip, let base = room.baseAddress, !room.isEmpty else { return 0 }
        while true {
            if held.isEmpty, try !fill() {
                if isBetween { return 0 }
                throw .truncated(
                    place: "\(place) (gzip)", expected: Int(gzip.pointee.total_in) + 1,
                    found: Int(gzip.pointee.total_in))
            }
            if isBetween {
                held = held.drop { $0 == 0 }  // what pads an archive
                if held.isEmpty { continue }
                isBetween = false
                inflateReset(gzip)
            }
            let (status, used, written) = step(gzip, base, room.count)
            held = held.dropFirst(used)
            switch status {
            case Z_STREAM_END: isBetween = true
            case Z_OK, Z_BUF_ERROR: break
            case Z_MEM_ERROR: throw .failure(place: place, problem: "no memory to unpack gzip")
            default:
                let problem = gzip.pointee.msg.map { String(cString: $0) } ?? "damaged data"
                throw .malformed(place: place, expected: "gzip data", found: problem)
            }
            if written > 0 { return written }
        }
    }

    private func step(
        _ gzip: UnsafeMutablePointer<z_stream>, _ base: UnsafeMutableRawPointer, _ room: Int
    ) -> (status: Int32, used: Int, written: Int) {
        let room = UInt32(clamping: room)
        return held.withUnsafeBytes { bytes in
            // zlib reads through a pointer that its header does not call constant.
            gzip.pointee.next_in = UnsafeMutablePointer(
                mutating: bytes.bindMemory(to: UInt8.self).baseAddress)
            gzip.pointee.avail_in = UInt32(bytes.count)
            gzip.pointee.next_out = base.assumingMemoryBound(to: UInt8.self)
            gzip.pointee.avail_out = room
            let status = CZlib.inflate(gzip, Z_NO_FLUSH)
            return (
                status, bytes.count - Int(gzip.pointee.avail_in), Int(room - gzip.pointee.avail_out)
            )
        }
    }
}

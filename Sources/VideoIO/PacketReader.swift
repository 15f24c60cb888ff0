import CFFmpeg

/// The packets of an input in their order; the first ones can be looked at before they are taken.
final class PacketReader {
    private let context: UnsafeMutablePointer<AVFormatContext>
    private var ahead: [UnsafeMutablePointer<AVPacket>] = []
    private var taken = 0
    private var end: Int32?  // what came instead of a packet while looking ahead
    private let origin: Int64  // in microseconds, where a container's clock starts anywhere

    init(_ context: UnsafeMutablePointer<AVFormatContext>) {
        self.context = context
        let start = context.pointee.start_time
        let isAnywhere = context.pointee.iformat.pointee.flags & AVFMT_TS_DISCONT != 0
        origin = isAnywhere && start != vt_no_pts ? start : 0
    }

    deinit { forget() }

    /// The next packet, as `av_read_frame` gives it; a negative code is libav's.
    func read(into packet: UnsafeMutablePointer<AVPacket>) -> Int32 {
        if taken < ahead.count {
            var next: UnsafeMutablePointer<AVPacket>? = ahead[taken]
            taken += 1
            av_packet_move_ref(packet, next)
            av_packet_free(&next)
            return 0
        }
        if let end {
            self.end = nil
            return end
        }
        return readNext(packet)
    }

    private func readNext(_ packet: UnsafeMutablePointer<AVPacket>) -> Int32 {
        let code = av_read_frame(context, packet)
        let index = Int(packet.pointee.stream_index)
        guard code >= 0, origin != 0, let stream = context.pointee.streams[index] else {
            return code
        }
        let shift = av_rescale_q(
            origin, AVRational(num: 1, den: AV_TIME_BASE), stream.pointee.time_base)
        if packet.pointee.pts != vt_no_pts { packet.pointee.pts &-= shift }
        if packet.pointee.dts != vt_no_pts { packet.pointee.dts &-= shift }
        return code
    }

    /// Forgets what was read ahead.
    func forget() {
        for packet in ahead[taken...] {
            var packet: UnsafeMutablePointer<AVPacket>? = packet
            av_packet_free(&packet)
        }
        (ahead, taken, end) = ([], 0, nil)
    }

    /// Reads ahead until `count` packets of a stream are there, and gives their times.
    func times(of stream: Int32, count: Int, most bytes: Int) -> PacketTimes {
        var (found, size) = (ahead[taken...].count { $0.pointee.stream_index == stream }, 0)
        while found < count, size < bytes, end == nil, let packet = av_packet_alloc() {
            let code = readNext(packet)
            if code < 0 {
                end = code
                var none: UnsafeMutablePointer<AVPacket>? = packet
                av_packet_free(&none)
                break
            }
            size += Int(packet.pointee.size)
            if packet.pointee.stream_index == stream { found += 1 }
            ahead.append(packet)
        }
        var times = PacketTimes()
        for packet in ahead[taken...] where packet.pointee.stream_index == stream {
            times.add(packet)
        }
        return times
    }
}

/// When the packets of a video stream are shown, in its time base.
struct PacketTimes {
    private var shown: [Int64] = []
    private var decoded: [Int64] = []
    private var count = 0

    mutating func add(_ packet: UnsafeMutablePointer<AVPacket>) {
        if packet.pointee.flags & AV_PKT_FLAG_DISCARD != 0 { return }
        count += 1
        if packet.pointee.pts != vt_no_pts { shown.append(packet.pointee.pts) }
        if packet.pointee.dts != vt_no_pts { decoded.append(packet.pointee.dts) }
    }

    /// The times in order, as far as no packet yet to come belongs between them; those of decoding
    /// where some have no other, and none where some have neither.
    var settled: [Int64] {
        if shown.count < count { return decoded.count == count ? decoded.sorted() : [] }
        guard let last = decoded.last else { return shown.sorted() }
        return shown.filter { $0 <= last }.sorted()
    }
}

import CFFmpeg

/// Looks at the end of an input whether it is the end that the container promised.
struct InputEnd {
    let source: ByteSource
    let format: String

    private static let complaints = ["ended prematurely", "partial file", "runcat"]

    /// What is wrong with the end; nil where nothing is, or nothing tells.
    func problem(_ context: UnsafeMutablePointer<AVFormatContext>, complaint: String?) -> String? {
        let size = source.size ?? source.position
        let promised = PromisedLength(size: size) { source.bytes(at: $0, count: $1) }
        let isWalked = source.isSeekable || !format.hasPrefix("png") && !format.hasPrefix("apng")
        if let end = (isWalked ? promised.missing(format) : nil) ?? indexed(context, size) {
            let expected = end == .max ? "more" : "\(end)"
            return "truncated: expected \(expected) bytes, found \(size)"
        }
        if source.isSeekable, format == "jpeg_pipe" {
            return WholePicture.jpeg(source.bytes(at: 0, count: Int(min(size, 256 << 20))))
        }
        if let complaint, InputEnd.complaints.contains(where: complaint.contains) {
            return "truncated: \(complaint)"
        }
        return nil
    }

    /// Where the last packet ends that an mp4's index knows, if that is not there.
    private func indexed(
        _ context: UnsafeMutablePointer<AVFormatContext>, _ size: Int64
    ) -> Int64? {
        guard format.contains("mp4") else { return nil }
        var last: Int64 = 0
        for index in 0..<Int(context.pointee.nb_streams) {
            guard let stream = context.pointee.streams[index] else { continue }
            for entry in 0..<avformat_index_get_entries_count(stream) {
                guard let found = avformat_index_get_entry(stream, entry) else { continue }
                last = max(last, found.pointee.pos &+ Int64(vt_index_entry_size(found)))
            }
        }
        return last > size ? last : nil
    }
}

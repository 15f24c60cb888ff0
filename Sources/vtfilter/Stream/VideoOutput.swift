import VideoIO

/// A frame on its way, or none, behind the packets of other tracks that came before it.
struct StreamItem: Sendable {
    let frame: RGBFrame?
    let copied: [CopiedPacket]

    init(_ frame: RGBFrame? = nil, after copied: [CopiedPacket] = []) {
        (self.frame, self.copied) = (frame, copied)
    }
}

extension VideoWriter: StreamOutput {
    func write(_ item: StreamItem) throws -> Int {
        try write(item.copied)
        guard let frame = item.frame else { return 0 }
        try write(frame)
        return 1
    }

    /// What came out at the end only is said. A file without frames, which nothing could play, is
    /// left out.
    func conclude(signal: Int32?, fault: (any Error)?) throws {
        if !hasFrames, isFile {
            abandon()
        } else {
            for note in try finish() { Log.warning(note) }
        }
        if let signal { throw Interrupted(signal: signal) }
        if let fault { throw fault }
        if hasFrames { return }
        if isFile { throw VideoIOError.badInput(url: url, problem: VideoWriter.nothing) }
        Log.warning("no frames came: the output has none")
    }
}

import VideoIO

extension VideoWriter {
    /// Ends an output: by a signal, after a fault of the input, or with its last frame. What came out
    /// at the end only is said. A file without frames, which nothing could play, is left out.
    ///
    /// - Throws: `Interrupted`, the fault, or `.badInput` for a file without frames.
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

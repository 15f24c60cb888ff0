import ArgumentParser
import VidTwin
import VideoIO

/// What is shown beside the result.
enum Show: String, ExpressibleByArgument {
    /// The input, or both inputs, before the result.
    case inputs
}

/// `vtfilter reconstruct`
struct Reconstruct: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Encode and decode a stream; writes as many frames as it reads.",
        discussion: """
            y4m and NUT describe themselves; raw frames need -f rawvideo -s WxH --pix-fmt FMT -r \
            RATE. The last clip is filled by repeating its last frame; the filling is not written.

            Examples:
              ffmpeg -i in.mp4 -f yuv4mpegpipe - | vtfilter reconstruct | ffplay -
              vtfilter reconstruct -i in.mp4 -o out.mp4
              vtfilter reconstruct -i in.mp4 --fit tile --part structure -o structure.mp4
            """)

    /// A clip of 8192x4096 pixels and 8 frames, or of 4K and 32: 3 GB while it is put together.
    private static let maximumClipPixels = 1 << 28

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Streams") var streams: StreamOptions

    @Option(help: "Which latents are decoded: all, structure or dynamics.")
    var part: Part = .all

    @Option(help: ArgumentHelp("Frames that clips share and cross-fade.", valueName: "n"))
    var overlap = 0

    @Option(
        help: ArgumentHelp("Pixels that tiles share at least, with --fit tile.", valueName: "n"))
    var tileOverlap = 32

    @Option(help: "inputs: input and result side by side.")
    var show: Show?

    @OptionGroup var sampling: SamplingOptions

    func validate() throws {
        if overlap < 0 { throw ValidationError("--overlap \(overlap): expected 0 or more") }
        if tileOverlap < 0 {
            throw ValidationError("--tile-overlap \(tileOverlap): expected 0 or more")
        }
        if show != nil && streams.fit != .crop {
            throw ValidationError("--show inputs goes with --fit crop")
        }
    }

    func run() throws {
        streams.words.configureLog()
        let interruption = Interruption()
        let opened = try model.open()
        let loaded = try model.load(opened)
        if overlap >= loaded.configuration.frames {
            throw UsageError(
                "--overlap \(overlap): expected 0 to \(loaded.configuration.frames - 1)")
        }
        let size = PictureSize(
            width: loaded.configuration.width, height: loaded.configuration.height)
        if tileOverlap >= min(size.width, size.height) {
            throw UsageError(
                "--tile-overlap \(tileOverlap): expected 0 to \(min(size.width, size.height) - 1)")
        }
        let reader = try streams.openInput(size, interruption.reading)
        let stream = reader.stream.resampled(to: streams.sampleRate)
        let frame = streams.fit == .tile ? reader.stream.size : size
        let pixels = frame.width * frame.height * loaded.configuration.frames
        if pixels > Reconstruct.maximumClipPixels {
            throw VideoIOError.badInput(
                url: streams.input,
                problem:
                    "--fit tile: expected at most \(Reconstruct.maximumClipPixels) pixels a clip, "
                    + "found \(pixels) in \(loaded.configuration.frames) frames of \(frame)")
        }
        let shown = PictureSize(width: frame.width * (show == nil ? 1 : 2), height: frame.height)
        let writer = try streams.openOutput(
            like: stream, shown, undoing: streams.fit, inputs: opened.files.paths,
            interruption.reading)
        let progress = try streams.progress.start(
            streams.words, total: streams.expectedFrames(stream),
            inputs: [streams.input] + opened.files.paths)
        var options = Session.Options()
        options.part = part
        options.samplingSeed = sampling.samplingSeed
        options.overlap = overlap
        if streams.fit == .tile {
            let tiling = Tiling(
                width: frame.width, height: frame.height, tileWidth: size.width,
                tileHeight: size.height, overlap: tileOverlap)
            Log.debug("\(tiling.count) tiles of \(size) for a frame of \(frame)")
            options.tiling = tiling
        }
        let reading = BackgroundReader(
            reader, rate: streams.sampleRate, gap: streams.description.gap.maximum,
            capacity: 2 * loaded.configuration.frames)
        var frames = SessionFrames(
            Session(model: loaded, options: options), showsInput: show != nil)
        let job = StreamJob(
            interruption: interruption, progress: progress,
            ahead: 2 * loaded.configuration.frames)
        try job.run(reading: reading, writing: writer) { send in
            var rest = StreamItem()
            while let item = reading.queue.pop() {
                guard let frame = item.frame else {
                    rest = item
                    break
                }
                try frames.push(frame, item).forEach(send)
                if interruption.signal != nil { return nil }
            }
            if interruption.signal != nil { return nil }
            try frames.finish().forEach(send)
            try send(rest)
            return reading.fault
        }
    }
}

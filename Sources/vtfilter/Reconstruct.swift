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
            ffmpeg -i in.mp4 -f yuv4mpegpipe - | vtfilter reconstruct | ffplay -

            y4m and NUT describe themselves; raw frames need -f rawvideo -s WxH --pix-fmt FMT -r \
            RATE. The last clip is filled by repeating its last frame; the filling is not written.
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Streams") var streams: StreamOptions

    @Option(help: "Which latents are decoded: all, structure or dynamics.")
    var part: Part = .all

    @Option(help: ArgumentHelp("Frames that clips share and cross-fade.", valueName: "n"))
    var overlap = 0

    @Option(help: "inputs: input and result side by side.")
    var show: Show?

    @Flag(help: "Sample the latents; their mean otherwise.")
    var sample = false

    @Option(help: ArgumentHelp("Seed of the sampling.", valueName: "n"))
    var seed: UInt64?

    func validate() throws {
        if overlap < 0 { throw ValidationError("--overlap \(overlap): expected 0 or more") }
        if show != nil && streams.fit != .crop {
            throw ValidationError("--show inputs goes with --fit crop")
        }
        if seed != nil && !sample { throw ValidationError("--seed goes with --sample") }
    }

    func run() throws {
        streams.configureLog()
        let interruption = Interruption()
        let loaded = try model.load()
        if overlap >= loaded.configuration.frames {
            throw VideoIOError.usage(
                "--overlap \(overlap): expected 0 to \(loaded.configuration.frames - 1)")
        }
        let size = PictureSize(
            width: loaded.configuration.width, height: loaded.configuration.height)
        let reader = try streams.openInput(size, interruption.reading)
        let stream = reader.stream.resampled(to: streams.sampleRate)
        let shown = PictureSize(width: size.width * (show == nil ? 1 : 2), height: size.height)
        let writer = try streams.openOutput(like: stream, shown, undoing: streams.fit)
        interruption.protect(writer.temporaryPath)
        let progress = try Progress(streams, total: streams.expectedFrames(stream))
        var options = Session.Options()
        options.part = part
        options.samplingSeed = sample ? seed ?? 0 : nil
        options.overlap = overlap
        let session = Session(model: loaded, options: options)
        let pipeline = Pipeline(
            reader: reader, rate: streams.sampleRate, writer: writer, showsInput: show != nil,
            interruption: interruption, progress: progress)
        try pipeline.run(clip: loaded.configuration.frames, session)
    }
}

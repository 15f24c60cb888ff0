import ArgumentParser
import VidTwin
import VideoIO

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

    @Flag(help: "Sample the latents; their mean otherwise.")
    var sample = false

    @Option(help: ArgumentHelp("Seed of the sampling.", valueName: "n"))
    var seed: UInt64?

    func validate() throws {
        if seed != nil && !sample { throw ValidationError("--seed goes with --sample") }
    }

    func run() throws {
        streams.configureLog()
        let interruption = Interruption()
        let loaded = try model.load()
        let size = PictureSize(
            width: loaded.configuration.width, height: loaded.configuration.height)
        let reader = try streams.openInput(size, interruption.reading)
        let writer = try streams.openOutput(like: reader.stream, size)
        interruption.protect(writer.temporaryPath)
        let progress = try Progress(streams, total: streams.expectedFrames(reader.stream))
        var options = Session.Options()
        options.part = part
        options.samplingSeed = sample ? seed ?? 0 : nil
        let session = Session(model: loaded, options: options)
        try Pipeline(reader: reader, writer: writer, interruption: interruption, progress: progress)
            .run(clip: loaded.configuration.frames, session)
    }
}

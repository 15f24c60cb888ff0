import ArgumentParser
import LatentIO
import VidTwin
import VideoIO

/// `vtfilter decode`
struct Decode: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Decode latents to a stream of frames.",
        discussion: """
            Reads what encode writes. Rate, timestamps, size, pixel format and number of frames come \
            back from the stream; -f, -s, --pix-fmt and -r change the output (y4m unless said otherwise).

            Examples:
              vtfilter decode < latents.tar | ffplay -
              vtfilter decode -i latents.tar -o out.mp4
              vtfilter encode -i in.mp4 | vtfilter decode --part structure -o still.mp4
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Output") var file: FileOptions
    @OptionGroup(title: "Words") var words: WordOptions
    @OptionGroup(title: "Words") var progress: ProgressOptions

    @Option(
        name: [.customShort("i"), .long], help: ArgumentHelp("Latents, or -.", valueName: "file"))
    var input = "-"

    @Option(
        name: [.customShort("o"), .long], help: ArgumentHelp("A video, or -.", valueName: "file"))
    var output = "-"

    @Option(
        name: [.customShort("f"), .customLong("format"), .customLong("output-format")],
        help: ArgumentHelp("Output format.", valueName: "format"))
    var format: String?

    @Option(
        name: [.customShort("s"), .customLong("size")],
        help: ArgumentHelp("Output size, whatever the latents say.", valueName: "WxH"))
    var size: Parsed<PictureSize>?

    @Option(
        name: [.customLong("pix-fmt"), .customLong("output-pix-fmt")],
        help: ArgumentHelp("Output pixel format.", valueName: "format"))
    var pixelFormat: String?

    @Option(
        name: [.customShort("r"), .customLong("rate")],
        help: ArgumentHelp("Output rate, whatever the latents say.", valueName: "rate"))
    var rate: Parsed<Rational>?

    @Option(
        help: ArgumentHelp(
            "Which video of a stream that holds several: its samples' name without the number.",
            valueName: "name"))
    var name: String?

    @Option(help: "Which latents are decoded: all, structure or dynamics.")
    var part: Part = .all

    @OptionGroup(title: "Output") var gap: GapOptions

    @Flag(help: "Decode latents of another model where shapes agree.")
    var force = false

    func validate() throws {
        try size?.check("-s")
        try rate?.check("-r")
    }

    func run() throws {
        words.configureLog()
        let interruption = Interruption()
        let opened = try model.open()
        let loaded = try model.load(opened)
        let source = try LatentInput(input)
        let clips = ModelLatents(
            try source.clips(named: name, interruption.reading), for: loaded,
            ModelIdentity(opened), isForced: force, part: part)
        let inputs = [input] + opened.files.paths
        let told = try progress.start(words, total: nil, inputs: inputs)
        let job = StreamJob(
            interruption: interruption, progress: told, ahead: 2 * loaded.configuration.frames)
        var next: ModelLatents.Clip?
        var frames = ClipFrames(depth: .eight, constantRate: rate != nil)
        /// What the first sample tells of the video.
        func open() throws -> VideoWriter {
            next = try clips.next()
            if let signal = interruption.signal { throw Interrupted(signal: signal) }
            guard let info = next?.sample.info else { throw source.noLatents }
            let c = loaded.configuration
            let size = PictureSize(width: c.width, height: c.height)
            let stream = try info.stream(size, place: input).resampled(to: rate?.value)
            frames = ClipFrames(
                depth: stream.bitDepth > 8 ? .sixteen : .eight, constantRate: rate != nil)
            var options = file.output(output, format: format, pixelFormat: pixelFormat)
            (options.inputs, options.cancellation) = (inputs, interruption.reading)
            options.size = self.size?.value
            options.maximumGap = gap.maximum
            let writer = try VideoWriter(
                options, like: stream, size: size, undoing: Fit(rawValue: info.fit) ?? .crop)
            for note in writer.notes { Log.warning(note) }
            return writer
        }
        try job.run(writing: try open()) { send in
            var fault: LatentError?
            do {
                while let clip = next, interruption.signal == nil {
                    let decoded = try loaded.decoded(clip.latents, part: clip.part)
                    for frame in try frames.take(decoded, clip.sample) {
                        try send(StreamItem(frame))
                    }
                    next = try clips.next()
                }
            } catch let error as LatentError {
                fault = error  // after whole samples
            }
            for frame in frames.finish() { try send(StreamItem(frame)) }
            return fault
        }
    }
}

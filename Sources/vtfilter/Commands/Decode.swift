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

            With -o FOLDER/ every video of the stream becomes a file below the folder, at its path in the set \
            that encode --data-dir read; a .tar of it, or several: cat set/*.tar | vtfilter decode -o FOLDER/. \
            A file keeps its ending where that is one of avi, mkv, mov, mp4, nut, ts, webm and y4m; others \
            get .mp4 behind it, and with -f all get that format's where they have another.

            Examples:
              vtfilter decode < latents.tar | ffplay -
              vtfilter decode -i latents.tar -o out.mp4
              vtfilter encode -i in.mp4 | vtfilter decode --part structure -o still.mp4
              vtfilter decode -i set/shard-000000.tar -o videos/
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Output") var file: FileOptions
    @OptionGroup(title: "Words") var words: WordOptions
    @OptionGroup(title: "Words") var progress: ProgressOptions

    @Option(
        name: [.customShort("i"), .long], help: ArgumentHelp("Latents, or -.", valueName: "file"))
    var input = "-"

    @Option(
        name: [.customShort("o"), .long],
        help: ArgumentHelp("A video, - or FOLDER/.", valueName: "file"))
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

    @Flag(
        help: "With -o FOLDER/: leave files that are there as they are, and go on with the others.")
    var resume = false

    @Flag(help: "Decode latents of another model where shapes agree.")
    var force = false

    func validate() throws {
        try size?.check("-s")
        try rate?.check("-r")
        if isFolder {
            if name != nil {
                throw ValidationError("--name picks one video; -o FOLDER/ takes all of them")
            }
            if resume, file.overwrite {
                throw ValidationError("--resume and -y exclude each other")
            }
        } else if resume {
            throw ValidationError("--resume goes with -o FOLDER/")
        }
    }

    /// Whether every video becomes a file.
    var isFolder: Bool { output.hasSuffix("/") }

    /// The video that a sample is of, as it is written.
    func stream(of info: LatentInfo, _ c: Configuration) throws -> VideoStreamInfo {
        let size = PictureSize(width: c.width, height: c.height)
        return try info.stream(size, place: input).resampled(to: rate?.value)
    }

    /// Frames of such a video.
    func frames(of stream: VideoStreamInfo) -> ClipFrames {
        ClipFrames(depth: stream.bitDepth > 8 ? .sixteen : .eight, constantRate: rate != nil)
    }

    /// How a video is written.
    func options(
        _ url: String, inputs: [String], _ interruption: Interruption
    ) -> OutputOptions {
        var options = file.output(url, format: format, pixelFormat: pixelFormat)
        (options.inputs, options.cancellation) = (inputs, interruption.reading)
        (options.size, options.maximumGap) = (size?.value, gap.maximum)
        return options
    }

    func run() throws {
        words.configureLog()
        if isFolder { return try runFolder() }
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
            let stream = try stream(of: info, c)
            frames = self.frames(of: stream)
            let writer = try VideoWriter(
                options(output, inputs: inputs, interruption), like: stream,
                size: PictureSize(width: c.width, height: c.height),
                undoing: Fit(rawValue: info.fit) ?? .crop)
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

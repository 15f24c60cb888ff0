import ArgumentParser
import Glibc
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
    var size: String?

    @Option(
        name: [.customLong("pix-fmt"), .customLong("output-pix-fmt")],
        help: ArgumentHelp("Output pixel format.", valueName: "format"))
    var pixelFormat: String?

    @Option(
        name: [.customShort("r"), .customLong("rate")],
        help: ArgumentHelp("Output rate, whatever the latents say.", valueName: "rate"))
    var rate: String?

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
        if let size, PictureSize(size) == nil {
            throw ValidationError("-s \(size): expected a size such as 224x224")
        }
        if let rate, Rational(frameRate: rate) == nil {
            throw ValidationError("-r \(rate): expected a rate such as 25 or 24000/1001")
        }
    }

    func run() throws {
        words.configureLog()
        let interruption = Interruption()
        let opened = try model.open()
        let loaded = try model.load(opened)
        let identity = ModelIdentity(opened)
        let source = try LatentInput(input)
        let reader = try source.clips(named: name, interruption.reading)
        let told = try Progress(
            progress, quiet: words.quiet, total: nil, inputs: [input] + opened.files.paths)
        var sink: FrameSink?
        var fault: (any Error)?
        do {
            while let sample = try reader.next(), interruption.signal == nil {
                try identity.check(sample, force: force)
                let (latents, available) = try Latents.of(sample, for: loaded)
                let wanted = part == .all ? available : part
                if available != .all, wanted != available {
                    throw VideoIOError.usage(
                        "--part \(part.rawValue): the latents hold \(available.rawValue) only")
                }
                let open =
                    try sink
                    ?? openSink(
                        sample.info, loaded, inputs: [input] + opened.files.paths, interruption)
                sink = open
                let clip = try loaded.decode(latents, part: wanted)
                told.wrote(try open.write(clip, sample, loaded))
            }
        } catch let error as LatentError {
            fault = error  // after whole samples
        } catch {
            told.end()
            sink?.writer.abandon()
            throw error
        }
        if let sink {
            do { told.wrote(try sink.finish(loaded)) } catch {
                told.end()
                sink.writer.abandon()
                throw error
            }
        }
        told.end()
        if let sink {
            try sink.writer.conclude(signal: interruption.signal, fault: fault)
        } else if fault == nil, interruption.signal == nil {
            throw source.noLatents
        }
        if let signal = interruption.signal { throw Interrupted(signal: signal) }
        if let fault { throw fault }
    }

    private func openSink(
        _ info: LatentInfo, _ model: VidTwinModel, inputs: [String],
        _ interruption: Interruption
    ) throws -> FrameSink {
        let forced = rate.flatMap { Rational(frameRate: $0) }
        let c = model.configuration
        let size = PictureSize(width: c.width, height: c.height)
        let stream = try info.stream(size, place: input).resampled(to: forced)
        var options = file.output(output, format: format, pixelFormat: pixelFormat)
        (options.inputs, options.cancellation) = (inputs, interruption.reading)
        options.size = self.size.flatMap { PictureSize($0) }
        options.maximumGap = gap.maximum
        let writer = try VideoWriter(
            options, like: stream, size: size, undoing: Fit(rawValue: info.fit) ?? .crop)
        for note in writer.notes { Log.warning(note) }
        return FrameSink(
            writer: writer, depth: stream.bitDepth > 8 ? .sixteen : .eight,
            constantRate: forced != nil)
    }
}

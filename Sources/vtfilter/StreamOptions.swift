public import ArgumentParser
public import VidTwin
public import VideoIO

extension Fit: ExpressibleByArgument {}
extension Part: ExpressibleByArgument {}

/// Where frames come from and go to.
struct StreamOptions: ParsableArguments {
    @OptionGroup var file: FileOptions
    @OptionGroup var words: WordOptions
    @OptionGroup var progress: ProgressOptions

    @Option(
        name: [.customShort("i"), .long],
        help: ArgumentHelp("A file, or - for standard input.", valueName: "file"))
    var input = "-"

    @Option(
        name: [.customShort("o"), .long],
        help: ArgumentHelp("A file, or - for standard output.", valueName: "file"))
    var output = "-"

    @Option(
        name: [.customShort("f"), .customLong("format")],
        help: ArgumentHelp("Input format; rawvideo is never guessed.", valueName: "format"))
    var format: String?

    @Option(
        name: [.customShort("s"), .customLong("size")],
        help: ArgumentHelp("Size of raw frames.", valueName: "WxH"))
    var size: String?

    @Option(
        name: .customLong("pix-fmt"),
        help: ArgumentHelp("Pixel format of raw frames.", valueName: "format"))
    var pixelFormat: String?

    @Option(
        name: [.customShort("r"), .customLong("rate")],
        help: ArgumentHelp("Rate of raw frames: 25, 24000/1001, ntsc.", valueName: "rate"))
    var rate: String?

    @Option(
        help: ArgumentHelp(
            "Output format (default: the input's, or by file name).", valueName: "format"))
    var outputFormat: String?

    @Option(
        name: .customLong("output-pix-fmt"),
        help: ArgumentHelp("Output pixel format (default: the input's).", valueName: "format"))
    var outputPixelFormat: String?

    @Option(
        help: ArgumentHelp("Colour matrix, whatever the input says: bt709, ...", valueName: "name"))
    var matrix: String?

    @Option(
        help: ArgumentHelp("Colour range, whatever the input says: tv or pc.", valueName: "name"))
    var range: String?

    @Option(help: ArgumentHelp("Frames to leave out at the start.", valueName: "n"))
    var skip = 0

    @Option(help: ArgumentHelp("Frames to process at most.", valueName: "n"))
    var frames: Int?

    @Option(
        name: .customLong("sample-fps"),
        help: ArgumentHelp(
            "Choose frames by time at this rate, which the output then has.", valueName: "rate"))
    var sampleFPS: String?

    @Option(
        help: ArgumentHelp(
            "How frames are brought to the model's size: crop; pad, stretch and tile give the "
                + "input's size back."))
    var fit: Fit = .crop

    func validate() throws {
        if skip < 0 { throw ValidationError("--skip \(skip): expected 0 or more") }
        if let frames, frames < 0 {
            throw ValidationError("--frames \(frames): expected 0 or more")
        }
        if let size, PictureSize(size) == nil {
            throw ValidationError("-s \(size): expected a size such as 224x224")
        }
        if let sampleFPS, (Rational(frameRate: sampleFPS)?.value ?? .infinity) > 1000 {
            throw ValidationError("--sample-fps \(sampleFPS): expected a rate up to 1000")
        }
        if let rate, Rational(frameRate: rate) == nil {
            throw ValidationError("-r \(rate): expected a rate such as 25 or 24000/1001")
        }
    }

    /// The rate of `--sample-fps`.
    var sampleRate: Rational? { sampleFPS.flatMap { Rational(frameRate: $0) } }

    /// Opens the input for frames of the model's size and says what happens to the picture.
    func openInput(_ size: PictureSize, _ cancellation: Cancellation) throws -> VideoReader {
        var options = InputOptions(url: input)
        options.format = format
        options.size = self.size.flatMap { PictureSize($0) }
        options.pixelFormat = pixelFormat
        options.frameRate = rate.flatMap { Rational(frameRate: $0) }
        options.matrix = matrix
        options.range = range
        options.skip = skip
        options.frames = frames
        let reader = try VideoReader(
            options, fit: fit, size: fit == .tile ? nil : size, cancellation: cancellation)
        if reader.stream.size != size, fit == .crop {
            Log.notice(
                "frames of \(reader.stream.size) are scaled and cropped to the model's \(size); the "
                    + "output has that size (--fit crop)")
        }
        Log.debug(
            "input: \(reader.stream.format), \(reader.stream.size), \(reader.stream.pixelFormat), "
                + "\(reader.stream.frameRate.map { "\($0)" } ?? "variable") frames/s, "
                + (reader.stream.audio == nil ? "no audio" : "audio"))
        return reader
    }

    /// Opens the output for frames like the input's, of the model's size.
    func openOutput(
        like stream: VideoStreamInfo, _ size: PictureSize, undoing fit: Fit
    ) throws -> VideoWriter {
        let options = file.output(
            output, format: outputFormat, pixelFormat: outputPixelFormat)
        let writer = try VideoWriter(options, like: stream, size: size, undoing: fit)
        for note in writer.notes { Log.warning(note) }
        return writer
    }
}

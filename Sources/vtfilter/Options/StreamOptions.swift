public import ArgumentParser
public import VidTwin
public import VideoIO

extension Fit: ExpressibleByArgument {}

extension Fit {
    /// Says it where cropping changes the picture.
    func announce(_ found: PictureSize, model size: PictureSize) {
        guard self == .crop, found != size else { return }
        Log.notice(
            "frames of \(found) are scaled and cropped to the model's \(size); the output has that "
                + "size (--fit crop)")
    }
}

extension VideoReader {
    /// Says what was decided while an input was opened.
    func say(_ name: String) {
        for note in notes { Log.warning("\(name == "-" ? "standard input" : name): \(note)") }
    }
}

extension Part: ExpressibleByArgument {}

/// Where frames come from and go to.
struct StreamOptions: ParsableArguments {
    @OptionGroup var file: FileOptions
    @OptionGroup var words: WordOptions
    @OptionGroup var progress: ProgressOptions
    @OptionGroup var description: InputDescription

    @Option(
        name: [.customShort("i"), .long],
        help: ArgumentHelp("A file, or - for standard input.", valueName: "file"))
    var input = "-"

    @Option(
        name: [.customShort("o"), .long],
        help: ArgumentHelp("A file, or - for standard output.", valueName: "file"))
    var output = "-"

    @Option(
        help: ArgumentHelp(
            "Output format (default: the input's, or by file name).", valueName: "format"))
    var outputFormat: String?

    @Option(
        name: .customLong("output-pix-fmt"),
        help: ArgumentHelp("Output pixel format (default: the input's).", valueName: "format"))
    var outputPixelFormat: String?

    @Option(help: ArgumentHelp("Frames to leave out at the start.", valueName: "n"))
    var skip = 0

    @Option(help: ArgumentHelp("Frames to process at most.", valueName: "n"))
    var frames: Int?

    @Option(
        name: .customLong("sample-fps"),
        help: ArgumentHelp(
            "Choose frames by time at this rate, which the output then has.", valueName: "rate"))
    var sampleFPS: Parsed<SampleRate>?

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
        try sampleFPS?.check("--sample-fps")
    }

    /// The rate of `--sample-fps`.
    var sampleRate: Rational? { sampleFPS?.value?.rate }

    /// Frames to come, where the input tells.
    func expectedFrames(_ stream: VideoStreamInfo) -> Int? {
        let rest = stream.frameCount.map { max($0 - skip, 0) }
        guard let frames else { return rest }
        return min(rest ?? frames, frames)
    }

    /// Opens the input for frames of the model's size and says what happens to the picture.
    func openInput(_ size: PictureSize, _ cancellation: Cancellation) throws -> VideoReader {
        var options = description.options(for: input)
        options.skip = skip
        options.frames = frames
        let reader = try VideoReader(
            options, fit: fit, size: fit == .tile ? nil : size, cancellation: cancellation)
        reader.say(input)
        fit.announce(reader.stream.size, model: size)
        Log.debug(
            "input: \(reader.stream.format), \(reader.stream.size), \(reader.stream.pixelFormat), "
                + "\(reader.stream.frameRate.map { "\($0)" } ?? "unknown") frames/s"
                + "\(reader.stream.isVariable ? " (variable), " : ", ")"
                + (reader.stream.copied?.hasSound == true ? "audio" : "no audio"))
        return reader
    }

    /// Opens the output for frames like the input's, of the model's size; it is none of `inputs`.
    func openOutput(
        like stream: VideoStreamInfo, _ size: PictureSize, undoing fit: Fit, inputs: [String],
        _ cancellation: Cancellation
    ) throws -> VideoWriter {
        var options = file.output(
            output, format: outputFormat, pixelFormat: outputPixelFormat)
        (options.inputs, options.cancellation) = (inputs, cancellation)
        options.isCut = skip > 0 || frames != nil
        options.maximumGap = description.gap.maximum
        if frames == 0, output != "-" {
            throw UsageError("--frames 0: a file of no frames is nothing; give 1 or more")
        }
        let writer = try VideoWriter(options, like: stream, size: size, undoing: fit)
        for note in writer.notes { Log.warning(note) }
        return writer
    }
}

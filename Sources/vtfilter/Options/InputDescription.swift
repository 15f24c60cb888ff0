import ArgumentParser
import VideoIO

/// What an input is, where it does not say so itself: raw frames, or colours that are not marked.
struct InputDescription: ParsableArguments {
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
        help: ArgumentHelp("Colour matrix, whatever the input says: bt709, ...", valueName: "name"))
    var matrix: String?

    @Option(
        help: ArgumentHelp("Colour range, whatever the input says: tv or pc.", valueName: "name"))
    var range: String?

    @Flag(help: "Make whole frames of interlaced ones, which have two fields.")
    var deinterlace = false

    @OptionGroup var gap: GapOptions

    func validate() throws {
        if let size, PictureSize(size) == nil {
            throw ValidationError("-s \(size): expected a size such as 224x224")
        }
        if let rate, Rational(frameRate: rate) == nil {
            throw ValidationError("-r \(rate): expected a rate such as 25 or 24000/1001")
        }
    }

    /// An input of this description.
    func options(for url: String) -> InputOptions {
        var options = InputOptions(url: url)
        options.format = format
        options.size = size.flatMap { PictureSize($0) }
        options.pixelFormat = pixelFormat
        options.frameRate = rate.flatMap { Rational(frameRate: $0) }
        options.matrix = matrix
        options.range = range
        options.deinterlaces = deinterlace
        return options
    }
}

/// How far apart frames may be where others are repeated between them.
struct GapOptions: ParsableArguments {
    @Option(
        name: .customLong("max-gap"),
        help: ArgumentHelp(
            "Longest time between two frames that is filled by repeating one, where a rate asks for "
                + "that (60).", valueName: "seconds"))
    var maximum = FrameSampler.maximumGap

    func validate() throws {
        if !(maximum > 0 && maximum.isFinite) {
            throw ValidationError("--max-gap \(maximum): expected seconds above 0")
        }
    }
}

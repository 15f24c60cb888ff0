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
    var size: Parsed<PictureSize>?

    @Option(
        name: .customLong("pix-fmt"),
        help: ArgumentHelp("Pixel format of raw frames.", valueName: "format"))
    var pixelFormat: String?

    @Option(
        name: [.customShort("r"), .customLong("rate")],
        help: ArgumentHelp("Rate of raw frames: 25, 24000/1001, ntsc.", valueName: "rate"))
    var rate: Parsed<Rational>?

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
        try size?.check("-s")
        try rate?.check("-r")
    }

    /// Whether it says what one input is.
    var isOfOneInput: Bool { format != nil || size != nil || pixelFormat != nil || rate != nil }

    /// What it changes of inputs that describe themselves, as text.
    var corrections: String {
        "matrix \(matrix ?? "its own"), range \(range ?? "its own")\(deinterlace ? ", deinterlaced" : ""), "
            + "gap \(gap.maximum)"
    }

    /// An input of this description.
    func options(for url: String) -> InputOptions {
        var options = InputOptions(url: url)
        options.format = format
        options.size = size?.value
        options.pixelFormat = pixelFormat
        options.frameRate = rate?.value
        options.matrix = matrix
        options.range = range
        options.deinterlaces = deinterlace
        return options
    }
}

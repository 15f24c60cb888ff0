import ArgumentParser
import VideoIO

/// How a video file is written.
struct FileOptions: ParsableArguments {
    @Option(
        name: .customLong("vcodec"),
        help: ArgumentHelp("Encoder of the output (default: the container's).", valueName: "name"))
    var codec: String?

    @Option(
        name: .customLong("acodec"),
        help: ArgumentHelp(
            "Encode sound anew (default: it is copied where the container takes it).",
            valueName: "name"))
    var audioCodec: String?

    @Option(
        help: ArgumentHelp("Quality of the output, for encoders that have it (18).", valueName: "n")
    )
    var crf: Int?

    @Flag(name: [.customShort("y"), .customLong("overwrite")], help: "Replace an existing output.")
    var overwrite = false

    /// Output options for a file or a pipe.
    func output(_ url: String, format: String?, pixelFormat: String?) -> OutputOptions {
        var options = OutputOptions(url: url)
        (options.format, options.pixelFormat) = (format, pixelFormat)
        (options.codec, options.crf, options.overwrite) = (codec, crf, overwrite)
        options.audioCodec = audioCodec
        return options
    }
}

import ArgumentParser
import Glibc
import VidTwin
import VideoIO

/// `vtfilter convert`
struct Convert: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a checkpoint's weights in one precision, once, for fast starts.",
        discussion: """
            The result is a .safetensors file with the weights that the model uses, its \
            configuration and the SHA-256 of the source; --checkpoint takes it without --config. \
            How it is computed with is still up to --precision.
            """)

    @Argument(help: "The checkpoint: .ckpt, .pt or .safetensors. Without it, the model's own.")
    var source: String?

    @Option(
        help: ArgumentHelp(
            "Its configuration file (default: config.yaml or one of its name beside it).",
            valueName: "file"))
    var config: String?

    @Option(
        help: ArgumentHelp("Instead: a bundled model or a folder.", valueName: "name|folder"))
    var model: String?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("The file to write, .safetensors.", valueName: "file"))
    var output: String

    @Option(help: "f32, bf16 or int8 (with scales).")
    var precision = ModelOptions.PrecisionOption.bf16

    @OptionGroup var words: WordOptions

    @Flag(name: [.customShort("y"), .customLong("overwrite")], help: "Replace an existing output.")
    var overwrite = false

    func validate() throws {
        if precision == .auto {
            throw ValidationError("--precision auto: expected f32, bf16 or int8")
        }
        if !output.hasSuffix(".safetensors") {
            throw ValidationError("-o \(output): expected a name that ends in .safetensors")
        }
        if source == nil && config != nil || source != nil && model != nil {
            throw ValidationError("expected a checkpoint with --config, or --model")
        }
    }

    func run() throws {
        words.configureLog()
        if !overwrite && access(output, F_OK) == 0 {
            throw VideoIOError.usage("\(output) exists; -y overwrites it")
        }
        var options = ModelOptions()
        (options.checkpoint, options.config, options.model) = (source, config, model)
        let files = try options.files()
        let start = Clock.now
        try Conversion(files, precision: precision.precision).write(to: output)
        var status = stat()
        stat(output, &status)
        Log.notice(
            "\(output): \(precision.rawValue), \(Clock.decimal(Double(status.st_size) * 1e-6, digits: 1)) "
                + "MB, in \(Clock.format(Clock.now - start)) s")
    }
}

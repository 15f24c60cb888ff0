import ArgumentParser
import Glibc
import TensorFiles
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

            Examples:
              vtfilter convert model.ckpt --config model.yaml -o model.safetensors
              vtfilter convert --model vidtwin-nano --precision int8 -o nano-int8.safetensors
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

    @Flag(
        help: ArgumentHelp(
            "Take the averaged weights (model_ema.*) of a checkpoint that has them beside the others."
        ))
    var ema = false

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
        if !output.hasSuffix(".safetensors"), !isPipe {
            throw ValidationError("-o \(output): expected a name that ends in .safetensors")
        }
        if source == nil && config != nil || source != nil && model != nil {
            throw ValidationError("expected a checkpoint with --config, or --model")
        }
    }

    /// Whether the output is not a file that gets a name.
    private var isPipe: Bool {
        output == "-" || FileIdentity(path: output).map { !$0.isRegular } ?? false
    }

    /// What the file takes, once it is there.
    private var size: String {
        var status = stat()
        if isPipe || output.withPathBytes({ stat($0, &status) }) != 0 { return "" }
        return ", \(Clock.decimal(Double(status.st_size) * 1e-6, digits: 1)) MB"
    }

    func run() throws {
        words.configureLog()
        _ = Interruption(.atOnce)
        var options = ModelOptions()
        (options.checkpoint, options.config, options.model) = (source, config, model)
        options.ema = ema
        let opened = try options.open()
        let start = Clock.now
        let file = try NewFile(
            output, overwrite: overwrite,
            inputs: opened.files.paths.compactMap { FileIdentity(path: $0) })
        try Conversion(opened, precision: precision.precision).write(to: file)
        Log.notice(
            "\(output.visible): \(precision.rawValue)\(size), in "
                + "\(Clock.format(Clock.now - start)) s")
    }
}

import ArgumentParser
import VidTwin

/// Which model, and how it computes: the same for every subcommand.
struct ModelOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A published configuration file.", valueName: "file"))
    var config: String?

    @Option(
        name: [.customLong("checkpoint"), .customLong("ckpt")],
        help: ArgumentHelp("Its weights: .ckpt, .pt or .safetensors.", valueName: "file"))
    var checkpoint: String?

    @Option(
        help: ArgumentHelp(
            "A bundled model, or a folder with config.yaml and model.safetensors (default: "
                + "$VIDTWIN_MODEL, else \(ModelFiles.bundledName)).",
            valueName: "name|folder"))
    var model: String?

    @Option(help: "f32, or auto (f32 in this version; bf16 and int8 are to come).")
    var precision: Precision = .auto

    @Option(help: ArgumentHelp("Threads that compute (default: all CPUs).", valueName: "n"))
    var threads: Int?

    enum Precision: String, ExpressibleByArgument {
        case f32, auto
    }

    func validate() throws {
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads \(threads): expected 1 to 1024")
        }
        if (config == nil) != (checkpoint == nil) {
            throw ValidationError("--config and --checkpoint go together; one of them is missing")
        }
        if config != nil && model != nil {
            throw ValidationError("--model names both files; leave out --config and --checkpoint")
        }
    }

    /// The files that the options name.
    func files() throws -> ModelFiles {
        if let config, let checkpoint {
            return ModelFiles(configuration: config, checkpoint: checkpoint)
        }
        return try ModelFiles(chosen: model)
    }

    /// Loads the model.
    func load() throws -> VidTwinModel {
        let files = try files()
        let start = Clock.now
        let configuration = try Configuration(path: files.configuration)
        for note in configuration.notes { Log.notice("\(files.configuration): \(note)") }
        let model = try VidTwinModel(
            configuration: configuration, checkpoint: try Checkpoint(path: files.checkpoint),
            device: Device(threads: threads))
        Log.debug(
            "model \(files.checkpoint): \(model.parameterCount) weights, float32, "
                + "\(model.device.threads) threads, loaded in \(Clock.format(Clock.now - start)) s")
        return model
    }
}

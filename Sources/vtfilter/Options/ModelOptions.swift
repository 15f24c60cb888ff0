import ArgumentParser
import TensorFiles
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

    @Option(help: "f32, bf16, int8, or auto: bf16 where the CPU has instructions for it, else f32.")
    var precision: PrecisionOption = .auto

    @Option(help: ArgumentHelp("Threads that compute (default: all CPUs).", valueName: "n"))
    var threads: Int?

    enum PrecisionOption: String, ExpressibleByArgument, CaseIterable {
        case f32, bf16, int8, auto

        var precision: Precision { Precision(rawValue: rawValue) ?? .automatic }
    }

    func validate() throws {
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads \(threads): expected 1 to 1024")
        }
        if (config != nil || checkpoint != nil) && model != nil {
            throw ValidationError("--model names both files; leave out --config and --checkpoint")
        }
    }

    /// The files that the options name.
    func files() throws -> ModelFiles {
        if let checkpoint {
            if let config { return ModelFiles(configuration: config, checkpoint: checkpoint) }
            guard let files = try ModelFiles(checkpoint: checkpoint) else {
                throw ValidationError(
                    "--config and --checkpoint go together; \(checkpoint) carries no configuration, "
                        + "and none of its name is beside it")
            }
            return files
        }
        if config != nil {
            throw ValidationError("--config and --checkpoint go together; --checkpoint is missing")
        }
        return try ModelFiles(chosen: model)
    }

    /// Loads the model; a seed for random weights takes the place of the checkpoint.
    func load(randomWeights: UInt64? = nil) throws -> VidTwinModel {
        let start = Clock.now
        let (device, precision) = (Device(threads: threads), precision.precision)
        let (model, what): (VidTwinModel, String)
        if let randomWeights {
            let path = try config ?? files().configuration
            model = try VidTwinModel(
                configuration: try configuration(path), randomSeed: randomWeights, device: device,
                precision: precision)
            what = "\(path) with random weights"
        } else {
            let files = try files()
            model = try VidTwinModel(
                configuration: try configuration(files.configuration),
                checkpoint: try Checkpoint(path: files.checkpoint), device: device,
                precision: precision)
            what = files.checkpoint
        }
        Log.debug(
            "model \(what): \(model.parameterCount) weights, \(precision.means)"
                + "\(self.precision == .auto ? " (auto)" : ""), "
                + "\(model.device.threads) threads, loaded in \(Clock.format(Clock.now - start)) s")
        return model
    }

    private func configuration(_ path: String) throws -> Configuration {
        let configuration = try Configuration(path: path)
        for note in configuration.notes { Log.notice("\(path): \(note)") }
        return configuration
    }
}

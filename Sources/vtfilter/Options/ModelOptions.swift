import ArgumentParser
import TensorFiles
import VidTwin

/// Which model, and how it computes: the same for every subcommand.
struct ModelOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A published configuration file.", valueName: "file"))
    var config: String?

    @Option(
        name: [.customLong("checkpoint"), .customLong("ckpt")],
        help: ArgumentHelp(
            "Its weights: .ckpt, .pt, .safetensors or .safetensors.index.json.", valueName: "file"))
    var checkpoint: String?

    @Option(
        help: ArgumentHelp(
            "A bundled model, or a folder with config.yaml and model.safetensors (default: "
                + "$VIDTWIN_MODEL, else \(ModelFiles.bundledName)).",
            valueName: "name|folder"))
    var model: String?

    @Flag(
        help: ArgumentHelp(
            "Take the averaged weights (model_ema.*) of a checkpoint that has them beside the others."
        ))
    var ema = false

    @Option(help: "f32, bf16, int8, or auto: bf16 where the CPU has instructions for it, else f32.")
    var precision: PrecisionOption = .auto

    @OptionGroup var threads: ThreadOptions

    enum PrecisionOption: String, ExpressibleByArgument, CaseIterable {
        case f32, bf16, int8, auto

        var precision: Precision { Precision(rawValue: rawValue) ?? .automatic }
    }

    func validate() throws {
        if (config != nil || checkpoint != nil) && model != nil {
            throw ValidationError("--model names both files; leave out --config and --checkpoint")
        }
    }

    /// The files that the options name, before they are opened.
    func paths() throws -> [String] {
        if let checkpoint { return [checkpoint] + (config.map { [$0] } ?? []) }
        return try ModelFiles(chosen: model).paths
    }

    /// The configuration file that the options name, or the checkpoint that carries one.
    func configurationPath() throws -> String {
        if let config { return config }
        return try checkpoint == nil
            ? ModelFiles(chosen: model).configuration
            : open(saysNotes: false).files.configuration
    }

    /// Opens the files that the options name.
    func open(saysNotes: Bool = true) throws -> OpenedModel {
        let opened: OpenedModel
        if let checkpoint, let config {
            opened = try OpenedModel(
                ModelFiles(configuration: config, checkpoint: checkpoint), averaged: ema)
        } else if let checkpoint {
            guard let found = try OpenedModel(checkpoint: checkpoint, averaged: ema) else {
                throw UsageError(
                    "--config and --checkpoint go together; \(checkpoint) carries no configuration, "
                        + "and none of its name is beside it")
            }
            opened = found
        } else if config != nil {
            throw UsageError("--config and --checkpoint go together; --checkpoint is missing")
        } else {
            opened = try OpenedModel(ModelFiles(chosen: model), averaged: ema)
        }
        if saysNotes { for note in opened.notes { Log.notice(note) } }
        return opened
    }

    /// Builds the model of opened files.
    func load(_ opened: OpenedModel) throws -> VidTwinModel {
        try load(opened.files.checkpoint) { try opened.model(device: $0, precision: $1) }
    }

    /// Builds a model with random weights in the place of the checkpoint's.
    func load(randomWeights seed: UInt64) throws -> VidTwinModel {
        let path = try configurationPath()
        let configuration = try Configuration(path: path)
        for note in configuration.notes { Log.notice("\(path): \(note)") }
        return try load("\(path) with random weights") {
            try VidTwinModel(
                configuration: configuration, randomSeed: seed, device: $0, precision: $1)
        }
    }

    private func load(
        _ what: String, _ build: (Device, Precision) throws -> VidTwinModel
    ) throws -> VidTwinModel {
        let start = Clock.now
        let precision = precision.precision
        let model = try build(Device(threads: threads.count), precision)
        Log.debug(
            "model \(what): \(model.parameterCount) weights, \(precision.means)"
                + "\(self.precision == .auto ? " (auto)" : ""), "
                + "\(model.device.threads) threads, loaded in \(Clock.format(Clock.now - start)) s")
        return model
    }
}

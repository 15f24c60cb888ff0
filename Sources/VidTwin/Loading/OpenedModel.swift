public import TensorFiles

/// A model's files, opened once: what the configuration says, what the checkpoint holds and under
/// which names, and by what the weights are told from others.
public struct OpenedModel: Sendable {
    /// The files.
    public let files: ModelFiles
    /// What the configuration says.
    public let configuration: Configuration
    /// The checkpoint.
    public let checkpoint: Checkpoint
    /// What is to be said of the files, one sentence each.
    public let notes: [String]

    private let weights: ModelWeights

    /// Opens two files, the configuration first; `averaged` takes the weights that a training
    /// averaged, `copied` reads the checkpoint at once (`Checkpoint`).
    ///
    /// - Throws: `ModelError` and `CheckpointError`.
    public init(_ files: ModelFiles, averaged: Bool = false, copied: Bool = false) throws {
        let configuration =
            try files.configuration == files.checkpoint
            ? nil : Configuration(path: files.configuration)
        let checkpoint = try Checkpoint(path: files.checkpoint, copied: copied)
        try self.init(
            files, configuration ?? Configuration(carriedBy: checkpoint), checkpoint, averaged)
    }

    /// Opens a checkpoint whose configuration can be found: it carries it (`Conversion` wrote it), or
    /// there is a `config.yaml` or a file of the checkpoint's name beside it, or one of that name
    /// among the installed configurations. Nil where there is none.
    ///
    /// - Throws: `ModelError` and `CheckpointError`.
    public init?(checkpoint path: String, averaged: Bool = false, copied: Bool = false) throws {
        let checkpoint = try Checkpoint(path: path, copied: copied)
        if checkpoint.metadata[Conversion.configurationKey] != nil {
            try self.init(
                ModelFiles(configuration: path, checkpoint: path),
                Configuration(carriedBy: checkpoint), checkpoint, averaged)
            return
        }
        guard let found = ModelFiles.configuration(beside: path) else { return nil }
        try self.init(
            ModelFiles(configuration: found, checkpoint: path), Configuration(path: found),
            checkpoint, averaged)
    }

    private init(
        _ files: ModelFiles, _ configuration: Configuration, _ checkpoint: Checkpoint,
        _ averaged: Bool
    ) throws {
        (self.files, self.configuration, self.checkpoint) = (files, configuration, checkpoint)
        weights = try ModelWeights(
            checkpoint, for: VidTwinModel.plan(configuration), averaged: averaged)
        notes =
            configuration.notes.map { "\(files.configuration): \($0)" }
            + weights.notes.map { "\(files.checkpoint): \($0)" }
    }

    /// The SHA-256 that tells the weights from others: that of the file, or of the file that it was
    /// converted from; of averaged weights another. Reads the whole file where it carries none.
    public var checkpointSHA256: String {
        let digest = checkpoint.metadata[Conversion.sourceKey] ?? checkpoint.sha256
        return weights.isAveraged ? FileDigest.sha256(text: "\(digest) averaged") : digest
    }

    /// Number of weights, position tables apart; checks that names and shapes fit the configuration,
    /// without reading a value.
    ///
    /// - Throws: `ModelError.weights` with every name that does not fit.
    public func parameterCount() throws -> Int {
        let plan = VidTwinModel.plan(configuration)
        try plan.verify(weights, unused: VidTwinModel.isUnused)
        return plan.weightCount
    }

    /// Builds the model and fills it, strictly.
    ///
    /// - Throws: `ModelError.weights` with every name that does not fit, or `CheckpointError`.
    public func model(device: Device, precision: Precision = .float32) throws -> VidTwinModel {
        try VidTwinModel(configuration, weights: weights, device: device, precision: precision)
    }

    /// The SHA-256 of the configuration file, or of the configuration that the checkpoint carries.
    ///
    /// - Throws: `ModelError.configuration` where it cannot be read again.
    public func configurationSHA256() throws -> String {
        FileDigest.sha256(text: try configurationText())
    }

    /// The text of the configuration, for a file that carries it.
    func configurationText() throws -> String {
        if let text = checkpoint.metadata[Conversion.configurationKey],
            files.configuration == files.checkpoint
        {
            return text
        }
        return String(
            decoding: try Configuration.contents(of: files.configuration), as: UTF8.self)
    }

    /// The weights by the model's names.
    var source: any WeightSource { weights }
}

extension VidTwinModel {
    /// Checks that a checkpoint's names and shapes fit a configuration, without reading its values.
    ///
    /// - Returns: the number of weights, position tables apart.
    /// - Throws: `ModelError.weights` with every name that does not fit.
    public static func parameterCount(
        _ configuration: Configuration, _ checkpoint: Checkpoint
    ) throws -> Int {
        let plan = plan(configuration)
        try plan.verify(try ModelWeights(checkpoint, for: plan), unused: isUnused)
        return plan.weightCount
    }

    /// Builds the model and fills it with a checkpoint's weights, strictly.
    ///
    /// - Throws: `ModelError.weights` with every name that does not fit, `ModelError.memory` where its
    ///   weights, or the computation of one clip, would not find their memory, or `CheckpointError`.
    public convenience init(
        configuration: Configuration, checkpoint: Checkpoint, device: Device,
        precision: Precision = .float32
    ) throws {
        let weights = try ModelWeights(checkpoint, for: VidTwinModel.plan(configuration))
        try self.init(configuration, weights: weights, device: device, precision: precision)
    }
}

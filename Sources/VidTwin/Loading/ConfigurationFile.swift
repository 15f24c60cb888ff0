import TensorFiles

extension Configuration {
    /// Reads a configuration file with the keys of the published ones, or the configuration that a
    /// converted checkpoint carries.
    ///
    /// - Throws: `ModelError.configuration` with file, key path, expected and found.
    public init(path: String) throws {
        if path.hasSuffix(".safetensors") {
            try self.init(carriedBy: try Checkpoint(path: path))
        } else {
            try self.init(text: Configuration.contents(of: path), path: path)
        }
    }

    /// Reads the configuration that a checkpoint carries.
    ///
    /// - Throws: `ModelError.configuration`, where it carries none too.
    init(carriedBy checkpoint: Checkpoint) throws {
        guard let text = checkpoint.metadata[Conversion.configurationKey] else {
            throw ModelError.configuration(
                path: checkpoint.path, key: "metadata", expected: Conversion.configurationKey,
                found: "none: vtfilter convert writes it")
        }
        try self.init(text: Array(text.utf8), path: checkpoint.path)
    }
}

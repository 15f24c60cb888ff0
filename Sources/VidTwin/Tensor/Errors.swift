/// What can be wrong with a model's description, weights or input. Checkpoint files have
/// `CheckpointError`, which says what is wrong with the file as such.
public enum ModelError: Error, CustomStringConvertible, Sendable {
    /// A name whose shape differs between model and checkpoint.
    public struct Misshapen: Sendable {
        /// The checkpoint's name.
        public let name: String
        /// The shape that the configuration gives.
        public let expected: [Int]
        /// The shape in the checkpoint.
        public let found: [Int]

        package init(name: String, expected: [Int], found: [Int]) {
            (self.name, self.expected, self.found) = (name, expected, found)
        }
    }

    /// The configuration file: what, where (key path, line), expected, found.
    case configuration(path: String, key: String, expected: String, found: String)
    /// No model of this name or in this folder.
    case notFound(name: String, places: [String])
    /// The checkpoint's names or shapes do not fit the configuration: all of them at once.
    case weights(path: String, missing: [String], unexpected: [String], misshapen: [Misshapen])
    /// No memory for something of this size.
    case memory(what: String, bytes: Int)
    /// NaN or infinity among the results.
    case nonFinite(what: String, count: Int, of: Int)
    /// Latents or frames that do not have the model's shape.
    case shape(what: String, expected: [Int], found: [Int])

    /// One or more lines: what, where, expected, found.
    public var description: String {
        switch self {
        case .configuration(let path, let key, let expected, let found):
            return "\(path): \(key): expected \(expected), found \(found)"
        case .notFound(let name, let places):
            return "no model \(name): expected a folder with config.yaml and model.safetensors, "
                + "model.ckpt or model.pt; looked in "
                + places.prefix(6).joined(separator: ", ")
        case .weights(let path, let missing, let unexpected, let misshapen):
            var lines = ["\(path): the weights do not fit the configuration"]
            lines += ModelError.list("missing", missing)
            lines += ModelError.list("unexpected", unexpected)
            lines += ModelError.list(
                "of another shape",
                misshapen.map { "\($0.name): expected \($0.expected), found \($0.found)" })
            return lines.joined(separator: "\n")
        case .memory(let what, let bytes):
            return "no memory for \(what): \(bytes) bytes asked for"
        case .nonFinite(let what, let count, let total):
            return "\(what): \(count) of \(total) values are NaN or infinite; nothing of this clip "
                + "is written"
        case .shape(let what, let expected, let found):
            return "\(what): expected shape \(expected), found \(found)"
        }
    }

    private static func list(_ title: String, _ names: [String]) -> [String] {
        if names.isEmpty { return [] }
        return ["  \(title) (\(names.count)):"] + names.map { "    \($0)" }
    }
}

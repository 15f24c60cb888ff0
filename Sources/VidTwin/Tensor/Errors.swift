import VidTwinKernels

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
    /// A precision that cannot hold the model.
    case precision(String)
    /// A fault below the model: of the library that multiplies.
    case computation(String)
    /// NaN or infinity among the results.
    case nonFinite(what: String, count: Int, of: Int)
    /// Latents or frames that do not have the model's shape.
    case shape(what: String, expected: [Int], found: [Int])

    /// One line: what, where, expected, found; of many names the first, `details` has every one.
    public var description: String {
        switch self {
        case .configuration(let path, let key, let expected, let found):
            return "\(path): \(key): expected \(expected), found \(found)"
        case .notFound(let name, let places):
            return "no model \(name): expected a folder with config.yaml and model.safetensors, "
                + "model.ckpt or model.pt; looked in "
                + places.prefix(6).joined(separator: ", ")
        case .weights(let path, let missing, let unexpected, let misshapen):
            let kinds = [
                ModelError.summary("missing", missing),
                ModelError.summary("unexpected", unexpected),
                ModelError.summary("of another shape", misshapen.map(ModelError.briefly)),
            ]
            return "\(path): the weights do not fit the configuration: "
                + kinds.compactMap(\.self).joined(separator: "; ")
        case .memory(let what, let bytes):
            return "no memory for \(what)" + (bytes > 0 ? ": \(bytes) bytes asked for" : "")
        case .precision(let problem), .computation(let problem):
            return problem
        case .nonFinite(let what, let count, let total):
            return "\(what): \(count) of \(total) values are NaN or infinite; nothing of this clip "
                + "is written"
        case .shape(let what, let expected, let found):
            return "\(what): expected shape \(expected), found \(found)"
        }
    }

    /// The error of the kernels in the model's words; any other as it is.
    static func of(_ error: any Error) -> any Error {
        switch error {
        case ProductError.memory(let what, let bytes): ModelError.memory(what: what, bytes: bytes)
        case ProductError.unsupported(let problem): ModelError.precision(problem)
        case ProductError.library(let problem): ModelError.computation(problem)
        default: error
        }
    }

    /// Every name that does not fit, a line each; empty for other errors.
    public var details: [String] {
        guard case .weights(_, let missing, let unexpected, let misshapen) = self else { return [] }
        return missing.map { "missing: \($0)" } + unexpected.map { "unexpected: \($0)" }
            + misshapen.map { "of another shape: \(ModelError.words($0))" }
    }

    /// Whether `description` leaves names out that `details` has.
    public var isSummary: Bool {
        guard case .weights(_, let missing, let unexpected, let misshapen) = self else {
            return false
        }
        return [missing.count, unexpected.count, misshapen.count].contains {
            $0 > ModelError.namesInSummary
        }
    }

    /// Names of each kind in `description`: those of one layer of attention.
    private static let namesInSummary = 4

    /// The one line, and below it every name where it leaves names out.
    public var list: String {
        isSummary
            ? ([description] + details.map { "  \($0)" }).joined(separator: "\n") : description
    }

    private static func words(_ name: Misshapen) -> String {
        "\(name.name): expected \(name.expected), found \(name.found)"
    }

    private static func briefly(_ name: Misshapen) -> String {
        "\(name.name) (expected \(name.expected), found \(name.found))"
    }

    /// How many names there are, and the first of them.
    private static func summary(_ kind: String, _ names: [String]) -> String? {
        if names.isEmpty { return nil }
        return (names.count == 1 ? "1 name is \(kind): " : "\(names.count) names are \(kind): ")
            + names.prefix(namesInSummary).joined(separator: ", ")
            + (names.count > namesInSummary ? ", …" : "")
    }
}

import CVidTwinKernels
import Glibc
import TensorFiles

/// The files that make up a model: a configuration and a checkpoint.
public struct ModelFiles: Sendable, Equatable {
    /// The configuration file.
    public let configuration: String
    /// The checkpoint file.
    public let checkpoint: String

    /// Both.
    package var paths: [String] { [configuration, checkpoint] }

    /// The model that is used when none is named.
    public static let bundledName = "vidtwin-nano"

    /// These two files.
    public init(configuration: String, checkpoint: String) {
        (self.configuration, self.checkpoint) = (configuration, checkpoint)
    }

    /// A configuration for a checkpoint: a `config.yaml` or a file of its name beside it, or one of that
    /// name among the installed ones.
    static func configuration(beside checkpoint: String) -> String? {
        let parts = checkpoint.split(separator: "/", omittingEmptySubsequences: false)
        let folder = parts.dropLast().map { $0 + "/" }.joined()
        let name = parts.last?.split(separator: ".").dropLast().joined(separator: ".") ?? ""
        let places =
            ["\(folder)config.yaml", "\(folder)\(name).yaml"]
            + ModelFiles.installed("configs/vidtwin/\(name).yaml")
        return places.first { ModelFiles.isReadable($0) }
    }

    /// A folder with `config.yaml` and `model.safetensors`, `model.safetensors.index.json`,
    /// `model.ckpt` or `model.pt`; or the name of such a folder among the installed models.
    ///
    /// - Throws: `ModelError.notFound`.
    public init(named name: String) throws {
        let folders = name.contains("/") ? [name] : [name] + ModelFiles.installed("models/\(name)")
        for folder in folders {
            let configuration = "\(folder)/config.yaml"
            guard ModelFiles.isReadable(configuration) else { continue }
            for file in [
                "model.safetensors", "model.safetensors.index.json", "model.ckpt", "model.pt",
            ]
            where ModelFiles.isReadable("\(folder)/\(file)") {
                self.init(configuration: configuration, checkpoint: "\(folder)/\(file)")
                return
            }
        }
        throw ModelError.notFound(name: name, places: folders)
    }

    /// The model of this folder or name; for nil the one that the environment variable
    /// `VIDTWIN_MODEL` names, else the bundled one.
    ///
    /// - Throws: `ModelError.notFound`.
    public init(chosen name: String?) throws {
        let fromEnvironment = getenv("VIDTWIN_MODEL").map { String(path: $0) }
        try self.init(
            named: name ?? fromEnvironment.flatMap { $0.isEmpty ? nil : $0 }
                ?? ModelFiles.bundledName)
    }

    /// Where a bundled file or folder may be: beside the installed library or program, or in the
    /// checkout that it was built in.
    private static func installed(_ name: String) -> [String] {
        var folders: [String] = []
        for file in [libraryPath(), programPath()].compactMap({ $0 }) {
            var parts = file.split(separator: "/").map(String.init)
            while !parts.isEmpty {
                parts.removeLast()
                let folder = parts.map { "/" + $0 }.joined()
                for place in ["\(folder)/share/vidtwin/\(name)", "\(folder)/\(name)"]
                where !folders.contains(place) { folders.append(place) }
            }
        }
        return folders
    }

    /// The shared library that holds this code; nil, or what the program was called by, where it is
    /// part of a program.
    private static func libraryPath() -> String? {
        vt_library_path().flatMap { realPath(String(path: $0)) }
    }

    private static func programPath() -> String? {
        // Where /proc is missing, by the name that it was started with.
        realPath("/proc/self/exe") ?? vt_program_path().flatMap { realPath(String(path: $0)) }
    }

    private static func realPath(_ path: String) -> String? {
        guard let resolved = path.withPathBytes({ realpath($0, nil) }) else { return nil }
        defer { free(resolved) }
        return String(path: resolved)
    }

    private static func isReadable(_ path: String) -> Bool {
        path.withPathBytes { access($0, R_OK) } == 0
    }
}

import Glibc
import TensorFiles

/// Where `--progress` writes: a file that can be looked at while it grows, so it has its name from
/// the start; a pipe, device or descriptor as it is. Nobody who reads it can hold up the work.
package final class ProgressFile: Sendable {
    private let descriptor: Int32
    private let isOwned: Bool

    /// What reports begin with: those of a stream, those of a training run, one of no batch.
    private static let starts = ["frame=", "batch=", "elapsed="].map { Array($0.utf8) }

    /// Opens a file, or `-` for standard error. A file that is there is begun again where it is one
    /// of these, and refused otherwise.
    ///
    /// - Throws: `UsageError`.
    package init(_ path: String, inputs: [String]) throws {
        if path == "-" {
            (descriptor, isOwned) = (2, false)
            return
        }
        func refused(_ problem: String) -> UsageError {
            UsageError("--progress \(path): \(problem)")
        }
        let flags = O_NONBLOCK | O_CLOEXEC | O_NOCTTY
        let opened = path.withPathBytes { open($0, O_RDWR | O_CREAT | flags, 0o666) }
        // A device or a descriptor that can only be written.
        descriptor =
            opened >= 0 || errno != EACCES
            ? opened : path.withPathBytes { open($0, O_WRONLY | flags) }
        isOwned = true
        if descriptor < 0 { throw refused(String(cString: strerror(errno))) }
        guard let identity = FileIdentity(descriptor: descriptor), identity.isRegular else {
            return
        }
        if inputs.contains(where: { FileIdentity(path: $0) == identity }) {
            throw refused("it is an input; give another name")
        }
        var first = [UInt8](repeating: 0, count: ProgressFile.starts.map(\.count).max() ?? 0)
        let count = pread(descriptor, &first, first.count, 0)
        if count != 0, !ProgressFile.starts.contains(where: first.starts(with:)) {
            throw refused("exists and holds something else; give another name")
        }
        ftruncate(descriptor, 0)
    }

    deinit { if isOwned { close(descriptor) } }

    /// Writes lines, or leaves them out where a pipe is full.
    func write(_ lines: String) {
        var bytes = Array(lines.utf8)
        _ = Glibc.write(descriptor, &bytes, bytes.count)
    }
}

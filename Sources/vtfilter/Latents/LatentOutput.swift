import Glibc
import TensorFiles
import VideoIO

/// Where latents go: standard output, a pipe, or a file that gets its name when it is complete.
extension NewFile {
    /// Prepares an output of latents; files that are `inputs` are refused.
    ///
    /// - Throws: `NewFileError`, `VideoIOError.usage` for a terminal.
    static func latents(
        _ url: String, overwrite: Bool, inputs: [String], _ cancellation: Cancellation
    ) throws -> NewFile {
        if url == "-", isatty(1) == 1 {
            throw VideoIOError.usage(
                "standard output is a terminal: latents are not written to it; give -o FILE or a "
                    + "pipe")
        }
        return try NewFile(
            url, overwrite: overwrite, inputs: inputs.compactMap { FileIdentity(path: $0) },
            wake: cancellation.wakeDescriptor)
    }
}

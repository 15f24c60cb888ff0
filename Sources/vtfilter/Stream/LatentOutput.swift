import Glibc
import LatentIO
import TensorFiles
import VideoIO

/// Where latents go: standard output or a pipe, as a tar stream, or a file that gets its name when it
/// is complete, with all of them in one where its name says so.
final class LatentOutput: StreamOutput {
    /// The latents of a clip, and how many of its frames no clip before it had.
    typealias Item = (sample: LatentSample, frames: Int)

    private enum Form {
        case stream(LatentWriter)
        case archive(LatentArchiveWriter)
    }

    private let file: NewFile
    private let form: Form
    private var isEmpty = true

    /// Opens an output; files that are `inputs` are refused.
    ///
    /// - Throws: `NewFileError`, `UsageError` for a terminal.
    init(
        _ url: String, type: LatentType, overwrite: Bool, inputs: [String],
        _ cancellation: Cancellation
    ) throws {
        if url == "-", isatty(1) == 1 {
            throw UsageError(
                "standard output is a terminal: latents are not written to it; give -o FILE or a "
                    + "pipe")
        }
        file = try NewFile(
            url, overwrite: overwrite, inputs: inputs.compactMap { FileIdentity(path: $0) },
            wake: cancellation.wakeDescriptor)
        form =
            url.hasSuffix(".safetensors")
            ? .archive(try LatentArchiveWriter(file, type: type))
            : .stream(LatentWriter(try file.open(), type: type))
    }

    func write(_ item: Item) throws -> Int {
        switch form {
        case .stream(let writer): try writer.write(item.sample)
        case .archive(let writer): try writer.write(item.sample)
        }
        isEmpty = false
        return item.frames
    }

    func abandon() { file.abandon() }

    /// A file without samples is left out.
    func conclude(signal: Int32?, fault: (any Error)?) throws {
        let isEmptyFile = isEmpty && file.isSeekable
        if isEmptyFile {
            abandon()
        } else {
            do {
                switch form {
                case .stream(let writer): try writer.finish()
                case .archive(let writer): try writer.finish()
                }
            } catch {
                abandon()
                throw error
            }
            try file.finish()
        }
        if let signal { throw Interrupted(signal: signal) }
        if let fault { throw fault }
        if isEmptyFile {
            throw VideoIOError.badInput(url: file.place, problem: VideoWriter.nothing)
        }
        if isEmpty { Log.warning("no frames came: the output has no samples") }
    }
}

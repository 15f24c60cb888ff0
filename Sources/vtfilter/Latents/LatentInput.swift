import Glibc
import LatentIO
import VideoIO

/// Where latents come from.
final class LatentInput {
    let descriptor: Int32
    /// For messages.
    let place: String
    private let url: String

    /// Opens a file or a pipe; `-` is standard input.
    init(_ url: String) throws {
        self.url = url
        descriptor = url == "-" ? 0 : try Cancellation.open(url)
        place = url == "-" ? "standard input" : url
        var status = stat()
        if fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
            throw VideoIOError.badInput(url: place, problem: "expected latents, found a folder")
        }
    }

    deinit { if descriptor > 2 { close(descriptor) } }

    /// What to say where there are none.
    var noLatents: LatentError {
        .malformed(place: place, expected: "samples of latents", found: "none")
    }

    /// Whether the name is that of a .safetensors file.
    var isArchive: Bool { url.hasSuffix(".safetensors") }

    /// The samples as they stand in the file or come from the pipe, of which `start` was read before.
    func samples(
        start: [UInt8] = [], _ cancellation: Cancellation? = nil
    ) throws -> any LatentStream {
        if isArchive {
            guard let archive = try LatentArchive(path: url) else { throw noLatents }
            return archive
        }
        return LatentReader(
            descriptor: descriptor, place: place, start: start,
            cancelDescriptor: cancellation?.wakeDescriptor)
    }

    /// The clips of one video in their order; `name` picks one of several.
    func clips(
        named name: String? = nil, start: [UInt8] = [], _ cancellation: Cancellation
    ) throws -> OrderedLatents {
        OrderedLatents(try samples(start: start, cancellation), named: name, place: place)
    }
}

import CFFmpeg
import TensorFiles

/// Frames as pictures in files of their own, each of which has its name when it is complete: one of
/// the output's name, or numbered ones from 1 on.
struct PictureFiles {
    private let options: OutputOptions
    private let inputs: [FileIdentity]
    private let pattern: PicturePattern?
    private var count = 0

    /// Checks that none of the pictures is there already, unless they may be replaced.
    init(_ options: OutputOptions, _ stream: VideoStreamInfo) throws(VideoIOError) {
        self.options = options
        pattern = options.url == "-" ? nil : PicturePattern(options.url)
        inputs =
            options.inputs.compactMap { FileIdentity(path: $0) } + stream.pictures
            + (stream.identity.map { [$0] } ?? [])
        guard let pattern, !options.overwrite else { return }
        let isThere: Bool
        do throws(VideoIOError) { isThere = try pattern.numbers().contains { $0 > 0 } } catch {
            throw .failure(url: options.url, problem: "cannot be written: \(error)")
        }
        if isThere {
            throw .usage("\(options.url): pictures of such names exist; -y overwrites them")
        }
    }

    /// The first file.
    func first() throws(VideoIOError) -> ByteSink { try ByteSink(try file(1)) }

    /// A frame comes: it gets the next file.
    mutating func begin(_ sink: ByteSink) throws(VideoIOError) {
        count += 1
        if count == 1 { return }
        if pattern == nil, sink.isSeekable {
            throw .usage(
                "\(options.url): expected one frame, found more: a name with a number (%03d) makes a "
                    + "picture of each, --frames 1 of the first")
        }
        if pattern != nil { try sink.goOn(with: try file(count)) }
    }

    private func file(_ number: Int) throws(VideoIOError) -> NewFile {
        do throws(NewFileError) {
            return try NewFile(
                pattern?.path(number) ?? options.url, overwrite: options.overwrite, inputs: inputs,
                wake: options.cancellation?.wakeDescriptor)
        } catch {
            throw VideoIOError(error)
        }
    }
}

import Glibc
import TensorFiles
import VideoIO

/// Where the videos of a set go: a file each, which has its name when it is whole.
final class DecodedSet: StreamOutput {
    /// How a video is written.
    struct Opening: Sendable {
        let name: String
        let options: OutputOptions
        let stream: VideoStreamInfo
        let size: PictureSize
        let fit: Fit
    }

    enum Item: Sendable {
        case begin(Opening)
        case frame(RGBFrame)
        /// The video is whole.
        case end
        /// It is not; its frames so far are worth nothing.
        case discard
        /// One that was written is found not to have been whole.
        case remove(path: String)
    }

    /// The videos that could not be written, and why.
    private(set) var failures: [(name: String, problem: String)] = []
    /// Files that got their names.
    private(set) var written = 0
    private var open: (name: String, writer: VideoWriter)?

    func write(_ item: Item) throws -> Int {
        do throws(VideoIOError) {
            switch item {
            case .begin(let opening):
                let writer = try VideoWriter(
                    opening.options, like: opening.stream, size: opening.size,
                    undoing: opening.fit)
                for note in writer.notes { Log.warning("\(opening.name.visible): \(note)") }
                open = (opening.name, writer)
            case .frame(let frame):
                guard let open else { return 0 }
                try open.writer.write(frame)
                return 1
            case .end:
                guard let (name, writer) = open else { return 0 }
                for note in try writer.finish() { Log.warning("\(name.visible): \(note)") }
                written += 1
                open = nil
            case .discard:
                abandon()
            case .remove(let path):
                if path.withPathBytes({ unlink($0) }) == 0 { written -= 1 }
            }
        } catch {
            guard case .begin(let opening) = item, case .badInput = error else { throw error }
            Log.error("\(error)")
            failures.append((opening.name, "\(error)"))
        }
        return 0
    }

    func abandon() {
        open?.writer.abandon()
        open = nil
    }

    func conclude(signal: Int32?, fault: (any Error)?) throws {
        abandon()
        if let signal { throw Interrupted(signal: signal) }
        if let fault { throw fault }
    }
}

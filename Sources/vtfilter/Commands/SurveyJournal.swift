import Glibc
import ForkSafety
import TensorFiles
import VidTwinTraining
import VideoIO

/// The rows so far, in a file that a look which was stopped goes on from.
final class SurveyJournal: Sendable {
    private let path: String
    private let descriptor: Int32
    private let state: Guarded<(rows: [String: String], problem: VideoIOError?)>

    init(_ path: String) throws {
        self.path = path
        let earlier =
            path.withPathBytes { access($0, R_OK) } == 0
            ? VideoSurvey.rows(of: try InputFile.read(path, limit: 1 << 30)) : [:]
        state = Guarded((earlier, nil))
        // Whole rows only are kept.
        let text = earlier.sorted { $0.key < $1.key }.map { $0.value + "\n" }.joined()
        try NewFile.write(text, to: path)
        descriptor = path.withPathBytes { open($0, O_WRONLY | O_APPEND | O_CLOEXEC) }
        if descriptor < 0 {
            throw VideoIOError.failure(
                url: path, problem: "cannot be written: \(String(cString: strerror(errno)))")
        }
    }

    deinit { close(descriptor) }

    var problem: VideoIOError? { state.withLock { $0.problem } }

    func has(_ name: String) -> Bool { state.withLock { $0.rows[name] != nil } }

    func row(_ name: String) -> String? { state.withLock { $0.rows[name] } }

    func add(_ name: String, _ row: String) throws {
        state.withLock { state in
            state.rows[name] = row
            let bytes = Array((row + "\n").utf8)
            if write(descriptor, bytes, bytes.count) != bytes.count, state.problem == nil {
                state.problem = .failure(
                    url: path, problem: "cannot be written: \(String(cString: strerror(errno)))")
            }
        }
    }

    func remove() { unlink(path) }
}

import Glibc
import Synchronization
import VideoIO

/// Tells how far a stream has come: a line on a terminal, `key=value` lines for programs.
final class Progress: Sendable {
    private struct State {
        var frames = 0
        var lastReport = 0.0
    }

    private let state: Mutex<State>
    private let start = Clock.now
    private let total: Int?
    private let showsLine: Bool
    private let file: ProgressFile?

    /// Whether a progress line stands on the terminal.
    private static let lineStands = Atomic<Bool>(false)

    /// Starts the clock. The file of `--progress` is none of `inputs`.
    init(_ options: ProgressOptions, quiet: Bool, total: Int?, inputs: [String]) throws {
        self.total = total
        showsLine = isatty(2) == 1 && !options.noProgress && !quiet
        file = try options.progress.map { try ProgressFile($0, inputs: inputs) }
        state = Mutex(State())
    }

    /// So many more frames are written.
    func wrote(_ frames: Int = 1) {
        let now = Clock.now
        state.withLock { state in
            state.frames += frames
            if now - state.lastReport < 0.5 { return }
            state.lastReport = now
            report(state, now, "continue")
        }
    }

    /// No more frames come.
    func end() {
        state.withLock { state in
            report(state, Clock.now, "end")
        }
        Progress.clearLine()
    }

    private func report(_ state: State, _ now: Double, _ kind: String) {
        let elapsed = max(now - start, 1e-6)
        let rate = Double(state.frames) / elapsed
        if let file {
            var lines = "frame=\(state.frames)\nfps=\(Clock.decimal(rate, digits: 2))\n"
            if let total { lines += "total_frames=\(total)\n" }
            lines += "elapsed=\(Clock.decimal(elapsed, digits: 3))\nprogress=\(kind)\n"
            file.write(lines)
        }
        if showsLine, kind == "continue" {
            var line = "frame \(state.frames)"
            if let total, total > 0 {
                let percent = min(100 * Double(state.frames) / Double(total), 100)
                let left = Double(max(total - state.frames, 0)) / max(rate, 1e-9)
                line += " of \(total)  \(Clock.decimal(percent, digits: 0)) %"
                line += "  ETA \(Clock.decimal(left, digits: 0)) s"
            }
            Progress.showLine(line + "  \(Clock.decimal(rate, digits: 1)) frames/s")
        }
    }

    /// Shows a line that the next one replaces.
    static func showLine(_ text: String) {
        var bytes = Array("\r\(text)\u{1b}[K".utf8)
        _ = write(2, &bytes, bytes.count)
        lineStands.store(true, ordering: .relaxed)
    }

    /// Makes room for words where a progress line stands.
    static func clearLine() {
        if lineStands.exchange(false, ordering: .relaxed) {
            var bytes = Array("\r\u{1b}[K".utf8)
            _ = write(2, &bytes, bytes.count)
        }
    }
}

extension StreamOptions {
    /// Frames to come, where the input tells.
    func expectedFrames(_ stream: VideoStreamInfo) -> Int? {
        let rest = stream.frameCount.map { max($0 - skip, 0) }
        guard let frames else { return rest }
        return min(rest ?? frames, frames)
    }
}

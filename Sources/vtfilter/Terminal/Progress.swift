import Glibc
import ForkSafety
import Synchronization

/// Tells how far a stream has come: a line on a terminal, `key=value` lines for programs.
package final class Progress: Sendable {
    private struct State {
        var frames = 0
        var lastReport = 0.0
    }

    private let state: Guarded<State>
    private let start = Clock.now
    private let total: Int?
    private let showsLine: Bool
    private let file: ProgressFile?

    /// Whether a progress line stands on the terminal.
    private static let lineStands = Atomic<Bool>(false)

    /// Starts the clock. Shows a line where that is wanted and standard error is a terminal.
    package init(showsLine: Bool, file: ProgressFile?, total: Int?) {
        (self.file, self.total) = (file, total)
        self.showsLine = showsLine && Progress.isTerminal
        state = Guarded(State())
    }

    /// So many more frames are written.
    package func wrote(_ frames: Int = 1) {
        let now = Clock.now
        state.withLock { state in
            state.frames += frames
            if now - state.lastReport < 0.5 { return }
            state.lastReport = now
            report(state, now, "continue")
        }
    }

    /// No more frames come.
    package func end() {
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

    /// Whether there is a terminal to show a line on.
    static var isTerminal: Bool { isatty(2) == 1 }

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

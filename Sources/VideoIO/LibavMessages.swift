import CFFmpeg
import Glibc
import ForkSafety
import TensorFiles

/// What libav itself writes to standard error. It is a setting of the whole process, so only a
/// program should touch it, never a library.
public enum LibavMessages {
    /// Nothing: faults come as errors, with their own words.
    public static func silence() {
        av_log_set_level(AV_LOG_QUIET)
        listen()
    }

    /// Warnings and errors, for those who look for a cause.
    public static func showWarnings() {
        av_log_set_level(AV_LOG_WARNING)
        listen()
    }

    /// The libraries' version.
    public static var version: String { String(cString: av_version_info()) }

    // MARK: - The last error, as the cause of a fault

    /// What was said last on those threads that want to know.
    private static let errors = Guarded<[UInt: String]>.ofProcess([:])

    private static func listen() {
        av_log_set_callback { object, level, format, arguments in
            let shown = level <= av_log_get_level()
            guard shown || level <= AV_LOG_ERROR, let format, let arguments else { return }
            var line = [CChar](repeating: 0, count: 1024)
            var prefix: Int32 = 1
            av_log_format_line2(object, level, format, arguments, &line, 1024, &prefix)
            let bytes = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            if shown {
                let visible = Array(String(decoding: bytes, as: UTF8.self).visibleLines.utf8)
                _ = write(2, visible, visible.count)
            }
            if level <= AV_LOG_ERROR {
                LibavMessages.remember(String(decoding: bytes, as: UTF8.self))
            }
        }
    }

    private static func remember(_ text: String) {
        // "[libx264 @ 0x5581] text"
        var rest = text[...]
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            rest = text[text.index(after: end)...]
        }
        let words = rest.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        errors.withLock {
            if !words.isEmpty, $0[pthread_self()] != nil { $0[pthread_self()] = words }
        }
    }

    /// The last error that libav says on this thread during a call that throws nothing.
    static func words<Value>(of call: () -> Value) -> (Value, String?) {
        errors.withLock { $0[pthread_self()] = "" }
        defer { errors.withLock { $0[pthread_self()] = nil } }
        let value = call()
        let words = errors.withLock { $0[pthread_self()] } ?? ""
        return (value, words.isEmpty ? nil : words)
    }

    /// The last error that libav says on this thread during a call, where a program listens.
    static func cause<Value>(of call: () throws(VideoIOError) -> Value) throws(VideoIOError) -> (
        Value, String?
    ) {
        errors.withLock { $0[pthread_self()] = "" }
        defer { errors.withLock { $0[pthread_self()] = nil } }
        let value = try call()
        let words = errors.withLock { $0[pthread_self()] } ?? ""
        return (value, words.isEmpty ? nil : words)
    }
}

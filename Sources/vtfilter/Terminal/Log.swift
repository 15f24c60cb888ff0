import Glibc
import Logging
import TensorFiles

/// Words for the user, on standard error, through swift-log.
enum Log {
    nonisolated(unsafe) private static var logger: Logger = {
        var logger = Logger(label: "vtfilter") { _ in StandardErrorHandler() }
        logger.logLevel = .notice
        return logger
    }()

    /// Called once, before any thread is started.
    static func configure(quiet: Bool, verbose: Bool) {
        logger.logLevel = quiet ? .error : verbose ? .debug : .notice
    }

    /// Who speaks, where there are several processes.
    nonisolated(unsafe) private static var speaker = ""

    /// Only errors are said, and by whom.
    static func speak(as name: String) {
        (speaker, logger.logLevel) = ("\(name): ", .error)
    }

    /// Nothing is said any more.
    static func silence() { logger.logLevel = .critical }

    static func error(_ text: String) { logger.error("\(speaker)\(text)") }
    static func warning(_ text: String) { logger.warning("\(text)") }
    static func notice(_ text: String) { logger.notice("\(text)") }
    static func debug(_ text: String) { logger.debug("\(text)") }

    /// A text that is complete as it is.
    static func plain(_ text: String) { writeLine(text) }

    static var isVerbose: Bool { logger.logLevel <= .debug }
    static var isQuiet: Bool { logger.logLevel >= .error }

    /// One write a line, so that lines of several programs in a pipe do not mix.
    fileprivate static func writeLine(_ text: String) {
        Progress.clearLine()
        var bytes = Array((text.visibleLines + "\n").utf8)
        _ = write(2, &bytes, bytes.count)
    }
}

/// Lines of the form `vtfilter: warning: text`.
private struct StandardErrorHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .notice

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        // Lists go on in lines of their own; nothing that is quoted begins one like this.
        let text = "\(event.message)".split(separator: "\n", omittingEmptySubsequences: false)
            .enumerated().map { $0 == 0 || $1.hasPrefix(" ") ? String($1) : "  \($1)" }
            .joined(separator: "\n")
        switch event.level {
        case .error, .critical: Log.writeLine("vtfilter: error: \(text)")
        case .warning: Log.writeLine("vtfilter: warning: \(text)")
        default: Log.writeLine("vtfilter: \(text)")
        }
    }
}

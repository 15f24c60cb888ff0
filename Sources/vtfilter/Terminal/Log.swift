import Glibc
import Logging

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

    static func error(_ text: String) { logger.error("\(text)") }
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
        // Names from files may hold what a terminal would obey.
        let visible = text.unicodeScalars.map { scalar in
            let isControl = scalar.value < 32 || (127..<160).contains(scalar.value)
            return isControl && scalar != "\n" && scalar != "\t" ? "?" : Character(scalar)
        }
        var bytes = Array((String(visible) + "\n").utf8)
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
        switch event.level {
        case .error, .critical: Log.writeLine("vtfilter: error: \(event.message)")
        case .warning: Log.writeLine("vtfilter: warning: \(event.message)")
        default: Log.writeLine("vtfilter: \(event.message)")
        }
    }
}

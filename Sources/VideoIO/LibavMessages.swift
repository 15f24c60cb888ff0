import CFFmpeg

/// What libav itself writes to standard error. It is a setting of the whole process, so only a
/// program should touch it, never a library.
public enum LibavMessages {
    /// Nothing: faults come as errors, with their own words.
    public static func silence() { av_log_set_level(AV_LOG_QUIET) }

    /// Warnings and errors, for those who look for a cause.
    public static func showWarnings() { av_log_set_level(AV_LOG_WARNING) }

    /// The libraries' version.
    public static var version: String { String(cString: av_version_info()) }
}

import CFFmpeg
import TensorFiles

/// What can go wrong with media input and output: what, where, expected, found.
public enum VideoIOError: Error, CustomStringConvertible, Sendable {
    /// Options that contradict each other, are missing or mean nothing.
    case usage(String)
    /// Input that is not what it should be; all whole frames before it were delivered.
    case badInput(url: String, problem: String)
    /// Reading, writing or the libraries failed.
    case failure(url: String, problem: String)
    /// Whoever reads the output is gone.
    case brokenPipe(url: String)
    /// `Cancellation.cancel` was called while waiting.
    case cancelled

    /// One line.
    public var description: String {
        switch self {
        case .usage(let problem): problem.visible
        case .badInput(let url, let problem), .failure(let url, let problem):
            "\(url == "-" ? "standard input" : url.visible): \(problem.visible)"
        case .brokenPipe(let url):
            "\(url == "-" ? "standard output" : url.visible): the reader has gone, stopping"
        case .cancelled: "cancelled"
        }
    }
}

/// What libav says of an error code.
func libavMessage(_ code: Int32) -> String {
    var text = [CChar](repeating: 0, count: 256)
    av_strerror(code, &text, text.count)
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// What can be wrong with a stream of arrays: what, where, expected, found.
public enum StreamError: Error, CustomStringConvertible, Sendable {
    /// The stream or a member of it is not what it should be.
    case malformed(place: String, expected: String, found: String)
    /// The stream ends within a member.
    case truncated(place: String, expected: Int, found: Int)
    /// Reading or writing failed.
    case failure(place: String, problem: String)
    /// Whoever reads the output is gone.
    case brokenPipe(place: String)
    /// Waiting for input was ended from outside.
    case cancelled

    /// One line.
    public var description: String {
        switch self {
        case .malformed(let place, let expected, let found):
            "\(place.visible): expected \(expected), found \(found.visible)"
        case .truncated(let place, let expected, let found):
            "\(place.visible): truncated: expected \(expected) bytes, found \(found)"
        case .failure(let place, let problem): "\(place.visible): \(problem.visible)"
        case .brokenPipe(let place): "\(place.visible): the reader has gone, stopping"
        case .cancelled: "cancelled"
        }
    }
}

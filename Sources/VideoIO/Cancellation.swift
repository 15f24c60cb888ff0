import Glibc

/// Wakes readers that wait for input; may be called from any thread, once or often.
public final class Cancellation: Sendable {
    /// Readable once cancelled, for those who wait by `poll`.
    public let wakeDescriptor: Int32
    private let signalDescriptor: Int32

    /// Not cancelled.
    public init() {
        var descriptors: [Int32] = [-1, -1]
        if pipe(&descriptors) != 0 { descriptors = [-1, -1] }
        (wakeDescriptor, signalDescriptor) = (descriptors[0], descriptors[1])
        for descriptor in descriptors { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    }

    deinit {
        close(wakeDescriptor)
        close(signalDescriptor)
    }

    /// Makes every read that waits, or will wait, end with `VideoIOError.cancelled`.
    public func cancel() {
        var byte: UInt8 = 1
        _ = write(signalDescriptor, &byte, 1)
    }

    /// Whether `cancel` was called.
    public var isCancelled: Bool {
        var entry = pollfd(fd: wakeDescriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) > 0
    }

    /// Waits until there is something to read, or nobody who could write it.
    ///
    /// - Throws: `VideoIOError.cancelled`.
    public func wait(for descriptor: Int32) throws(VideoIOError) {
        var entries = [
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: wakeDescriptor, events: Int16(POLLIN), revents: 0),
        ]
        while poll(&entries, 2, -1) < 0 && errno == EINTR {}
        if entries[1].revents != 0 { throw .cancelled }
    }

    /// Opens a file to read, or a named pipe, without waiting for its writer: `wait` does that.
    ///
    /// - Throws: `VideoIOError.badInput`.
    public static func open(_ url: String) throws(VideoIOError) -> Int32 {
        try ByteSource.open(url)
    }
}

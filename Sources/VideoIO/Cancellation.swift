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
}

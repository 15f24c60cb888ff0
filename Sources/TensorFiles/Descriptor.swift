import Glibc

/// An open descriptor that is read or written whole, whatever it is: calls that a signal ends are
/// made again, and one that would block is waited for.
package struct Descriptor: Sendable {
    /// Stays the caller's, who closes it.
    package let number: Int32
    /// For messages.
    package let place: String
    /// Waiting ends with `StreamError.cancelled` when this becomes readable; for a reader of what is
    /// written, after a second in which nothing was taken.
    private let wake: Int32?

    /// The descriptor of this number.
    package init(_ number: Int32, place: String, wake: Int32? = nil) {
        (self.number, self.place, self.wake) = (number, place, wake)
    }

    /// What a pipe that is ready takes without waiting (PIPE_BUF).
    private static let piece = 4096

    /// Writes all bytes.
    ///
    /// - Throws: `StreamError.brokenPipe`, `.cancelled` or `.failure`.
    package func write(_ bytes: UnsafeRawBufferPointer) throws(StreamError) {
        var rest = bytes
        while let base = rest.baseAddress, !rest.isEmpty {
            if let wake { try waitForRoom(wake) }
            let count = Glibc.write(
                number, base, wake == nil ? rest.count : min(rest.count, Descriptor.piece))
            if count >= 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            } else if errno == EPIPE {
                throw .brokenPipe(place: place)
            } else if errno == EAGAIN {
                if wake == nil { wait(for: POLLOUT) }
            } else if errno != EINTR {
                throw failure("writing")
            }
        }
    }

    /// Writes all bytes.
    ///
    /// - Throws: `StreamError.brokenPipe`, `.cancelled` or `.failure`.
    package func write(_ bytes: [UInt8]) throws(StreamError) {
        var problem: StreamError?
        bytes.withUnsafeBytes { buffer in
            do throws(StreamError) { try write(buffer) } catch { problem = error }
        }
        if let problem { throw problem }
    }

    /// Reads what there is, at most as much as there is room for.
    ///
    /// - Returns: the number of bytes; 0 at the end.
    /// - Throws: `StreamError.cancelled` or `.failure`.
    package func read(into room: UnsafeMutableRawBufferPointer) throws(StreamError) -> Int {
        while true {
            if wait(for: POLLIN) { throw .cancelled }
            let count = Glibc.read(number, room.baseAddress, room.count)
            if count >= 0 { return count }
            if errno != EINTR && errno != EAGAIN { throw failure("reading") }
        }
    }

    /// Waits until the descriptor is ready.
    ///
    /// - Returns: whether waiting was ended from outside.
    @discardableResult
    private func wait(for events: Int32) -> Bool {
        var entries = [  // one below 0 is passed over
            pollfd(fd: number, events: Int16(events), revents: 0),
            pollfd(fd: events == POLLIN ? wake ?? -1 : -1, events: Int16(POLLIN), revents: 0),
        ]
        while poll(&entries, 2, -1) < 0 && errno == EINTR {}
        return entries[1].revents != 0
    }

    /// Waits until something can be written.
    private func waitForRoom(_ wake: Int32) throws(StreamError) {
        var entries = [
            pollfd(fd: number, events: Int16(POLLOUT), revents: 0),
            pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
        ]
        while poll(&entries, 2, -1) < 0 && errno == EINTR {}
        if entries[0].revents != 0 { return }
        while true {
            let ready = poll(&entries, 1, 1000)
            if ready == 0 { throw .cancelled }
            if ready > 0 || errno != EINTR { return }
        }
    }

    private func failure(_ what: String) -> StreamError {
        .failure(place: place, problem: "\(what) failed: \(String(cString: strerror(errno)))")
    }
}

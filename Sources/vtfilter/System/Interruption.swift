import Glibc
import Synchronization
import VideoIO

/// Where the handler writes the signal's number.
nonisolated(unsafe) private var signalPipe: Int32 = -1

/// SIGINT and SIGTERM: the first finishes the clip in work and closes the output properly, the
/// second ends at once.
final class Interruption: Sendable {
    /// Cancelled by the first signal, so that nobody waits for input.
    let reading = Cancellation()
    private let state = Mutex<(signal: Int32?, temporaryPath: String?)>((nil, nil))

    /// Starts watching. One at a time in a process.
    ///
    /// Libraries start threads of their own before `main`, which block no signal, so a handler
    /// passes the signal on to a thread that may do more than a handler may.
    init() {
        var descriptors: [Int32] = [-1, -1]
        if pipe(&descriptors) != 0 { return }
        signalPipe = descriptors[1]
        let source = descriptors[0]
        for number in [SIGINT, SIGTERM] {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { number in
                let before = errno
                var byte = UInt8(truncatingIfNeeded: number)
                _ = write(signalPipe, &byte, 1)
                errno = before
            }
            action.sa_flags = SA_RESTART
            sigaction(number, &action, nil)
        }
        _ = BackgroundThread { [self] in
            var byte: UInt8 = 0
            while true {
                if Glibc.read(source, &byte, 1) == 1 { received(Int32(byte)) }
            }
        }
    }

    /// The signal that came, if one did.
    var signal: Int32? { state.withLock { $0.signal } }

    /// The exit status of a run that was cancelled: a signal did it, if one came.
    static var status: Int32 {
        let number = last.load(ordering: .relaxed)
        return number == 0 ? ExitStatus.failure : 128 + number
    }
    private static let last = Atomic<Int32>(0)

    /// A file to remove when a second signal ends everything at once.
    func protect(_ temporaryPath: String?) { state.withLock { $0.temporaryPath = temporaryPath } }

    private func received(_ number: Int32) {
        let (again, path) = state.withLock { state in
            defer { state.signal = state.signal ?? number }
            return (state.signal != nil, state.temporaryPath)
        }
        if again {
            if let path { unlink(path) }
            _exit(128 + number)
        }
        Interruption.last.store(number, ordering: .relaxed)
        reading.cancel()
    }
}

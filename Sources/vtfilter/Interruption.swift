import Glibc
import Synchronization
import VideoIO

/// SIGINT and SIGTERM: the first finishes the clip in work and closes the output properly, the
/// second ends at once.
final class Interruption: Sendable {
    /// Cancelled by the first signal, so that nobody waits for input.
    let reading = Cancellation()
    private let state = Mutex<(signal: Int32?, temporaryPath: String?)>((nil, nil))

    /// Starts watching. Made before other threads, which inherit the blocked signals.
    init() {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGINT)
        sigaddset(&signals, SIGTERM)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        let watched = signals
        _ = BackgroundThread { [self] in
            while true {
                var (signals, number) = (watched, Int32(0))
                if sigwait(&signals, &number) == 0 { received(number) }
            }
        }
    }

    /// The signal that came, if one did.
    var signal: Int32? { state.withLock { $0.signal } }

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
        reading.cancel()
    }
}

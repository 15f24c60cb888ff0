import Glibc
import Synchronization

/// SIGUSR1: a training run is asked to save now.
enum SaveRequest {
    private static let pending = Atomic<Bool>(false)

    /// Starts listening.
    static func listen() {
        var action = sigaction()
        // A store to an atomic is all that a handler does.
        action.__sigaction_handler.sa_handler = { _ in
            SaveRequest.pending.store(true, ordering: .relaxed)
        }
        action.sa_flags = SA_RESTART
        sigaction(SIGUSR1, &action, nil)
    }

    /// Whether it was asked for since the last call.
    static func take() -> Bool { pending.exchange(false, ordering: .relaxed) }
}

import Glibc

/// Signals that wait while products run.
///
/// oneDNN's generated code takes the stack's register for an address of its own (its float32 matrix
/// product does), so the frame of a handler on the thread's stack would be written into somebody's data:
/// a handful of signals ended a training run by a damaged heap. What a thread does to itself (a bad
/// address, a trap) does not wait.
package enum HeldSignals {
    /// Runs `body` on a thread that handles no signal meanwhile; it does then what it would have done.
    package static func during<Result>(_ body: () throws -> Result) rethrows -> Result {
        var outer = sigset_t()
        var held = HeldSignals.set
        pthread_sigmask(SIG_BLOCK, &held, &outer)
        defer { pthread_sigmask(SIG_SETMASK, &outer, nil) }
        return try body()
    }

    /// The calling thread, which is ours, handles none from now on.
    static func always() {
        var held = HeldSignals.set
        pthread_sigmask(SIG_BLOCK, &held, nil)
    }

    /// Makes the set, so that no two threads do.
    static func prepare() { _ = HeldSignals.set }

    private static let set: sigset_t = {
        var set = sigset_t()
        sigfillset(&set)
        for number in [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS] {
            sigdelset(&set, number)
        }
        return set
    }()
}

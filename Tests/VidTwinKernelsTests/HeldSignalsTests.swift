import Glibc
import Synchronization
import Testing
import VidTwinKernels

/// oneDNN's code keeps addresses in the stack's register: no handler may run meanwhile.
@Suite struct `Held signals` {
    private static func isBlocked(_ number: Int32) -> Bool {
        var set = sigset_t()
        pthread_sigmask(SIG_BLOCK, nil, &set)
        return sigismember(&set, number) == 1
    }

    @Test(arguments: [1, 3]) func `every thread of a loop holds signals, and gives them back`(
        _ threads: Int
    ) {
        let pool = ThreadPool(threadCount: threads)
        let held = Atomic<Int>(0)
        let seen = Atomic<Int>(0)
        let before = Self.isBlocked(SIGTERM)
        pool.parallel(64) { _, _ in
            usleep(100)
            seen.add(1, ordering: .relaxed)
            let isHeld = [SIGTERM, SIGINT, SIGUSR1, SIGALRM, SIGPROF].allSatisfy(Self.isBlocked)
            // What a thread does to itself is never held.
            if isHeld, !Self.isBlocked(SIGSEGV), !Self.isBlocked(SIGBUS) {
                held.add(1, ordering: .relaxed)
            }
        }
        #expect(seen.load(ordering: .relaxed) == 64)
        #expect(held.load(ordering: .relaxed) == 64)
        #expect(Self.isBlocked(SIGTERM) == before)
    }

    @Test func `a signal that came meanwhile is handled afterwards`() {
        let pool = ThreadPool(threadCount: 2)
        handled.store(0, ordering: .relaxed)
        var (action, old) = (sigaction(), sigaction())
        action.__sigaction_handler.sa_handler = { _ in handled.add(1, ordering: .relaxed) }
        sigaction(SIGUSR2, &action, &old)
        defer { sigaction(SIGUSR2, &old, nil) }
        // Threads that run tests hold signals by themselves.
        var (own, before) = (sigset_t(), sigset_t())
        sigemptyset(&own)
        sigaddset(&own, SIGUSR2)
        pthread_sigmask(SIG_UNBLOCK, &own, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        let caller = pthread_self()
        let during = Atomic<Int>(-1)
        pool.parallel(1) { _, _ in
            pthread_kill(caller, SIGUSR2)
            during.store(handled.load(ordering: .relaxed), ordering: .relaxed)
        }
        #expect(during.load(ordering: .relaxed) == 0)
        #expect(handled.load(ordering: .relaxed) == 1)
    }
}

/// Signals that the handler saw; a handler can reach nothing else.
private let handled = Atomic<Int>(0)

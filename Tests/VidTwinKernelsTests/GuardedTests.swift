import ForkSafety
import Glibc
import Testing

@Suite struct GuardedTests {
    /// What the threads of a child share.
    private static let counts = Guarded<[String: Int]>.ofProcess(["a": 0])

    @Test func `two threads meet at a lock in a fork's child`() throws {
        // The thread that forks has held it, and so has another one while it forks.
        GuardedTests.counts.withLock { $0["a"] = 1 }
        var other = pthread_t()
        pthread_create(&other, nil, { _ in GuardedTests.count() }, nil)
        // Swift has no name for it, since little may run in the child; a lock must.
        let fork = try #require(dlsym(nil, "fork"))
        let child = unsafeBitCast(fork, to: (@convention(c) () -> pid_t).self)()
        if child == 0 {
            alarm(60)
            GuardedTests.counts.withLock { $0["a"] = 0 }
            var thread = pthread_t()
            pthread_create(&thread, nil, { _ in GuardedTests.count() }, nil)
            _ = GuardedTests.count()
            pthread_join(thread, nil)
            _exit(GuardedTests.counts.withLock { $0["a"] == 200_000 ? 0 : 1 })
        }
        pthread_join(other, nil)
        var status: Int32 = 0
        waitpid(child, &status, 0)
        #expect(status == 0)
    }

    private static func count() -> UnsafeMutableRawPointer? {
        for _ in 0..<100_000 { counts.withLock { $0["a", default: 0] += 1 } }
        return nil
    }
}

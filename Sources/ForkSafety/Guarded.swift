import Glibc

/// A value behind a lock that a `fork` may happen under: Swift's `Mutex` knows its holder by the
/// thread's number, which is another one in the child, where two threads that meet then end the process.
/// (Nor does a thread sanitizer see who passes it on.) So all locks here are this one.
package final class Guarded<Value>: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private var value: Value

    package init(_ value: Value) {
        self.value = value
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
    }

    /// A lock of the whole process: a fork waits until nobody holds it, so that it is free in the child.
    ///
    /// It is never given back.
    package static func ofProcess(_ value: Value) -> Guarded {
        let guarded = Guarded(value)
        Fork.join(guarded)
        return guarded
    }

    deinit { mutex.deallocate() }

    /// Runs `body` with the value, alone.
    package func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        lock()
        defer { unlock() }
        return try body(&value)
    }

    /// For `ForkParticipant`s that hold several: before, and after.
    package func lock() { pthread_mutex_lock(mutex) }
    package func unlock() { pthread_mutex_unlock(mutex) }
}

extension Guarded: ForkParticipant {
    package func beforeFork() { lock() }
    package func afterFork(inChild: Bool) { unlock() }
}
